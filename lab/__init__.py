"""The cloud on one machine: stand-ins for the far ends, for the demo and the tests."""
