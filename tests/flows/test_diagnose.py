"""Diagnosis as a flow, and as what a failed deploy does by itself."""

import json
import sys
from typing import Any

import pytest
from prefect.client.schemas.objects import State, StateType

from delivery.mending import Diagnosis
from delivery.report import Outcome
from flows import diagnose as module
from flows.diagnose import diagnose, diagnosis_of
from flows.ending import run_command
from tests.flows.conftest import World
from tests.prefect_world import latest_artifact
from tests.scripted_hosts import Ended, failed

pytestmark = pytest.mark.prefect

STOPPED = {
    "containers": [
        {"service": "app", "name": "/tt-app-1", "state": "running", "health": "healthy"},
        {"service": "postgres", "name": "/tt-postgres-1", "state": "exited"},
    ],
    "token": "yes|644|root|40|no|no",
}


def diagnosed(world: World, *, fix: bool = False) -> tuple[State[Any], Diagnosis]:
    state: State[Any] = diagnose(world.name, fix, return_state=True)
    return state, diagnosis_of(state)


class TestTheFlow:
    def test_a_host_that_is_well_ends_green(self, world: World) -> None:
        state, diagnosis = diagnosed(world)
        assert (state.name, diagnosis.outcome) == ("Clean", "CLEAN")
        assert world.host.steps == ["diagnose"]
        assert latest_artifact(f"diagnosis-{world.name}")["description"].startswith("CLEAN")

    def test_what_is_found_ends_red_and_touches_nothing(self, world: World) -> None:
        world.host.facts = STOPPED
        state, diagnosis = diagnosed(world)
        assert (state.type, state.name) == (StateType.FAILED, "Found")
        assert [each.cause.value for each in diagnosis.found] == ["database-stopped", "token-file"]
        assert world.host.steps == ["diagnose"]
        page = latest_artifact(f"diagnosis-{world.name}")["data"]
        assert page.startswith("# FOUND: testing: Postgres does not run.")

    def test_with_fix_the_roots_are_mended_and_looked_at_again(self, world: World) -> None:
        world.host.facts = STOPPED
        state, diagnosis = diagnosed(world, fix=True)
        assert (state.name, diagnosis.outcome) == ("Mended", "MENDED")
        assert [attempt.fixed for attempt in diagnosis.attempts] == [True]
        assert world.host.steps == ["diagnose", "remedy", "diagnose"]

    @pytest.mark.parametrize(("facts", "status"), [({}, 0), (STOPPED, 1)])
    def test_the_command_line_says_it_by_its_status(
        self,
        world: World,
        facts: dict[str, Any],
        status: int,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        world.host.facts = facts
        monkeypatch.setattr(sys, "argv", ["diagnose", "--environment", world.name, "--json"])
        with pytest.raises(SystemExit) as ended:
            run_command(module.main)
        assert ended.value.code == status
        answer = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert answer["outcome"] == ("FOUND" if status else "CLEAN")


class TestByItself:
    def test_a_failed_rollout_puts_the_cause_right_under_its_headline(self, world: World) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.fail("rollout", failed("tt-app-2 crashed while it started", "ERROR no bean"))
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.ROLLED_BACK
        assert report.findings[0].cause.value == "container-crashes"
        assert report.failure is not None
        assert "crashed while it started" in report.failure.message
        page = latest_artifact(f"deploy-{world.name}")["data"]
        head, _, rest = page.partition("\n\n")
        assert head.startswith("# ROLLED_BACK")
        assert rest.startswith("## Why: The new release's process dies.")
        assert report.as_json()["findings"][0]["cause"] == "container-crashes"

    def test_a_deploy_that_went_well_asks_nothing(self, world: World) -> None:
        world.built("v1.0.0")
        assert world.rolled_out("v1.0.0").findings == ()
        assert "diagnose" not in world.host.steps

    def test_what_was_refused_untouched_asks_nothing(self, world: World) -> None:
        assert world.rolled_out("v9.9.9").outcome is Outcome.REFUSED
        assert "diagnose" not in world.host.steps

    def test_a_host_that_does_not_answer_was_named_by_preflight_and_is_not_asked_again(
        self, world: World
    ) -> None:
        world.built("v1.0.0")
        world.host.fail("preflight", Ended("Cancelled"))
        report = world.rolled_out("v1.0.0")
        assert (report.outcome, report.findings) == (Outcome.REFUSED, ())
        assert report.failure is not None
        assert "Preflight: preflight script: The command ended as Cancelled" in (
            report.failure.message
        )

    def test_a_diagnosis_that_fails_makes_nothing_worse(
        self, world: World, run_log: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.fail("rollout")
        world.host.facts = {"containers": "not a list"}
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.ROLLED_BACK
        assert report.failure is not None
        assert "rollout broke" in report.failure.message
        assert report.findings[0].cause.value == "command-failed"
