"""Worker, script or host die in mid-rollout; one healthy release serves all the while."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.load import together
from blocks.environment import load_environment
from lab.processes import wait_until
from tests.e2e.delivering import Delivering

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def serving(delivering: Delivering) -> str:
    """A healthy release serves; its version."""
    if not delivering.serving():
        assert delivering.run("deploy").outcome in ("DEPLOYED", "UP_TO_DATE")
    return delivering.serving()


def test_a_worker_killed_in_mid_rollout_loses_no_request_and_the_next_run_converges(
    delivering: Delivering,
) -> None:
    sha = delivering.commit("fix", message="killed while two releases stand beside each other")

    with delivering.under_load() as loads:
        worker = delivering.start("deploy", "--revision", sha)
        assert _wait_for(delivering, containers=2)
        delivering.kill(worker)
        done = delivering.run("deploy", "--revision", sha)

    assert done.outcome in ("DEPLOYED", "UP_TO_DATE"), done.said
    assert together(loads).failed == []
    assert len(delivering.app_containers()) == 1
    assert delivering.record()[-1]["revision"] == sha


def test_the_script_killed_on_the_host_leaves_a_release_serving(delivering: Delivering) -> None:
    sha = delivering.commit("fix", message="its rollout is killed on the host")

    with delivering.under_load() as loads:
        worker = delivering.start("deploy", "--revision", sha)
        killed = _kill_on_host_when(delivering, containers=2)
        worker.wait(timeout=300)
        done = delivering.run("deploy", "--revision", sha)

    assert killed
    assert done.outcome in ("DEPLOYED", "UP_TO_DATE"), done.said
    assert together(loads).failed == []
    assert len(delivering.app_containers()) == 1


def test_a_reboot_in_mid_rollout_comes_back_with_one_healthy_release(
    delivering: Delivering,
) -> None:
    sha = delivering.commit("fix", message="the host reboots meanwhile")
    worker = delivering.start("deploy", "--revision", sha)
    assert _wait_for(delivering, containers=2)

    delivering.lab.command("fault", "host", "reboot")
    worker.wait(timeout=390)
    done = delivering.run("deploy", "--revision", sha)

    assert done.outcome in ("DEPLOYED", "UP_TO_DATE"), done.said
    assert len(delivering.app_containers()) == 1
    assert delivering.record()[-1]["revision"] == sha


def test_what_was_kept_warm_for_a_worker_that_died_goes_by_itself(
    delivering: Delivering, serving: str
) -> None:
    sha = delivering.commit("fix", message="its worker never says how healthy it is")
    with _warm_for(delivering, seconds=20):
        worker = delivering.start("deploy", "--revision", sha)
        assert wait_until(lambda: delivering.serving() not in ("", serving), 120)
        delivering.kill(worker)
        assert len(delivering.app_containers()) == 2
        assert wait_until(lambda: len(delivering.app_containers()) == 1, 90)

    assert delivering.serving() not in ("", serving)
    assert delivering.run("deploy", "--revision", sha).outcome in ("DEPLOYED", "UP_TO_DATE")
    assert delivering.record()[-1]["revision"] == sha


@contextmanager
def _warm_for(delivering: Delivering, *, seconds: int) -> Iterator[None]:
    """The environment with another ``warm_seconds``, and as it was afterwards."""
    with temporary_settings({PREFECT_API_URL: delivering.lab.env["PREFECT_API_URL"]}):
        target = load_environment("lab")
        rollout = target.rollout.model_copy(update={"warm_seconds": seconds})
        target.model_copy(update={"rollout": rollout}).save("lab", overwrite=True)
        try:
            yield
        finally:
            target.save("lab", overwrite=True)


def _wait_for(delivering: Delivering, *, containers: int, seconds: float = 120) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if len(delivering.app_containers()) >= containers:
            return True
        time.sleep(0.3)
    return False


def _kill_on_host_when(delivering: Delivering, *, containers: int) -> bool:
    """Kill the rollout's own process on the host once the new container stands beside the old."""
    if not _wait_for(delivering, containers=containers):
        return False
    delivering.lab.exec("pkill", "-9", "-f", "/run/tt-deploy/jobs/rollout-")
    return True
