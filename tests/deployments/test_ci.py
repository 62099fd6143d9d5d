"""The application's own CI: its workflow and its client, against a real Prefect server."""

import base64
import datetime
import importlib.util
import os
import re
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate

from delivery.trigger import TRIGGER_FILES, TRIGGER_FOLDERS
from tests.prefect_servers import (
    ROOT,
    PrefectServer,
    a_worker,
    prefect_server_in,
    serve_a_deploy,
)

APPLICATION = ROOT / "stack"
CLIENT = APPLICATION / ".github" / "deploy.py"
pytestmark = pytest.mark.timeout(900)

LOGIN = "ci:a-password-of-these-tests"


def workflow() -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(
        (APPLICATION / ".github" / "workflows" / "deploy.yml").read_text()
    )
    return loaded


def test_the_workflow_starts_on_the_same_paths_as_a_push() -> None:
    # YAML 1.1 reads the key "on" as true.
    paths = set(workflow()[True]["push"]["paths"])
    assert paths == {*TRIGGER_FILES, *(f"{folder}**" for folder in TRIGGER_FOLDERS)}


def test_gitlab_s_job_starts_on_the_same_paths() -> None:
    text = (ROOT / "docs" / "ci.md").read_text()
    (block,) = re.findall(r"^```yaml\n(deploy:\n.*?)^```", text, re.DOTALL | re.MULTILINE)
    job = yaml.safe_load(block)["deploy"]
    paths = {path.replace("/**/*", "/**") for path in job["rules"][0]["changes"]}
    assert paths == {*TRIGGER_FILES, *(f"{folder}**" for folder in TRIGGER_FOLDERS)}


def test_the_client_needs_nothing_but_python() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", CLIENT, "--help"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [[], ["deploy"], ["deploy/production", "--colour"]])
def test_bad_usage_ends_with_its_own_status(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, CLIENT, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("kind", "name", "dry_run", "live"),
    [
        ("COMPLETED", "Deployed", False, True),
        ("COMPLETED", "UpToDate", False, True),
        ("COMPLETED", "Planned", False, False),
        ("COMPLETED", "Planned", True, True),
        ("FAILED", "RolledBack", False, False),
        ("CRASHED", "Crashed", True, False),
        ("CANCELLED", "Superseded", False, False),
    ],
)
def test_only_a_live_release_or_a_plan_that_was_asked_for_is_a_success(
    kind: str, name: str, *, dry_run: bool, live: bool
) -> None:
    run = {"state_type": kind, "state": {"name": name}}
    client = runpy.run_path(str(CLIENT))
    assert client["succeeded"](run, dry_run=dry_run) == live


class Late:
    """A server on which a run's lines appear one a look, after its last state."""

    def __init__(self, lines: int) -> None:
        self.looks, self.lines = 0, lines

    def run(self, run_id: str) -> dict[str, Any]:
        state = {"id": "1", "name": "Deployed", "message": ""}
        return {"id": run_id, "name": "late", "state": state, "state_type": "COMPLETED"}

    def logs(self, run_id: str, since: datetime.datetime) -> list[dict[str, Any]]:
        self.looks += 1
        shown = range(min(self.looks - 1, self.lines))
        at = "2026-11-26T01:00:00+00:00"
        return [{"id": str(n), "timestamp": at, "message": f"line {n}"} for n in shown]


def test_lines_that_come_after_the_last_state_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("deploy_client", CLIENT)
    assert spec
    assert spec.loader
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    monkeypatch.setattr(client, "POLL_SECONDS", 0.0)
    client.follow(Late(lines=3), "1", deadline=time.monotonic() + 60)
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["--- late: Deployed", *(f"01:00:00 line {n}" for n in range(3))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server that wants a login, one worker, and a ``deploy/production`` that ends as told."""
    folder = tmp_path_factory.mktemp("ci")
    settings = {"PREFECT_SERVER_API_AUTH_STRING": LOGIN, "PREFECT_API_AUTH_STRING": LOGIN}
    with prefect_server_in(folder, settings=settings) as server:
        serve_a_deploy()
        with a_worker(server, "ci"):
            yield server


def run_the_workflow(server: PrefectServer, summary: Path, **given: str) -> Any:
    """Carry out the workflow's own command, as GitHub would, in the application's folder."""
    (step,) = [step for step in workflow()["jobs"]["deploy"]["steps"] if "run" in step]
    asked = {"REVISION": "good", "REASON": "push", "ACTOR": "kim", "DRY_RUN": "", "KEY": ""}
    environment = {
        "PATH": os.environ["PATH"],
        "PREFECT_API_URL": server.api_url,
        "PREFECT_API_AUTH_STRING": LOGIN,
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        **asked,
        **given,
    }
    assert set(asked) <= set(step["env"])
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=APPLICATION,
        env=environment,
        capture_output=True,
        text=True,
        timeout=480,
    )


pytest_server = pytest.mark.prefect(own_server=True)


@pytest_server
def test_a_deploy_that_holds_ends_well_with_its_report_as_the_summary(
    server: PrefectServer, tmp_path: Path
) -> None:
    given = {"REASON": 'it\'s `a` "$(test)"', "KEY": "github-1-1"}
    done = run_the_workflow(server, tmp_path / "summary.md", **given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Deployed: 1.2.3 is live on production" in done.stdout
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("# DEPLOYED")
    assert r"""kim, it's \`a\` "$(test)" """ in summary
    assert_no_command_of_the_run_reaches_the_ci(done.stdout.splitlines())
    # A job that is repeated under its key follows the same run and starts no second one.
    again = run_the_workflow(server, tmp_path / "summary.md", **given)
    assert again.stdout.splitlines()[0] == done.stdout.splitlines()[0]


def assert_no_command_of_the_run_reaches_the_ci(lines: list[str]) -> None:
    stop = next(line for line in lines if line.startswith("::stop-commands::"))
    resumed = lines.index(f"::{stop.removeprefix('::stop-commands::')}::")
    logged = next(n for n, line in enumerate(lines) if "deploying good" in line)
    assert lines.index(stop) < logged < resumed


@pytest_server
def test_a_deploy_that_went_back_fails_the_job_and_says_so(
    server: PrefectServer, tmp_path: Path
) -> None:
    done = run_the_workflow(server, tmp_path / "summary.md", REVISION="bad")
    assert done.returncode == 1
    assert "RolledBack" in done.stdout
    assert (tmp_path / "summary.md").read_text().startswith("# ROLLED_BACK")


@pytest_server
def test_a_wrong_login_fails_at_once_and_shows_neither(
    server: PrefectServer, tmp_path: Path
) -> None:
    wrong = "ci:another-password"
    done = run_the_workflow(server, tmp_path / "s", PREFECT_API_AUTH_STRING=wrong)
    assert (done.returncode, "401" in done.stderr) == (1, True)
    for secret in (wrong, base64.b64encode(wrong.encode()).decode()):
        assert secret not in done.stdout + done.stderr


@pytest_server
def test_an_unknown_deployment_fails_with_the_server_s_words(server: PrefectServer) -> None:
    done = server.attempt([sys.executable, str(CLIENT), "deploy/nowhere"])
    assert (done.returncode, "404" in done.stderr) == (1, True)


def set_paused(*, paused: bool) -> None:
    with get_client(sync_client=True) as client:
        client.update_work_pool("tt-deploy", WorkPoolUpdate(is_paused=paused))


@pytest_server
def test_a_server_that_restarts_meanwhile_is_waited_for(
    server: PrefectServer, tmp_path: Path
) -> None:
    ended: list[Any] = []
    # The run itself begins when the server is back: it is the client that is to wait.
    set_paused(paused=True)
    following = threading.Thread(
        target=lambda: ended.append(run_the_workflow(server, tmp_path / "summary.md"))
    )
    following.start()
    time.sleep(2)
    server.stop()
    server.start()
    set_paused(paused=False)
    following.join(timeout=500)
    assert ended[0].returncode == 0, ended[0].stdout + ended[0].stderr
    assert (tmp_path / "summary.md").read_text().startswith("# DEPLOYED")
