import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from delivery.errors import PrefectUnavailable
from delivery.trigger import decide, decided
from deployments.push_dispatch import Dispatcher, Pace
from deployments.push_spool import HeldPush, PushSpool
from tests.fakes import FakeClock
from tests.pushes import a_push, sha

PACE = Pace(quiet=3, patience=30, first_retry=2, longest_retry=16, given_up_after=1000)


@dataclass
class Settling:
    """Keeps what it was given; fails for the environments that are ``away``."""

    away: set[str] = field(default_factory=set)
    done: list[tuple[str, list[str]]] = field(default_factory=list)
    tries: int = 0

    def __call__(self, environment: str, pushes: Sequence[HeldPush]) -> None:
        self.tries += 1
        if environment in self.away:
            raise PrefectUnavailable("away")
        self.done.append((environment, [held.push.after for held in pushes]))


@pytest.fixture
def spool(tmp_path: Path) -> PushSpool:
    return PushSpool(tmp_path / "webhook.sqlite")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def settling() -> Settling:
    return Settling()


@pytest.fixture
def dispatcher(spool: PushSpool, clock: FakeClock, settling: Settling) -> Dispatcher:
    return Dispatcher(spool, ["production"], settling, pace=PACE, clock=clock)


def push(spool: PushSpool, clock: FakeClock, number: int) -> None:
    arrived = a_push("src/A.java", before=sha(number - 1), after=sha(number))
    held = decided(arrived, decide(arrived))
    spool.accept(f"delivery-{number}", f"{number}", held, now=clock.now)


def test_a_push_is_settled_once_it_was_quiet_for_a_moment(
    spool: PushSpool, clock: FakeClock, dispatcher: Dispatcher, settling: Settling
) -> None:
    push(spool, clock, 1)
    assert dispatcher.step() == PACE.quiet
    clock.sleep(PACE.quiet)
    dispatcher.step()
    assert settling.done == [("production", [sha(1)])]
    assert dispatcher.step() is None


def test_a_burst_of_a_thousand_pushes_in_a_minute_is_settled_as_one(
    spool: PushSpool, clock: FakeClock, settling: Settling
) -> None:
    dispatcher = Dispatcher(spool, ["production"], settling, clock=clock)
    for number in range(1, 1001):
        push(spool, clock, number)
        if number % 50 == 0:
            dispatcher.step()
        clock.sleep(0.06)
    clock.sleep(Pace().quiet)
    dispatcher.step()
    ((_, settled),) = settling.done
    assert (len(settled), settled[-1]) == (1000, sha(1000))


def test_a_burst_without_an_end_is_settled_in_bounded_time(
    spool: PushSpool, clock: FakeClock, dispatcher: Dispatcher, settling: Settling
) -> None:
    for number in range(1, 33):
        push(spool, clock, number)
        dispatcher.step()
        clock.sleep(1)
    assert len(settling.done) == 1


def test_a_push_stays_held_until_prefect_is_back(
    spool: PushSpool, clock: FakeClock, dispatcher: Dispatcher, settling: Settling
) -> None:
    settling.away.add("production")
    push(spool, clock, 1)
    clock.sleep(PACE.quiet)
    pauses = []
    for _ in range(6):
        pauses.append(dispatcher.step() or 0.0)
        clock.sleep(pauses[-1])
    assert pauses == [2, 4, 8, 16, 16, 16]
    settling.away.clear()
    dispatcher.step()
    assert settling.done == [("production", [sha(1)])]
    assert spool.held() == []


def test_a_new_push_does_not_shorten_the_wait_for_prefect(
    spool: PushSpool, clock: FakeClock, dispatcher: Dispatcher, settling: Settling
) -> None:
    settling.away.add("production")
    push(spool, clock, 1)
    clock.sleep(PACE.quiet)
    dispatcher.step()
    push(spool, clock, 2)
    dispatcher.step()
    assert settling.tries == 1


def test_one_environment_that_is_away_does_not_keep_another_from_its_deploy(
    spool: PushSpool, clock: FakeClock, settling: Settling
) -> None:
    settling.away.add("staging")
    dispatcher = Dispatcher(spool, ["staging", "production"], settling, pace=PACE, clock=clock)
    push(spool, clock, 1)
    clock.sleep(PACE.quiet)
    dispatcher.step()
    assert [name for name, _ in settling.done] == ["production"]
    assert spool.waiting() == 1


def test_a_push_of_yesterday_is_given_up(
    spool: PushSpool, clock: FakeClock, dispatcher: Dispatcher, settling: Settling
) -> None:
    settling.away.add("production")
    push(spool, clock, 1)
    clock.sleep(PACE.given_up_after)
    dispatcher.step()
    assert spool.held() == []


def test_its_thread_survives_a_mistake_and_settles_the_next_time(spool: PushSpool) -> None:
    settled, first = threading.Event(), threading.Event()

    def settle(_environment: str, _pushes: Sequence[HeldPush]) -> None:
        if not first.is_set():
            first.set()
            raise ZeroDivisionError
        settled.set()

    pace = Pace(quiet=0.0, first_retry=0.05)
    dispatcher = Dispatcher(spool, ["production"], settle, pace=pace)
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    try:
        push(spool, FakeClock(), 1)
        dispatcher.wake()
        assert settled.wait(10)
    finally:
        dispatcher.stop()
        thread.join(timeout=60)
    assert not thread.is_alive()
