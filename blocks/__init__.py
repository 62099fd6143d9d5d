"""Configured doors to the outside world: one I/O action per method."""
