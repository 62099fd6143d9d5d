"""How a rollout ends for its caller, and what it does about another that is under way."""

import json
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType

from delivery.report import Outcome
from flows.ending import report_of
from flows.rollout import main, rollout
from tests.flows.conftest import World
from tests.scripted_hosts import failed

pytestmark = pytest.mark.prefect


class TestEndings:
    """What a caller sees: the run's state, and the command's exit status."""

    @pytest.mark.parametrize(
        ("outcome", "state_name", "before", "also_the_old_one"),
        [
            (Outcome.ROLLED_BACK, "RolledBack", True, False),
            (Outcome.ROLLBACK_FAILED, "RollbackFailed", True, True),
            (Outcome.NO_WAY_BACK, "NoWayBack", False, False),
        ],
    )
    def test_a_release_that_did_not_hold_ends_failed_under_its_own_name(
        self,
        world: World,
        capsys: pytest.CaptureFixture[str],
        outcome: Outcome,
        state_name: str,
        before: bool,
        also_the_old_one: bool,
    ) -> None:
        old = world.running("v1.0.0") if before else ""
        world.host.unhealthy |= {world.built("v1.1.0"), *([old] if also_the_old_one else [])}
        state: Any = rollout(world.name, "v1.1.0", return_state=True)
        assert (state.type, state.name) == (StateType.FAILED, state_name)
        assert report_of(state).outcome is outcome
        world.host.image = old
        assert main(["--environment", world.name, "--tag", "v1.1.0", "--json"]) == 1
        answer = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert answer["outcome"] == outcome.value
        assert (answer["restored"] is None) is (outcome is Outcome.NO_WAY_BACK)


class TestARolloutUnderWay:
    """The job of a worker that died still runs on the host."""

    def test_its_end_is_waited_for_and_the_log_says_so(
        self, world: World, run_log: list[str]
    ) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.under_way = "rollout-1-v1-0-9"
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.DEPLOYED
        assert world.host.steps[:4] == ["preflight", "await", "preflight", "sync"]
        words = "another rollout (job rollout-1-v1-0-9) is under way on this host; waiting, 600 s"
        assert any(words in line for line in run_log)

    def test_one_that_does_not_end_leaves_the_hosts_untouched(self, world: World) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.under_way = "rollout-1-v1-0-9"
        world.host.fail("await", failed("the rollout is still under way after 600 s"))
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.FAILED
        assert world.host.steps[:2] == ["preflight", "await"]
        assert not {"sync", "pull", "rollout"} & {*world.host.steps}
