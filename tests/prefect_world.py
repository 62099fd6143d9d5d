"""What a test reads of Prefect: artifacts, and what tasks and flows told a person."""

import logging
from collections.abc import Iterator
from typing import Any, cast

import pytest
from prefect import get_client


def latest_artifact(key: str) -> dict[str, Any]:
    """The newest artifact under a key, as the server keeps it."""
    with get_client(sync_client=True) as client:
        answer = client.request("GET", "/artifacts/{key}/latest", path_params={"key": key})
    return cast("dict[str, Any]", answer.json())


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
