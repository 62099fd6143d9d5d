"""What a flow does about a Prefect server that restarts in the middle of it."""

import math
import time
from collections.abc import Callable
from typing import TypeVar

import httpx
from prefect import get_run_logger

T = TypeVar("T")

_AWAY_SECONDS = 300.0
_PAUSE_SECONDS = 2.0


def once_it_answers(
    act: Callable[[], T],
    *,
    seconds: float = _AWAY_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What ``act`` returns; it is done again while Prefect's server is away, and must bear that.

    Prefect's client waits by itself for a server that it has reached before, and each flow and
    block begins with a new one. Raises what the client raised once ``seconds`` have passed since
    it first did.
    """
    due = math.inf
    while True:
        try:
            return act()
        except httpx.TransportError as error:
            due = min(due, clock() + seconds)
            if clock() >= due:
                raise
            get_run_logger().warning(
                "Prefect's server does not answer (%s): tried again, for %.0f s at most",
                type(error).__name__,
                due - clock(),
            )
        sleep(_PAUSE_SECONDS)
