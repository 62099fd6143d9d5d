"""Preflight and drift as flows: what stops a deploy, what a way back lets pass, what is news."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from prefect.variables import Variable

from delivery.checks import Level
from delivery.drift_memory import to_remember
from delivery.report import Outcome, Report
from flows import deploy as deploying
from flows import drift, preflight, rollback
from flows.ending import report_of
from tasks.release import find_revision
from tests.fake_environment import SECRETS
from tests.flows.conftest import World
from tests.flows.test_deploy import printed
from tests.free_ports import free_port
from tests.prefect_world import latest_artifact

pytestmark = pytest.mark.prefect


def broken(world: World, part: str, **facts: Any) -> None:
    world.host.seen[part] = {**world.host.seen[part], **facts}


def deployed(world: World, **parameters: Any) -> Report:
    state: Any = deploying.deploy(world.name, return_state=True, **parameters)
    return report_of(state)


class TestPreflight:
    def test_on_the_command_line_it_passes_where_nothing_fails(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.running("v1.0.0")
        assert preflight.main(["--environment", world.name, "--json"]) == 0
        answer = printed(capsys)
        assert (answer["outcome"], answer["previous_version"]) == ("PASSED", "1.0.0")
        assert answer["revision"] == world.application.head()
        assert {"variables", "github", "disk"} <= {each["name"] for each in answer["checks"]}
        assert world.host.steps == ["preflight"]
        assert world.github.asked("POST") == []

    def test_a_failed_check_fails_the_run_and_comes_first_in_the_table(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        broken(world, "secrets", names=["GITHUB_TOKEN"])
        assert preflight.main(["--environment", world.name]) == 1
        page = capsys.readouterr().out
        assert "1 fail" in page
        assert page.index("Doppler has no value for DDL\\_AUTO") < page.index("| pass |")
        told = json.dumps(latest_artifact(f"preflight-{world.name}"))
        assert "FAIL" in told
        assert [name for name, secret in SECRETS.items() if secret in told] == []


@pytest.fixture
def detour(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Git's settings that send who clones the application to where nobody listens."""
    settings = tmp_path / ".gitconfig"
    nobody = f"http://127.0.0.1:{free_port()}/"
    settings.write_text(f'[url "{nobody}"]\n    insteadOf = {world.application.folder}\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    return settings


@pytest.fixture
def github_is_away(world: World, detour: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Nothing to clone from, for longer than anybody waits; the waits themselves left out."""
    monkeypatch.setattr(find_revision, "retry_delay_seconds", 0)
    return world


class TestWithoutGitHub:
    def test_it_is_a_finding_beside_all_others(
        self, github_is_away: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world = github_is_away
        world.running("v1.0.0")
        broken(world, "secrets", ddl=["DDL_AUTO destructive"])
        assert preflight.main(["--environment", world.name, "--json"]) == 1
        answer = printed(capsys)
        assert (answer["outcome"], answer["revision"]) == ("FAILED", "")
        found = {each["name"]: each for each in answer["checks"]}
        assert found["revision"]["level"] == found["schema"]["level"] == Level.FAIL
        assert found["revision"]["evidence"].startswith("git fetch failed: fatal: ")
        assert found["revision"]["remedy"] == f"git ls-remote {world.application.folder}"
        assert "git fetch failed" in latest_artifact(f"preflight-{world.name}")["data"]

    def test_a_deploy_is_refused_untouched(self, github_is_away: World) -> None:
        old = github_is_away.running("v1.0.0")
        report = deployed(github_is_away)
        assert report.outcome is Outcome.REFUSED
        assert report.failure is not None
        assert report.failure.message.startswith("Preflight: revision: git fetch failed")
        assert report.previous_version == "1.0.0"
        assert (github_is_away.host.steps, github_is_away.host.image) == (["preflight"], old)

    def test_a_deploy_goes_on_once_it_is_back(
        self, world: World, detour: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(find_revision, "retry_delay_seconds", 2)
        threading.Timer(5, detour.unlink).start()
        assert deployed(world, dry_run=True).outcome is Outcome.PLANNED
        assert not detour.exists(), "it began before GitHub was back"


class TestDeploy:
    def test_a_failed_check_refuses_it_before_anything_was_touched(self, world: World) -> None:
        old = world.running("v1.0.0")
        broken(world, "secrets", ddl=["DDL_AUTO destructive"])
        report = deployed(world)
        assert report.outcome is Outcome.REFUSED
        assert report.failure is not None
        assert (report.failure.stage, report.failure.where) == ("preflight", "TT-ec2-1")
        assert "schema" in report.failure.message
        assert (world.host.steps, world.host.image) == (["preflight"], old)
        assert world.github.asked("POST") == []
        page = latest_artifact(f"deploy-{world.name}")["data"]
        assert "## Preflight: 1 fail" in page
        assert report.previous_version == "1.0.0"

    def test_a_dry_run_is_refused_as_the_deploy_would_be(self, world: World) -> None:
        world.host.ping = "ConnectionLost"
        report = deployed(world, dry_run=True)
        assert report.outcome is Outcome.REFUSED
        assert report.failure is not None
        assert report.failure.message.startswith("Preflight: ssm agent")
        assert world.host.asked == []


class TestRollback:
    def test_the_way_back_is_not_stopped_by_what_a_deploy_needs(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.running("v1.0.0")
        world.running("v1.1.0")
        broken(world, "engine", disks=["/ 5 9 1 100"])
        broken(world, "secrets", registry={"login": "refused"})
        assert rollback.main(["--environment", world.name, "--json"]) == 0
        answer = printed(capsys)
        assert answer["outcome"] == "DEPLOYED"
        levels = {each["name"]: each["level"] for each in answer["preflight"]}
        assert levels["disk"] == levels["registry login"] == Level.WARN

    def test_it_is_stopped_by_what_would_destroy_data(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.running("v1.0.0")
        world.running("v1.1.0")
        broken(world, "secrets", ddl=["DDL_AUTO destructive"])
        assert rollback.main(["--environment", world.name, "--json"]) == 1
        assert printed(capsys)["outcome"] == "REFUSED"
        assert world.host.steps == ["preflight"]


class TestDrift:
    def found(self, world: World, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        status = drift.main(["--environment", world.name, "--json"])
        answer = printed(capsys)
        assert status == (0 if answer["outcome"] == "CLEAN" else 1)
        return answer

    def as_deployed(self, world: World) -> None:
        """Have the branch's head running as it was deployed."""
        head = world.application.head()
        image = world.running("v1.0.0")
        line = json.loads(world.host.record.pop()) | {"revision": head}
        world.host.record.append(json.dumps(line))
        container = {"service": "app", "name": "/tt-app-1", "image": image, "definition": "a"}
        broken(world, "secrets", definitions=["app a"])
        world.host.seen |= {
            "revision": head,
            "containers": [{**container, "state": "running", "health": "healthy"}],
        }

    def test_only_a_change_is_told(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        Variable.set(f"drift-{world.name}", to_remember([]), overwrite=True)
        self.as_deployed(world)
        clean = self.found(world, capsys)
        assert (clean["outcome"], clean["changed"], clean["version"]) == ("CLEAN", False, "1.0.0")
        assert world.slack.requests == []
        world.host.seen["containers"] = []
        drifted = self.found(world, capsys)
        assert (drifted["outcome"], drifted["changed"]) == ("DRIFTED", True)
        assert "app is missing" in latest_artifact(f"drift-{world.name}")["data"]
        again = self.found(world, capsys)
        assert (again["outcome"], again["changed"]) == ("DRIFTED", False)
        told = len(world.slack.requests)
        assert told >= 1
        self.as_deployed(world)
        mended = self.found(world, capsys)
        assert (mended["outcome"], mended["changed"]) == ("CLEAN", True)
        assert len(world.slack.requests) > told
        assert set(world.host.steps) == {"preflight"}

    def test_a_deploy_at_work_and_a_host_out_of_sight_are_no_verdict(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.host.seen["busy"] = True
        busy = self.found(world, capsys)
        assert (busy["outcome"], busy["changed"], busy["version"]) == ("BUSY", False, "")
        world.host.ping = "ConnectionLost"
        assert self.found(world, capsys)["outcome"] == "UNSEEN"

    def test_a_release_that_left_the_branch_is_drift(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.running("v1.0.0")  # of a revision that the repository does not have
        answer = self.found(world, capsys)
        assert answer["outcome"] == "DRIFTED"
        levels = {each["name"]: each["level"] for each in answer["checks"]}
        assert levels["drift: branch"] == levels["drift: needs"] == Level.WARN
