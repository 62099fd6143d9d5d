"""How the flows are served: environments, registration, triggers."""
