"""Work that no deploy depends on: it is not waited for long, and its failure is a warning."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from prefect import get_run_logger

from delivery.redaction import redact

PATIENCE_SECONDS = 12.0
"""Enough for two tries of five seconds and a pause."""

Result = TypeVar("Result")


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What ``work`` gives, or raises; TimeoutError once it has taken so many seconds.

    Then it is left to itself in a thread that does not keep the process alive, so it must
    do no harm by going on.
    """
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # whatever it is, it is the caller's
            done.set_exception(error)

    threading.Thread(target=run, daemon=True, name="bounded work").start()
    return done.result(timeout=seconds)


def best_effort(what: str, work: Callable[[], Result]) -> Result | None:
    """What ``work`` gives; None and a warning if it fails or takes too long."""
    with harmless(what):
        return within(PATIENCE_SECONDS, work)
    return None


@contextmanager
def harmless(what: str) -> Iterator[None]:
    """Turn every failure within into a warning that holds no secret."""
    try:
        yield
    except Exception as error:
        problem = str(error) or "no answer in time"
        get_run_logger().warning("%s", redact(f"Without {what}: {type(error).__name__}: {problem}"))
