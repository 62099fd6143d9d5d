import socket
from collections.abc import Iterator

import pytest

from lab.ports import SPARE_PORTS, answers, choose_port, is_free


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free_and_answers(taken_port: int) -> None:
    assert not is_free(taken_port)
    assert answers(taken_port)


def test_a_taken_wish_is_replaced_by_a_spare_port(taken_port: int) -> None:
    assert choose_port(taken_port, set()) in SPARE_PORTS


def test_a_promised_port_is_not_promised_again() -> None:
    taken: set[int] = set()
    wish = choose_port(23_456, taken)

    assert choose_port(wish, taken) != wish
    assert len(taken) == 2
