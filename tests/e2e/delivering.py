"""What drives the product in the tests' lab, under the name the tests know it by."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.environment import load_environment
from tools.driving import Answered, Delivering

__all__ = ["Answered", "Delivering", "rolling_out_with", "under_policies"]


@contextmanager
def under_policies(delivering: Delivering, **changes: Mapping[str, Any]) -> Iterator[None]:
    """The environment with these fields of these policies (``health={...}``); as it was after."""
    with temporary_settings({PREFECT_API_URL: delivering.lab.env["PREFECT_API_URL"]}):
        target = load_environment(delivering.environment)
        policies = {
            name: getattr(target, name).model_copy(update=dict(fields))
            for name, fields in changes.items()
        }
        target.model_copy(update=policies).save(delivering.environment, overwrite=True)
        try:
            yield
        finally:
            target.save(delivering.environment, overwrite=True)


def rolling_out_with(delivering: Delivering, **fields: Any) -> AbstractContextManager[None]:
    """The environment with these fields of its rollout policy; as it was after."""
    return under_policies(delivering, rollout=fields)
