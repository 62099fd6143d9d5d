"""Worker, script or host die in mid-rollout; one healthy release serves all the while."""

import time

import httpx
import pytest

from benchmarks.endurance.one_host import left_wrong
from benchmarks.load import Load, together
from lab.processes import wait_until
from tests.e2e.breaking import Broken
from tests.e2e.delivering import Delivering, rolling_out_with

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800), pytest.mark.usefixtures("serving")]


def test_a_worker_killed_in_mid_rollout_loses_no_request_and_the_next_run_converges(
    delivering: Delivering,
) -> None:
    sha = delivering.commit("fix", message="killed while two releases stand beside each other")

    with delivering.under_load() as loads:
        worker = delivering.start("deploy", "--revision", sha)
        assert _two_stand_beside_each_other(delivering)
        delivering.kill(worker)
        done = delivering.run("deploy", "--revision", sha)

    assert done.outcome in ("DEPLOYED", "UP_TO_DATE"), done.said
    assert together(loads).failed == []
    assert list(left_wrong(delivering, sha)) == []


def test_an_agent_lost_in_mid_rollout_is_waited_for(
    delivering: Delivering, serving: str, another: str
) -> None:
    with delivering.under_load() as loads:
        worker = delivering.start("deploy", "--revision", another)
        assert _two_stand_beside_each_other(delivering)
        delivering.lab.command("fault", "host", "kill-agent")
        # What it started lives on: the rollout ends though nobody can be told.
        assert wait_until(lambda: delivering.serving() not in ("", serving), 300)
        delivering.lab.command("fault", "host", "clear")
        status = worker.wait(timeout=600)

    assert status == 0
    assert together(loads).failed == []
    assert list(left_wrong(delivering, another)) == []


def test_the_script_killed_on_the_host_leaves_a_release_serving(
    delivering: Delivering, another: str
) -> None:
    with delivering.under_load() as loads:
        worker = delivering.start("deploy", "--revision", another)
        killed = _kill_on_host(delivering)
        worker.wait(timeout=300)
        done = delivering.run("deploy", "--revision", another)

    assert killed
    assert done.outcome in ("DEPLOYED", "UP_TO_DATE"), done.said
    assert together(loads).failed == []
    assert list(left_wrong(delivering, another)) == []


def test_a_command_that_is_cancelled_in_mid_rollout_goes_back(
    delivering: Delivering, serving: str, another: str
) -> None:
    """Somebody presses Cancel in the AWS console."""
    before = delivering.record()[-1]["revision"]

    with delivering.under_load() as loads:
        worker = delivering.start("deploy", "--revision", another)
        assert _two_stand_beside_each_other(delivering)
        assert Broken(delivering.lab).commands_cancelled()
        status = worker.wait(timeout=600)

    assert status == 1
    assert together(loads).failed == []
    assert delivering.serving() == serving
    assert list(left_wrong(delivering, before)) == []


def test_a_reboot_in_mid_rollout_comes_back_with_one_healthy_release(
    delivering: Delivering, another: str
) -> None:
    with Load(f"{delivering.app_url}/api/tickets", per_second=15, posts=0.1) as load:
        worker = delivering.start("deploy", "--revision", another)
        assert _two_stand_beside_each_other(delivering)
        down_at = load.seconds
        delivering.lab.command("fault", "host", "reboot")
        # Nobody has done anything since: what serves comes up by itself, and answers it all.
        assert wait_until(lambda: _is_up(delivering), 300)
        up_at = load.seconds
        time.sleep(5)
        after = {a.version for a in load.figures.answers if a.at > up_at and a.version}
        worker.wait(timeout=400)
        done = delivering.run("deploy", "--revision", another)

    assert len(after) == 1
    # But for the time that the host itself was away, nothing was lost.
    lost = [a for a in load.figures.failed if a.at + a.seconds < down_at or a.at > up_at]
    assert lost == []
    assert any(a.at > up_at and a.post for a in load.figures.answers)
    assert done.outcome in ("DEPLOYED", "UP_TO_DATE"), done.said
    assert list(left_wrong(delivering, another)) == []


def test_what_was_kept_warm_for_a_worker_that_died_goes_by_itself(
    delivering: Delivering, serving: str, another: str
) -> None:
    with rolling_out_with(delivering, warm_seconds=20):
        worker = delivering.start("deploy", "--revision", another)
        assert wait_until(lambda: delivering.serving() not in ("", serving), 300)
        delivering.kill(worker)
        assert len(delivering.app_containers()) == 2
        assert wait_until(lambda: len(delivering.app_containers()) == 1, 180)

    assert delivering.serving() not in ("", serving)
    assert delivering.run("deploy", "--revision", another).outcome in ("DEPLOYED", "UP_TO_DATE")
    assert delivering.record()[-1]["revision"] == another


def _is_up(delivering: Delivering) -> bool:
    """Whether the release on the public port says that it and all it needs are well."""
    url = f"{delivering.app_url}/actuator/health"
    try:
        return httpx.get(url, timeout=30, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _two_stand_beside_each_other(delivering: Delivering) -> bool:
    return wait_until(lambda: len(delivering.app_containers()) >= 2, 300)


def _kill_on_host(delivering: Delivering) -> bool:
    """Kill the rollout's own process on the host once the new container stands beside the old."""
    if not _two_stand_beside_each_other(delivering):
        return False
    delivering.lab.exec("pkill", "-9", "-f", "/run/tt-deploy/jobs/rollout-")
    return True
