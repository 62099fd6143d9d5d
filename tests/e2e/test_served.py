"""Deploys as a team runs them: through a server and workers, any of which may die."""

import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from deployments.automations import SILENCE_SECONDS
from tests.e2e.delivering import Delivering
from tests.e2e.serving import Serving, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]
TRIGGERS = 4


@pytest.fixture
def serving(delivering: Delivering) -> Serving:
    """A release serves, and the lab's server and worker are up."""
    if not delivering.serving():
        done = delivering.run("deploy")
        assert done.outcome in {"DEPLOYED", "UP_TO_DATE"}, done.said
    return Serving(delivering.lab)


def test_a_restart_of_prefects_server_in_mid_deploy_changes_nothing(
    delivering: Delivering, serving: Serving
) -> None:
    revision = delivering.commit(message="deployed across a restart")
    run = serving.deploy(revision)
    until(lambda: serving.is_taking_over(run))
    serving.kill_the_server()
    delivering.lab.command("up")
    assert serving.end_of(run)["name"] == "Deployed"
    newest = delivering.record()[-1]
    assert newest["revision"] == revision
    assert delivering.serving() == f"v{newest['version']}"
    assert len(delivering.app_containers()) == 1


def test_of_two_workers_one_dies_in_mid_deploy_and_the_other_makes_it_good(
    delivering: Delivering, serving: Serving
) -> None:
    revision = delivering.commit(message="deployed in spite of a dead worker")
    with serving.another_worker():
        lost = serving.deploy(revision)
        until(lambda: serving.is_taking_over(lost))
        dead = serving.executing(lost)
        dead.worker.signal(signal.SIGSTOP)  # so that it cannot report the other's death
        dead.process.signal(signal.SIGKILL)
        dead.worker.signal(signal.SIGKILL)
        died = datetime.now(UTC)
        by_hand = a_check_by_hand_that_dies(delivering, serving)

        again = serving.trigger(f"revision={revision}")
        assert again.wait(timeout=300) == 0
        run = str(serving.runs_of([revision])[-1]["id"])
        until(lambda: serving.state(run)["type"] == "RUNNING")
        assert serving.executing(run).worker_name != dead.worker_name
        assert serving.end_of(run)["name"] in {"Deployed", "UpToDate"}
        for silent in (lost, by_hand):
            state = serving.end_of(silent)
            assert (state["type"], "No heartbeat" in state["message"]) == ("CRASHED", True)
            noticed = datetime.fromisoformat(state["timestamp"])
            assert noticed - died < timedelta(seconds=SILENCE_SECONDS + 60)
    delivering.lab.command("up")
    newest = delivering.record()[-1]
    assert newest["revision"] == revision
    assert delivering.serving() == f"v{newest['version']}"
    assert len(delivering.app_containers()) == 1


def a_check_by_hand_that_dies(delivering: Delivering, serving: Serving) -> str:
    """``python -m flows.healthcheck``, killed while it runs; the run's id."""
    before = serving.running("healthcheck")
    process = delivering.start("healthcheck")
    until(lambda: serving.running("healthcheck") > before)
    delivering.kill(process)
    (run,) = serving.running("healthcheck") - before
    return run


def test_of_many_triggers_at_once_the_newest_is_what_runs(
    delivering: Delivering, serving: Serving
) -> None:
    revisions = [delivering.commit(message=f"commit {number}") for number in range(TRIGGERS)]
    triggers = [serving.trigger(f"revision={revision}") for revision in revisions]
    assert [trigger.wait(timeout=300) for trigger in triggers] == [0] * TRIGGERS
    runs = serving.runs_of(revisions)
    ends = [serving.end_of(run["id"])["name"] for run in runs]
    assert ends[-1] == "Deployed"
    # One may have begun before the others were asked for; it is not disturbed.
    assert ends.count("Superseded") >= TRIGGERS - 2
    assert set(ends) <= {"Deployed", "Superseded"}
    newest = delivering.record()[-1]
    assert newest["revision"] == runs[-1]["parameters"]["revision"]
    assert delivering.serving() == f"v{newest['version']}"

    def takeovers() -> list[tuple[str, str]]:
        tasks = (task for run in runs for task in serving.takeovers(run["id"]))
        return sorted((task["start_time"], task["end_time"] or "") for task in tasks)

    # Prefect's server writes a task's end down some seconds after it.
    until(lambda: bool(changes := takeovers()) and all(end for _, end in changes))
    changes = takeovers()
    assert all(ended <= began for (_, ended), (began, _) in pairwise(changes))
