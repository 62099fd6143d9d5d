"""What the tests of tasks share."""

import pytest

from tests.prefect_world import run_log

__all__ = ["run_log"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A task called outside a flow has no run to send its log to, and warns each time."""
    quiet = pytest.mark.filterwarnings("ignore:Logger .* attempted to send logs to the API")
    for item in items:
        if item.get_closest_marker("prefect"):
            item.add_marker(quiet)
