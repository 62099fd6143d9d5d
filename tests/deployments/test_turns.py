"""Ten triggers at once, through a real server and a real worker: the newest has the last word."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from deployments.server import ensure_limit
from tests.prefect_servers import a_worker, prefect_server_in, serve_a_deploy

TRIGGERS = 10
_ENDS_WITHIN_SECONDS = 480


@pytest.mark.prefect(own_server=True)
@pytest.mark.timeout(700)
def test_of_ten_triggers_at_once_the_newest_runs_last_and_none_beside_another(
    tmp_path: Path,
) -> None:
    diary = tmp_path / "diary"
    with prefect_server_in(tmp_path) as server:
        serve_a_deploy()
        with get_client(sync_client=True) as client:
            ensure_limit(client, "deploy-turns")
        with a_worker(server, "turns"):
            asked = trigger_all_at_once(diary)
            ended = wait_for(asked)
    newest = max(ended, key=lambda run: (run.expected_start_time, str(run.id)))
    names = [run.state_name for run in ended]
    assert newest.state_name == "Deployed"
    assert set(names) == {"Deployed", "Superseded"}
    turns = [line.split() for line in diary.read_text().splitlines()]
    assert turns[-1][0] == newest.parameters["revision"]
    assert len(turns) == names.count("Deployed")
    assert all(float(first[2]) <= float(then[1]) for first, then in pairwise(turns))


def trigger_all_at_once(diary: Path) -> list[FlowRun]:
    """Faster than any of them starts."""

    def ask(number: int) -> FlowRun:
        run = run_deployment(
            "deploy-in-turn/in-turn",
            parameters={
                "environment": "turns",
                "revision": f"r{number}",
                "seconds": 3.0,
                "diary": str(diary),
            },
            timeout=0,
            as_subflow=False,
        )
        assert isinstance(run, FlowRun)
        return run

    return [ask(number) for number in range(TRIGGERS)]


def wait_for(asked: list[FlowRun]) -> list[FlowRun]:
    due = time.monotonic() + _ENDS_WITHIN_SECONDS
    while True:
        with get_client(sync_client=True) as client:
            runs = [client.read_flow_run(run.id) for run in asked]
        if all(run.state and run.state.is_final() for run in runs):
            return runs
        assert time.monotonic() < due, [run.state_name for run in runs]
        time.sleep(1)
