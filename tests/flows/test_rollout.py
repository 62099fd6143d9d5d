"""The policy of a rollout: what counts as deployed, and when it goes back."""

import datetime
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.environment import load_environment
from delivery.journal import Journal
from delivery.report import Outcome
from delivery.rollout import Bundle, plan_rollout
from flows import healthcheck, rollback
from flows.rollout import now, roll_out
from tasks.hosts import find_hosts, observe_hosts
from tests.fake_environment import SECRETS
from tests.flows.conftest import World
from tests.free_ports import free_port
from tests.prefect_world import latest_artifact
from tests.scripted_hosts import SHA, Ended, failed

pytestmark = pytest.mark.prefect

PREPARE = ["sync", "render", "pull"]


def steps_told(world: World) -> list[dict[str, Any]]:
    """The rows of the table of what ran on the hosts."""
    rows: list[dict[str, Any]] = json.loads(latest_artifact(f"steps-{world.name}")["data"])
    return rows


class TestGoingWell:
    def test_a_first_release_is_deployed_and_recorded(self, world: World) -> None:
        image = world.built("v1.0.0")
        report = world.rolled_out("v1.0.0")
        assert (report.outcome, report.version) == (Outcome.DEPLOYED, "1.0.0")
        assert world.host.image == image
        assert [step for step in world.host.steps if step == "record"] == ["record"]

    def test_all_that_needs_no_traffic_is_done_before_the_takeover(self, world: World) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        report = world.rolled_out("v1.1.0")
        steps = world.host.steps
        assert steps[: steps.index("rollout") + 1] == ["preflight", *PREPARE, "rollout"]
        assert (report.previous_version, report.version) == ("1.0.0", "1.1.0")
        (row,) = json.loads(latest_artifact(f"containers-{world.name}")["data"])
        assert (row["service"], row["image"]) == ("app", world.host.image)
        assert report.changed == ("app",)

    def test_a_prefect_server_that_is_away_says_nothing_of_the_release(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        look, tries = healthcheck.healthcheck, []

        def away_at_first(*given: Any, **named: Any) -> Any:
            tries.append(given)
            if len(tries) > 1:
                return look(*given, **named)
            with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
                return look(*given, **named)

        monkeypatch.setattr(healthcheck, "healthcheck", away_at_first)
        report = world.rolled_out("v1.1.0")
        assert (report.outcome, report.version) == (Outcome.DEPLOYED, "1.1.0")
        assert len(tries) == 2

    def test_what_ran_on_the_host_is_a_table(self, world: World) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.rolled_out("v1.1.0")
        rows = steps_told(world)
        assert [row["step"] for row in rows] == world.host.steps
        assert {(row["host"], row["ended"]) for row in rows} == {("TT-ec2-1", "done")}
        said = {row["step"]: row["what it said"] for row in rows}
        assert said["preflight"] == f"see preflight-{world.name}"
        assert said["sync"].startswith(f"revision {SHA}")
        assert said["rollout"].startswith("changed app")
        assert [name for name, secret in SECRETS.items() if secret in json.dumps(rows)] == []

    def test_the_same_release_again_is_up_to_date(self, world: World) -> None:
        world.running("v1.0.0")
        report = world.rolled_out("v1.0.0")
        assert (report.outcome, report.changed) == (Outcome.UP_TO_DATE, ())
        assert [probe.passed for probe in report.health.probes] == [True] * 3
        assert "probe_soak" not in dict(world.host.asked), "nothing took over"


class TestGoingBack:
    def test_a_release_that_is_not_healthy_gives_way_to_the_one_before(self, world: World) -> None:
        old = world.running("v1.0.0")
        world.host.unhealthy.add(world.built("v1.1.0"))
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.ROLLED_BACK
        assert world.host.image == old
        assert report.failure is not None
        assert (report.failure.stage, report.failure.where) == ("healthcheck", "TT-ec2-1")
        assert "record" not in world.host.steps
        assert report.restored is not None
        assert report.restored.verified_seconds >= report.restored.started_seconds > 0

    def test_the_old_one_stays_warm_until_the_new_one_is_verified_and_not_for_a_way_back(
        self, world: World
    ) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.rolled_out("v1.1.0")
        assert world.host.inputs_of("rollout")["TT_WARM_SECONDS"] == "600"
        assert world.host.inputs_of("prune")["TT_RETIRE"] == "yes"
        world.host.unhealthy.add(world.built("v1.2.0"))
        world.rolled_out("v1.2.0")
        assert world.host.inputs_of("rollout")["TT_WARM_SECONDS"] == "0"
        assert world.host.inputs_of("prune")["TT_RETIRE"] == "no"

    def test_a_configuration_that_did_not_come_back_is_said(self, world: World) -> None:
        world.running("v1.0.0")
        world.host.record[-1] = world.host.record[-1].replace('"at"', '"configuration": "o", "at"')
        world.host.unhealthy.add(world.built("v1.1.0"))
        report = world.rolled_out("v1.1.0")
        assert report.restored is not None
        assert "not the one on record" in report.restored.hosts[0].note
        assert "**differs**" in report.as_markdown()

    def test_a_release_that_fails_more_requests_than_the_one_before_gives_way_too(
        self, world: World
    ) -> None:
        old = world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.traffic = {"requests_before": 900, "requests_after": 300, "errors_after": 30}
        report = world.rolled_out("v1.1.0")
        assert (report.outcome, world.host.image) == (Outcome.ROLLED_BACK, old)
        assert report.failure is not None
        assert "more requests fail than before the takeover" in report.failure.message

    @pytest.mark.parametrize(
        "how",
        [failed("the gate did not open"), Ended("Success", "gibberish"), Ended("TimedOut")],
        ids=["failed", "unreadable", "timed out"],
    )
    def test_a_takeover_that_fails_is_undone(self, world: World, how: Ended) -> None:
        old = world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.fail("rollout", how)
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.ROLLED_BACK
        assert world.host.inputs_of("rollout")["TT_APP_IMAGE"] == old
        assert report.failure is not None
        assert report.failure.stage == "replace the release"

    def test_what_ran_is_a_table_also_when_it_failed_and_with_the_way_back(
        self, world: World
    ) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.fail("rollout", failed("the gate did not open: password=hunter22"))
        assert world.rolled_out("v1.1.0").outcome is Outcome.ROLLED_BACK
        rows = steps_told(world)
        told = [row["step"] for row in rows]
        assert [*told, "diagnose"] == world.host.steps, "which has an artifact of its own"
        takeover, *back = [row for row in rows if row["step"] == "rollout"]
        assert takeover["ended"] == "failed"
        assert "the gate did not open: password=[redacted]" in takeover["what it said"]
        assert [row["ended"] for row in back] == ["done"]
        assert "hunter22" not in json.dumps(rows)

    def test_a_health_check_that_cannot_be_made_goes_back_too(self, world: World) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.aws.found_at_most(1)
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.ROLLBACK_FAILED
        assert world.host.inputs_of("rollout")["TT_TAG"] == "v1.0.0"

    def test_even_a_mistake_of_our_own_after_the_takeover_goes_back(
        self, world: World, run_log: list[str]
    ) -> None:
        class Torn(Journal):
            """A journal whose pages for the first health check are missing."""

            @contextmanager
            def stage(self, name: str) -> Iterator[None]:
                if name == "healthcheck":
                    raise KeyError("no such page")
                with super(Torn, self).stage(name):
                    yield

        old = world.running("v1.0.0")
        new = Bundle("1.1.0", "v1.1.0", SHA, world.built("v1.1.0"))
        journal = Torn("testing", "", "", datetime.datetime.now(datetime.UTC), time.monotonic)

        @flow(persist_result=False)
        def roll_out_with_it() -> Outcome:
            target = load_environment(world.name)
            hosts = find_hosts(target)
            plan = plan_rollout(observe_hosts(target, hosts), new, generation=now())
            return roll_out(target, hosts, plan, journal)

        assert roll_out_with_it() is Outcome.ROLLED_BACK
        assert world.host.image == old
        assert any("no such page" in line for line in run_log)

    def test_a_way_back_that_fails_is_the_worst_news(self, world: World) -> None:
        world.running("v1.0.0")
        world.host.unhealthy.add(world.built("v1.1.0"))
        world.host.unhealthy.add(world.host.image)
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.ROLLBACK_FAILED
        assert report.failure is not None
        assert report.failure.stage == "healthcheck"

    def test_a_first_release_that_fails_has_no_way_back(self, world: World) -> None:
        world.host.unhealthy.add(world.built("v1.0.0"))
        report = world.rolled_out("v1.0.0")
        assert report.outcome is Outcome.NO_WAY_BACK
        assert world.host.steps.count("rollout") == 1

    def test_the_same_release_with_bad_values_goes_back_to_itself_as_it_was(
        self, world: World
    ) -> None:
        image = world.running("v1.0.0")
        world.host.values = "bad values"
        world.host.unhealthy.add("bad values")
        report = world.rolled_out("v1.0.0")
        assert report.outcome is Outcome.ROLLED_BACK
        assert (world.host.image, world.host.serves_with) == (image, "c" * 8)
        deploy, back = (i for step, i in world.host.asked if step == "rollout")
        assert (deploy["TT_WAY_BACK"], back["TT_WAY_BACK"]) == ("no", "yes")
        assert deploy["TT_ATTEMPT"] != back["TT_ATTEMPT"], "it would find the deploy's own result"

    def test_what_was_unhealthy_already_and_did_not_change_is_left_alone(
        self, world: World
    ) -> None:
        world.running("v0.9.0")
        world.host.unhealthy.add(world.running("v1.0.0"))
        report = world.rolled_out("v1.0.0")
        assert report.outcome is Outcome.FAILED
        assert world.host.steps.count("rollout") == 1

    def test_what_serves_without_having_proved_healthy_goes_back_though_it_did_not_change(
        self, world: World
    ) -> None:
        """Whoever let it take over died before the verdict."""
        old = world.running("v1.0.0")
        world.host.image = world.built("v1.1.0")
        world.host.unhealthy.add(world.host.image)
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.ROLLED_BACK
        assert world.host.image == old

    @pytest.mark.parametrize("step", PREPARE)
    def test_a_host_that_cannot_be_prepared_is_still_asked_for_what_is_warm(
        self, world: World, step: str
    ) -> None:
        old = world.running("v1.0.0")
        world.host.unhealthy.add(world.built("v1.1.0"))
        world.host.breaks_after_a_takeover = step
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.ROLLED_BACK
        assert world.host.image == old
        deploy, back = (i for each, i in world.host.asked if each == "rollout")
        assert (deploy["TT_PREPARED"], back["TT_PREPARED"]) == ("yes", "no")

    def test_what_was_down_before_takes_no_release_back(self, world: World) -> None:
        world.running("v1.0.0")
        image = world.built("v1.1.0")
        world.host.down_before = ["mail"]
        world.host.components = {"db": "UP", "mail": "DOWN"}
        report = world.rolled_out("v1.1.0")
        assert (report.outcome, world.host.image) == (Outcome.DEPLOYED, image)
        actuator = next(probe for probe in report.health.probes if probe.name == "actuator")
        assert actuator.detail == "UP but for mail, down before the takeover already"


class TestNotGettingThere:
    @pytest.mark.parametrize("step", PREPARE)
    def test_preparations_that_fail_leave_the_old_release_serving(
        self, world: World, step: str
    ) -> None:
        old = world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.fail(step)
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.FAILED
        assert world.host.image == old
        assert "rollout" not in world.host.steps
        assert report.failure is not None
        assert f"{step} broke" in report.failure.message
        assert (report.failure.last_words, report.failure.next_command) == (
            "the log's end",
            "journalctl -n 50",
        )

    def test_an_image_that_does_not_exist_is_refused_untouched(self, world: World) -> None:
        report = world.rolled_out("v9.9.9")
        assert report.outcome is Outcome.REFUSED
        assert world.host.steps == ["preflight"]

    def test_a_host_that_saw_a_newer_deploy_is_not_touched(self, world: World) -> None:
        world.built("v1.0.0")
        world.host.generation = 99_999_999_999_999
        report = world.rolled_out("v1.0.0")
        assert report.outcome is Outcome.REFUSED
        assert world.host.steps == ["preflight"]


class TestDataStores:
    def test_one_that_differs_is_left_alone_and_the_report_says_so(
        self, world: World, run_log: list[str]
    ) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.differing |= {"postgres": "", "gateway": ""}
        report = world.rolled_out("v1.1.0")
        assert (report.outcome, report.changed) == (Outcome.DEPLOYED, ("app",))
        assert world.host.inputs_of("rollout")["TT_REPLACE"] == ""
        assert "| **leave alone** | `postgres` |" in report.as_markdown()
        warning = "postgres differs from its definition and was left alone; allow_data_stores"
        assert any(warning in line for line in run_log)

    def test_allowed_ones_are_replaced_in_the_plans_order_and_the_gateway_is_not(
        self, world: World
    ) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.host.differing |= {
            "postgres": "",
            "redis-node-1": "master",
            "redis-node-6": "slave",
            "gateway": "",
        }
        report = world.rolled_out("v1.1.0", allow_data_stores=True)
        assert report.outcome is Outcome.DEPLOYED
        assert world.host.replaced == ["redis-node-6", "redis-node-1", "postgres"]
        assert "gateway" in world.host.differing

    def test_the_permission_holds_for_the_way_back(self, world: World) -> None:
        world.running("v1.0.0")
        world.host.unhealthy.add(world.built("v1.1.0"))
        world.host.differing["redis-node-6"] = "slave"
        report = world.rolled_out("v1.1.0", allow_data_stores=True)
        assert report.outcome is Outcome.ROLLED_BACK
        assert "redis-node-6" in world.host.replaced

    def test_a_way_back_without_it_leaves_them_alone_too(self, world: World) -> None:
        world.running("v1.0.0")
        world.running("v1.1.0")
        world.host.differing["postgres"] = ""
        arguments = ["--environment", world.name]
        assert rollback.main(arguments) == 0
        assert world.host.replaced == []
        world.running("v1.2.0")
        assert rollback.main([*arguments, "--allow-data-stores"]) == 0
        assert world.host.replaced == ["postgres"]


class TestTidyingUp:
    @pytest.mark.parametrize("step", ["prune", "ps"])
    def test_a_deploy_does_not_fail_by_it(self, world: World, step: str) -> None:
        world.running("v1.0.0")
        image = world.built("v1.1.0")
        world.host.fail(step)
        report = world.rolled_out("v1.1.0")
        assert report.outcome is Outcome.DEPLOYED
        assert world.host.image == image
        assert world.host.steps.count("rollout") == 1

    def test_it_comes_after_the_new_release_has_proved_healthy(self, world: World) -> None:
        world.running("v1.0.0")
        world.built("v1.1.0")
        world.rolled_out("v1.1.0")
        steps = [step for step, _ in world.host.asked]
        assert steps.index("prune") > max(n for n, s in enumerate(steps) if s.startswith("probe"))
