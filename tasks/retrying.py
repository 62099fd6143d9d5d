"""Which failures are worth another try, and when."""

from collections.abc import Sequence
from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from delivery.errors import TransientError

BACKOFF_SECONDS = [2, 4, 8, 16]
"""Waits before the second to the fifth try of a task; Prefect adds jitter."""

OUTAGE_SECONDS = [2, 4, 8, 16, 32, 60, 60]
"""Likewise, to outlast an outage of two minutes while nothing has been touched yet: 182 s
in all, never less than 136 s by a jitter of 0.3."""


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the failure may pass by itself: decided by the error's class alone."""
    failure: object = state.data
    if not isinstance(failure, BaseException):
        failure = getattr(failure, "result", None)
    return isinstance(failure, TransientError)


def retried(waits: Sequence[int], *, jitter: float = 0.5) -> dict[str, Any]:
    """The options of a task that looks before it acts: it may be tried again after each wait.

    Nothing is cached or persisted: the world is asked anew every time.
    """
    return {
        "retries": len(waits),
        "retry_delay_seconds": [float(seconds) for seconds in waits],
        "retry_jitter_factor": jitter,
        "retry_condition_fn": is_transient,
        "cache_policy": NO_CACHE,
        "persist_result": False,
    }


THROUGH_AN_OUTAGE = retried(OUTAGE_SECONDS, jitter=0.3)
"""The options of a stage that touches no host: a service may be away for two minutes."""
