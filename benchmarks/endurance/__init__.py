"""What takes too long for every test run: many deploys, many deaths, a fleet."""
