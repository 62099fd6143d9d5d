import ipaddress
import os

import pytest

from lab import bridge

NAME = f"ttt{os.getpid()}"


@pytest.mark.e2e  # making a bridge takes root, as the lab does
def test_a_bridge_is_made_once_and_leaves_nothing_when_it_goes() -> None:
    network = bridge.unused_network()
    try:
        bridge.create(NAME, network)
        bridge.create(NAME, network)

        assert bridge.exists(NAME)
        assert bridge.unused_network() != network
    finally:
        bridge.remove(NAME)

    assert not bridge.exists(NAME)
    bridge.remove(NAME)


def test_the_network_is_private_and_small() -> None:
    network = bridge.unused_network()

    assert network.prefixlen == 24
    assert network.subnet_of(ipaddress.IPv4Network("172.16.0.0/12"))
