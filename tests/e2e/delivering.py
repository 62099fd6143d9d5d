"""What drives the product in the tests' lab, under the name the tests know it by."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.environment import load_environment
from tools.driving import Answered, Delivering

__all__ = ["Answered", "Delivering", "rolling_out_with"]


@contextmanager
def rolling_out_with(
    delivering: Delivering, *, health: Mapping[str, Any] | None = None, **changes: Any
) -> Iterator[None]:
    """The environment with these fields of its rollout and health policies; as it was after."""
    with temporary_settings({PREFECT_API_URL: delivering.lab.env["PREFECT_API_URL"]}):
        target = load_environment(delivering.environment)
        rollout = target.rollout.model_copy(update=changes)
        checked = target.health.model_copy(update=dict(health or {}))
        changed = target.model_copy(update={"rollout": rollout, "health": checked})
        changed.save(delivering.environment, overwrite=True)
        try:
            yield
        finally:
            target.save(delivering.environment, overwrite=True)
