"""A network bridge of our own, made and removed without any tool installed.

A Docker engine that finds `docker0` taken by another engine shares its addresses; with a
bridge per lab two engines on one machine do not meet. The calls are ioctl(2) on a socket,
as in Linux's <linux/sockios.h>; see netdevice(7).
"""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

SIOCSIFADDR = 0x8916
SIOCSIFNETMASK = 0x891C
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
SIOCBRADDBR = 0x89A0
SIOCBRDELBR = 0x89A1
IFF_UP = 0x1
NAME_LIMIT = 15


def exists(name: str) -> bool:
    """Whether a network interface of this name is there."""
    return Path("/sys/class/net", name).exists()


def create(name: str, network: ipaddress.IPv4Network) -> None:
    """Make the bridge and give it the network's first address; an existing one stays."""
    if exists(name):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCBRADDBR, _request(name))
        fcntl.ioctl(control, SIOCSIFADDR, _address_request(name, network[1]))
        fcntl.ioctl(control, SIOCSIFNETMASK, _address_request(name, network.netmask))
        _set_flags(control, name, add=IFF_UP)


def remove(name: str) -> None:
    """Take the bridge away; one that is not there is fine."""
    if not exists(name):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _set_flags(control, name, drop=IFF_UP)
        fcntl.ioctl(control, SIOCBRDELBR, _request(name))


def unused_network() -> ipaddress.IPv4Network:
    """A private /24 that no route of this machine covers."""
    routes = _routes()
    for candidate in ipaddress.ip_network("172.31.0.0/16").subnets(new_prefix=24):
        if not any(route.overlaps(candidate) for route in routes):
            return ipaddress.IPv4Network(candidate)
    raise OSError("every network of 172.31.0.0/16 is in use on this machine")


def _routes() -> list[ipaddress.IPv4Network]:
    rows = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    routes = [
        ipaddress.IPv4Network((_little_endian(r[1]), str(_little_endian(r[7])))) for r in rows
    ]
    return [route for route in routes if route.prefixlen > 0]


def _little_endian(number: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(struct.pack("<I", int(number, 16)))


def _request(name: str) -> bytes:
    return name.encode().ljust(NAME_LIMIT + 1, b"\0")


def _address_request(name: str, address: ipaddress.IPv4Address) -> bytes:
    socket_address = struct.pack("=HH4s8x", socket.AF_INET, 0, address.packed)
    return _request(name) + socket_address


def _set_flags(control: socket.socket, name: str, *, add: int = 0, drop: int = 0) -> None:
    reply = fcntl.ioctl(control, SIOCGIFFLAGS, _request(name) + bytes(16))
    flags = struct.unpack_from("=H", reply, 16)[0]
    fcntl.ioctl(control, SIOCSIFFLAGS, _request(name) + struct.pack("=H14x", flags & ~drop | add))
