"""A deploy from the commit to the report, and the flows that are parts of it."""

import json
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.objects import State, StateType

from delivery.errors import HostNotFound
from delivery.health import Verdict
from delivery.report import Outcome, Report
from flows import build, healthcheck, release, rollback
from flows import deploy as deploying
from flows.ending import report_of
from tests.fake_environment import SECRETS
from tests.flows.conftest import World
from tests.prefect_world import latest_artifact, whole_log
from tests.scripted_hosts import answered

pytestmark = pytest.mark.prefect


def deployed(world: World, **parameters: Any) -> Report:
    state: Any = deploying.deploy(world.name, **parameters, return_state=True)
    return report_of(state)


def with_its_image(world: World) -> str:
    """Have the branch's head built, as an earlier run would have left it; its tag."""
    planned = deployed(world, dry_run=True)
    tag = f"v{planned.version}"
    world.built(tag, world.application.head())
    return tag


def made(world: World) -> list[str]:
    """The tags and releases that GitHub was asked to make."""
    return [path for path in world.github.asked("POST") if path.endswith(("/refs", "/releases"))]


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON object that was printed last."""
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(answer, dict)
    return answer


class TestDeploy:
    def test_a_dry_run_shows_the_plan_and_touches_nothing(self, world: World) -> None:
        report = deployed(world, dry_run=True)
        assert report.outcome is Outcome.PLANNED
        assert (report.version, report.revision) == ("0.1.0-develop.0", world.application.head())
        assert world.host.steps == ["preflight", "plan"]
        assert {each.method for each in world.github.requests} == {"GET"}
        assert {each.method for each in world.registry.requests} == {"GET"}
        assert world.application.git("tag") == ""
        assert "way back" in latest_artifact(f"preflight-{world.name}")["data"]

    def test_a_dry_run_says_what_would_happen_to_each_service(self, world: World) -> None:
        world.running("v0.0.1")
        world.host.differing["postgres"] = ""
        for allowed, act in ((False, "leave alone"), (True, "replace")):
            report = deployed(world, dry_run=True, allow_data_stores=allowed)
            acts = {step["service"]: step["act"] for step in report.as_json()["plan"]}
            assert acts == {"postgres": act, "app": "take over"}
        assert world.host.replaced == []

    def test_a_plan_that_cannot_be_made_untouched_is_said_to_be_unknown(self, world: World) -> None:
        world.host.fail("plan", answered(step="plan", unknown="there is no git clone yet"))
        report = deployed(world, dry_run=True)
        assert report.outcome is Outcome.PLANNED
        assert "there is no git clone yet" in report.as_markdown()

    def test_the_branchs_head_is_released_and_rolled_out(self, world: World) -> None:
        tag = with_its_image(world)
        report = deployed(world, reason="첫 배포", actor="somebody")
        assert report.outcome is Outcome.DEPLOYED
        assert world.github.tags == {tag: world.application.head()}
        assert world.host.image == report.image
        assert report.image.endswith(report.digest)
        assert report.health.verdict is Verdict.HEALTHY
        assert report.release_url == world.github.releases[0]["html_url"]
        page = latest_artifact(f"deploy-{world.name}")["data"]
        for words in (tag.removeprefix("v"), report.image, "somebody", "첫 배포", "## Stages"):
            assert words in page

    def test_no_secret_reaches_prefects_logs_artifacts_or_states(self, world: World) -> None:
        with_its_image(world)
        state: Any = deploying.deploy(world.name, return_state=True)
        with get_client(sync_client=True) as client:
            run = client.read_flow_run(state.state_details.flow_run_id)
            pages = client.request("POST", "/artifacts/filter", json={"limit": 200}).json()
        logs = whole_log(run.id)
        assert any("is in the registry already" in line["message"] for line in logs)
        told = json.dumps([run.model_dump(mode="json"), pages, logs])
        assert "make tag and release" in told
        assert [name for name, secret in SECRETS.items() if secret in told] == []

    def test_the_same_revision_again_mints_builds_and_restarts_nothing(self, world: World) -> None:
        with_its_image(world)
        first = deployed(world)
        written = made(world)
        again = deployed(world, revision=world.application.head())
        assert (again.outcome, again.version) == (Outcome.UP_TO_DATE, first.version)
        assert made(world) == written
        assert again.changed == ()

    def test_a_revision_that_is_not_there_touches_nothing(self, world: World) -> None:
        report = deployed(world, revision="v9.9.9")
        assert report.outcome is Outcome.REFUSED
        assert report.failure is not None
        assert "'v9.9.9'" in report.failure.message
        assert world.host.steps == ["preflight"]
        assert world.github.asked("POST") == []

    def test_the_run_is_named_for_people(self, world: World) -> None:
        for revision, name in ((None, "head of the branch"), ("no-such", "no-such")):
            state: Any = deploying.deploy(
                world.name, revision=revision, dry_run=True, return_state=True
            )
            with get_client(sync_client=True) as client:
                run = client.read_flow_run(state.state_details.flow_run_id)
            assert run.name == f"{world.name} ← {name}"

    def test_on_the_command_line_the_report_is_json_and_the_status_tells(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["--environment", world.name, "--json"]
        assert deploying.main([*arguments, "--dry-run"]) == 0
        assert printed(capsys)["outcome"] == "PLANNED"
        assert deploying.main([*arguments, "--revision", "nothing"]) == 1
        answer = printed(capsys)
        assert (answer["outcome"], answer["environment"]) == ("REFUSED", world.name)
        assert "'nothing'" in answer["failure"]["message"]


class TestRelease:
    def test_it_tags_and_announces_and_nothing_more(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["--environment", world.name, "--json"]
        assert release.main([*arguments, "--dry-run"]) == 0
        planned = printed(capsys)
        assert planned["outcome"] == "PLANNED"
        assert world.github.requests == []
        assert release.main(arguments) == 0
        made = printed(capsys)
        assert (made["tag"], made["outcome"]) == (planned["tag"], "RELEASED")
        assert made["url"] == world.github.releases[0]["html_url"]
        assert world.host.asked == []
        assert release.main(arguments) == 0
        assert printed(capsys)["outcome"] == "UNCHANGED"
        assert len(world.github.releases) == 1

    def test_a_half_made_release_is_finished_by_the_command_that_the_error_named(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.github.fail("POST .*/releases", 403)
        report = deployed(world)
        assert report.failure is not None
        command = report.failure.next_command.splitlines()[-1]
        program, *arguments = command.removeprefix("python -m ").split()
        assert program == "flows.release"
        assert release.main(arguments) == 0
        (tag,) = world.github.tags
        assert [page["tag_name"] for page in world.github.releases] == [tag]


class TestBuild:
    def test_what_the_registry_has_is_not_built(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tag = with_its_image(world)
        assert build.main(["--environment", world.name, "--json"]) == 0
        answer = printed(capsys)
        assert (answer["outcome"], answer["tag"]) == ("UNCHANGED", tag)
        assert answer["digest"] == world.registry.tags[tag]


class TestHealthcheck:
    def test_the_exit_status_is_the_verdict(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        image = world.running("v1.0.0")
        arguments = ["--environment", world.name, "--json"]
        assert healthcheck.main(arguments) == 0
        healthy = printed(capsys)
        assert healthy["outcome"] == "HEALTHY"
        assert {each["name"] for each in healthy["probes"]} == {"actuator", "redis", "postgres"}
        world.host.unhealthy.add(image)
        assert healthcheck.main(arguments) == 1
        assert printed(capsys)["outcome"] == "UNHEALTHY"
        assert "status DOWN" in latest_artifact(f"health-{world.name}")["data"]

    def test_on_its_own_the_run_is_as_green_as_the_environment(self, world: World) -> None:
        image = world.running("v1.0.0")
        ended: State[Any]
        ended = healthcheck.healthcheck(world.name, return_state=True)
        assert (ended.type, ended.name) == (StateType.COMPLETED, "Healthy")
        world.host.unhealthy.add(image)
        ended = healthcheck.healthcheck(world.name, return_state=True)
        assert (ended.type, ended.name) == (StateType.FAILED, "Unhealthy")
        assert ended.message == "actuator: HTTP 503, status DOWN"

    def test_for_a_flow_that_asks_it_is_a_value_and_what_keeps_it_from_looking_is_not(
        self, world: World
    ) -> None:
        world.host.unhealthy.add(world.running("v1.0.0"))
        assert healthcheck.check_health(world.name).verdict is Verdict.UNHEALTHY
        world.aws.found_at_most(0)
        with pytest.raises(HostNotFound):
            healthcheck.check_health(world.name)


class TestRollback:
    def test_the_release_before_comes_back(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        old = world.running("v1.0.0")
        world.running("v1.1.0")
        assert rollback.main(["--environment", world.name, "--json"]) == 0
        answer = printed(capsys)
        assert (answer["outcome"], answer["version"]) == ("DEPLOYED", "1.0.0")
        assert world.host.image == old

    def test_what_never_was_healthy_here_is_refused_untouched(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        image = world.running("v1.0.0")
        arguments = ["--environment", world.name, "--to", "v7.7.7", "--json"]
        assert rollback.main(arguments) == 1
        assert printed(capsys)["outcome"] == "REFUSED"
        assert (world.host.image, world.host.steps) == (image, ["preflight"])
