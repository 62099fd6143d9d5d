"""A run that is started in this process is watched as those that a worker starts.

The server marks a run Crashed when its heartbeats stop (``deployments.automations``). A
worker's runs get tag and pace from ``prefect.yaml``; ours get them here, always both: a run
with the tag but at Prefect's own pace of three minutes would be taken for dead.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import tags
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

TAG = "tt-deploy"
"""On every run of ours: other people's runs on the same server are not watched."""

HEARTBEAT_SECONDS = 30
"""The shortest that Prefect knows."""


@contextmanager
def watched() -> Iterator[None]:
    """Flow runs that start in here carry the tag and send heartbeats at the pace expected."""
    with tags(TAG), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT_SECONDS}):
        yield
