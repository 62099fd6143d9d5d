"""The verify flow: its end, its command line, what it leaves to read."""

import json
from typing import Any

import pytest
from prefect.client.schemas.objects import State, StateType

from delivery.errors import HostNotFound
from flows import verify as verifying
from tests.flows.conftest import World
from tests.prefect_world import latest_artifact
from tests.scripted_hosts import answered, watched_stack

pytestmark = pytest.mark.prefect


def test_the_exit_status_is_the_worst_check(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verifying.main(["--environment", world.name, "--drill", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["outcome"], answer["environment"]) == ("VERIFIED", world.name)
    assert {check["level"] for check in answer["checks"]} == {"pass"}
    assert "drill: Slack takes it" in [check["name"] for check in answer["checks"]]

    broken = answered(step="verify", **watched_stack(prometheus_ready="503"))
    world.host.fail("verify", broken, times=100)
    assert verifying.main(["--environment", world.name]) == 1
    assert "## Verification: 1 fail, 0 warn, 9 pass" in capsys.readouterr().out
    assert "not ready: HTTP 503" in latest_artifact(f"verify-{world.name}")["data"]


def test_the_run_is_as_green_as_what_it_found(world: World) -> None:
    ended: State[Any]
    ended = verifying.verify(world.name, "if due", return_state=True)
    assert (ended.type, ended.name) == (StateType.COMPLETED, "Verified")
    world.host.fail("verify", answered(step="verify", **watched_stack(grafana="")), times=100)
    ended = verifying.verify(world.name, return_state=True)
    assert (ended.type, ended.name) == (StateType.FAILED, "NotVerified")
    assert ended.message == "Grafana: not healthy: no answer"


def test_what_keeps_it_from_looking_is_raised(world: World) -> None:
    world.aws.found_at_most(0)
    with pytest.raises(HostNotFound):
        verifying.main(["--environment", world.name])
