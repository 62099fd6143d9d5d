import threading
import time

import pytest

from lab.steps import Step, run_steps


def test_a_step_runs_after_all_that_it_needs() -> None:
    order: list[str] = []
    steps = [
        Step("last", lambda: order.append("last"), needs=("first", "second")),
        Step("second", lambda: order.append("second"), needs=("first",)),
        Step("first", lambda: order.append("first")),
    ]

    run_steps(steps, say=lambda _: None)

    assert order == ["first", "second", "last"]


def test_steps_that_do_not_need_each_other_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=60)

    def meet() -> None:
        meeting.wait()

    run_steps([Step("one", meet), Step("other", meet)], say=lambda _: None)


def test_after_a_failure_nothing_new_starts_but_what_runs_may_end() -> None:
    done: list[str] = []
    failing = threading.Event()

    def slow() -> None:
        failing.wait(60)
        time.sleep(0.2)
        done.append("slow")

    def fail() -> None:
        failing.set()
        raise RuntimeError("no luck")

    steps = [
        Step("slow", slow),
        Step("failing", fail),
        Step("after", lambda: done.append("after"), needs=("slow",)),
    ]
    with pytest.raises(RuntimeError, match="no luck"):
        run_steps(steps, say=lambda _: None)

    assert done == ["slow"]


def test_every_step_is_told_with_its_seconds_and_its_remark() -> None:
    said: list[str] = []

    run_steps([Step("images", lambda: "nothing to build")], said.append)

    assert said[0].split()[0] == "images"
    assert said[0].endswith("s  nothing to build")


def test_needing_a_step_that_is_not_there_is_refused_before_anything_runs() -> None:
    ran: list[str] = []
    steps = [Step("one", lambda: ran.append("one")), Step("two", lambda: None, needs=("three",))]

    with pytest.raises(ValueError, match="three"):
        run_steps(steps, say=lambda _: None)

    assert ran == []


def test_steps_in_a_circle_are_refused() -> None:
    circle = [Step("a", lambda: None, needs=("b",)), Step("b", lambda: None, needs=("a",))]

    with pytest.raises(ValueError, match="need each other"):
        run_steps(circle, say=lambda _: None)
