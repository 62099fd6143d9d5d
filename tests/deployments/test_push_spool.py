import dataclasses
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from delivery.trigger import decide, decided
from deployments.push_spool import REMEMBERED_SECONDS, PushSpool
from tests.pushes import a_push, sha

A_PUSH = decided(a_push("src/A.java"), decide(a_push("src/A.java")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "webhook.sqlite"


def test_what_was_accepted_is_there_after_a_restart(path: Path) -> None:
    PushSpool(path).accept("one", "digest", A_PUSH, now=7.0)
    (held,) = PushSpool(path).held()
    assert (held.push, held.received) == (A_PUSH, 7.0)


def test_a_delivery_is_known_after_its_push_was_settled(path: Path) -> None:
    spool = PushSpool(path)
    spool.accept("one", "digest", A_PUSH, now=0)
    spool.settle(spool.held())
    assert (spool.held(), spool.waiting()) == ([], 0)
    assert not PushSpool(path).accept("one", "other", A_PUSH, now=1)
    assert not PushSpool(path).accept("other", "digest", A_PUSH, now=1)


def test_pushes_wait_in_order_of_arrival(path: Path) -> None:
    spool = PushSpool(path)
    for number in range(5):
        push = dataclasses.replace(A_PUSH, after=sha(number))
        spool.accept(f"delivery-{number}", f"digest-{number}", push, now=0)
    assert [held.push.after for held in spool.held()] == [sha(number) for number in range(5)]


def test_only_what_was_looked_at_is_settled(path: Path) -> None:
    spool = PushSpool(path)
    spool.accept("one", "1", A_PUSH, now=0)
    looked_at = spool.held()
    spool.accept("two", "2", A_PUSH, now=1)
    spool.settle(looked_at)
    assert [held.received for held in spool.held()] == [1.0]


def test_old_deliveries_are_forgotten_but_never_a_push_that_waits(path: Path) -> None:
    spool = PushSpool(path)
    spool.accept("waits", "1", A_PUSH, now=0)
    spool.accept("answered", "2", None, now=0)
    later = REMEMBERED_SECONDS + 1
    assert spool.accept("answered", "2", None, now=later)
    assert not spool.accept("waits", "1", A_PUSH, now=later)
    assert spool.waiting() == 1


def test_of_many_at_once_with_one_id_exactly_one_is_accepted(path: Path) -> None:
    spool = PushSpool(path)
    accepted: list[bool] = []

    def accept() -> None:
        accepted.append(spool.accept("same", "same", A_PUSH, now=0))

    _at_once(accept, 12)
    assert sorted(accepted) == [False] * 11 + [True]


def test_a_process_that_is_killed_leaves_what_it_accepted(path: Path) -> None:
    worker = multiprocessing.get_context("spawn").Process(target=_accept_for_ever, args=(path,))
    worker.start()
    try:
        spool = PushSpool(path)
        while spool.waiting() < 20:
            assert worker.is_alive()
    finally:
        worker.kill()
        worker.join(timeout=60)
    held = PushSpool(path).held()
    assert len(held) >= 20
    assert [each.received for each in held] == [float(n) for n in range(len(held))]


def _at_once(work: Callable[[], None], times: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)


def _accept_for_ever(path: Path) -> None:
    spool = PushSpool(path)
    for number in range(100_000):
        spool.accept(f"delivery-{number}", f"{number}", A_PUSH, now=float(number))
