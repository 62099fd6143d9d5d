"""What a test reads of Prefect: artifacts, and what tasks and flows told a person."""

import logging
import time
from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

import pytest
from prefect import get_client

_LOGS_ARRIVE_WITHIN_SECONDS = 240


def latest_artifact(key: str) -> dict[str, Any]:
    """The newest artifact under a key, as the server keeps it."""
    with get_client(sync_client=True) as client:
        answer = client.request("GET", "/artifacts/{key}/latest", path_params={"key": key})
    return cast("dict[str, Any]", answer.json())


def whole_log(flow_run: UUID) -> list[dict[str, Any]]:
    """The log of an ended flow run and of its tasks, as the server keeps it.

    Prefect sends it in batches, a while after the run: what came first is not all of it.
    """
    asked = {"limit": 200, "logs": {"flow_run_id": {"any_": [str(flow_run)]}}}
    due = time.monotonic() + _LOGS_ARRIVE_WITHIN_SECONDS
    while True:
        with get_client(sync_client=True) as client:
            lines = client.request("POST", "/logs/filter", json=asked).json()
        own = [line["message"] for line in lines if line["task_run_id"] is None]
        if any(message.startswith("Finished in state") for message in own):
            return cast("list[dict[str, Any]]", lines)
        assert time.monotonic() < due, f"the end of the run's log never came: {own[-3:]}"
        time.sleep(0.2)


@pytest.fixture
def run_log() -> Iterator[list[str]]:
    """The lines of the tasks' and flows' own logs, each behind its level."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.getMessage()}")

    handler = Keep()
    loggers = [logging.getLogger(f"prefect.{kind}") for kind in ("task_runs", "flow_runs")]
    for logger in loggers:
        logger.addHandler(handler)
    yield lines
    for logger in loggers:
        logger.removeHandler(handler)
