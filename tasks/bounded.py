"""Work that nobody waits for longer than he wants to."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

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
