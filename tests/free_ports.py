"""A port for a server of a test's own."""

import random

from lab.ports import is_free

_CHOICE = range(10_000, 13_000)
"""Below the kernel's ephemeral range, where a connection might take it meanwhile; no lab's."""
_given: set[int] = set()


def free_port() -> int:
    """A port of loopback that nobody listens on; each time another."""
    # Hypothesis seeds what `random` gives without that: all processes would draw the same.
    for port in random.SystemRandom().sample(_CHOICE, k=200):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise AssertionError("no free port")
