"""A run of the command line is watched as one that a worker starts."""

import sys
from uuid import UUID

import pytest
from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY

from flows.ending import run_command
from flows.watched import HEARTBEAT_SECONDS, TAG


@flow(name="a-run-by-hand")
def by_hand() -> tuple[str, int | None]:
    """Which run it is, and how often it says that it lives."""
    return str(runtime.flow_run.id), PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value()


@pytest.fixture
def no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["flows.by_hand"])


@pytest.mark.prefect
@pytest.mark.usefixtures("no_arguments")
def test_a_command_s_run_carries_the_tag_and_the_pace_that_the_server_expects() -> None:
    seen: list[tuple[str, int | None]] = []

    def main(_arguments: list[str]) -> int:
        seen.append(by_hand())
        return 0

    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == 0
    ((run, pace),) = seen
    assert pace == HEARTBEAT_SECONDS
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(UUID(run)).tags == [TAG]
