"""Which loopback ports are free."""

from __future__ import annotations

import random
import socket

SPARE_PORTS = range(20_000, 32_000)
"""Where to look when the wished-for port is taken: below the kernel's ephemeral range."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def choose_port(wish: int, taken: set[int]) -> int:
    """`wish` if it is free and not promised yet, else any other; adds it to `taken`."""
    for port in [wish, *random.sample(SPARE_PORTS, k=200)]:
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise OSError(f"no free port on the loopback interface in place of {wish}")
