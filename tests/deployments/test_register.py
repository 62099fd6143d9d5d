"""``python -m deployments.register``: on a real Prefect server, and without one."""

import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import (
    BlockDocumentUpdate,
    GlobalConcurrencyLimitUpdate,
    WorkPoolCreate,
)
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.environment import load_environment
from delivery.errors import ConfigurationError
from deployments import register
from deployments.automations import crash_of_silent_runs
from deployments.environment_file import ENVIRONMENTS
from deployments.server import Change, ensure_automation, ensure_limit, ensure_work_pool

SECRETS = {
    "TT_GITHUB_TOKEN": "ghp_" + "S3cretOfGitHub" * 3,
    "TT_REGISTRY_PASSWORD": "s3cret-of-the-registry",
    "TT_DOPPLER_TOKEN": "dp.st.prd.S3cretOfDoppler",
    "TT_SLACK_WEBHOOK_URL": "http://localhost:5013/services/T1/B1/S3cretOfSlack",
    "AWS_ACCESS_KEY_ID": "AKIA" + "S3CRETOFAWS00000",
    "AWS_SECRET_ACCESS_KEY": "s3cret/of/aws",
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command with all secrets set; its status, output and errors."""
    for name, value in {**SECRETS, "TT_REGISTRY_USERNAME": "tt-bot"}.items():
        monkeypatch.setenv(name, value)

    def start(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = register.main(arguments)
        printed = capfd.readouterr()
        assert not [s for s in SECRETS.values() if s in printed.out + printed.err]
        return status, printed.out, printed.err

    return start


def changes(printed: str) -> dict[str, str]:
    """What was done, by the name of the thing."""
    lines = [re.split(r"\s{2,}", line) for line in printed.splitlines()]
    return {name: change for change, _kind, name in lines}


# --- without a server -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Lab",), "cannot name an environment"),
        (("nowhere",), "there are: lab, production, staging"),
        (("production",), "TT_REPOSITORY"),
        (("lab", "--file", "/dev/null"), "not a YAML mapping"),
    ],
)
def test_bad_input_is_one_clear_error(run: Run, arguments: tuple[str, ...], said: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_missing_secrets_are_named_all_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TT_DOPPLER_TOKEN")
    monkeypatch.delenv("TT_REGISTRY_USERNAME")
    status, _, err = run("lab")
    assert status == 2
    assert "TT_REGISTRY_USERNAME, TT_DOPPLER_TOKEN" in err


def test_a_webhook_that_is_no_url_is_not_repeated(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TT_SLACK_WEBHOOK_URL", "S3cretOfSlack")
    status, _, err = run("lab")
    assert status == 2
    assert "TT_SLACK_WEBHOOK_URL is not an http(s) URL" in err
    assert "S3cretOfSlack" not in err


def test_without_arguments_it_tells_its_usage(run: Run) -> None:
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 2


def test_without_a_server_named_it_says_which_variable_names_one(run: Run) -> None:
    with temporary_settings({PREFECT_API_URL: None}):
        status, out, err = run("lab")
    assert (status, out) == (2, "")
    assert "export PREFECT_API_URL=" in err


def test_a_server_that_is_away_is_an_error_of_its_own(run: Run) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        status, out, err = run("lab")
    assert (status, out) == (1, "")
    assert "Where: http://127.0.0.1:9/api" in err


# --- with one ---------------------------------------------------------------------------


@pytest.mark.prefect
def test_twice_gives_the_same_as_once(run: Run) -> None:
    status, first, _ = run("lab")
    assert status == 0
    assert {*changes(first)} == {
        "tt-deploy",
        "deploy-lab",
        "aws-credentials/lab-aws",
        "github-credentials/lab-github",
        "docker-registry-credentials/lab-registry",
        "docker-host/lab-docker-host",
        "doppler-secrets/lab-doppler",
        "slack-webhook/lab-slack",
        "tt-environment/lab",
        crash_of_silent_runs().name,
    }
    status, second, _ = run("lab")
    assert status == 0
    assert set(changes(second).values()) == {"unchanged"}


@pytest.mark.prefect
def test_what_changed_or_no_longer_reads_is_written_and_nothing_else(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("lab")
    monkeypatch.setenv("TT_GITHUB_TOKEN", "ghp_new")
    file = tmp_path / "changed.yaml"
    usual = (ENVIRONMENTS / "lab.yaml").read_text()
    file.write_text(usual.replace("branch: develop", "branch: main"))
    break_document("doppler-secrets", "lab-doppler", timeout_seconds="long")
    _, printed, _ = run("lab", "--file", str(file))
    assert [name for name, change in changes(printed).items() if change != "unchanged"] == [
        "github-credentials/lab-github",
        "doppler-secrets/lab-doppler",
        "tt-environment/lab",
    ]
    lab = load_environment("lab")
    assert (lab.github_token(), lab.branch, lab.doppler.timeout_seconds) == ("ghp_new", "main", 10)


def break_document(kind: str, name: str, **fields: object) -> None:
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(name, kind)
        broken = BlockDocumentUpdate(data=fields, merge_existing_data=True)
        client.update_block_document(document.id, broken)


class _Refusing(BaseHTTPRequestHandler):
    """A Prefect server that wants a login."""

    def do_GET(self) -> None:
        self.send_error(401)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_server_that_refuses_the_login_is_told_from_one_that_is_away(run: Run) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_port}/api"}):
            status, _, said = run("lab")
        server.shutdown()

    assert status == 1
    assert "refuses the login" in said
    assert "PREFECT_API_AUTH_STRING" in said


@pytest.mark.prefect
def test_an_environment_without_slack_and_aws_keys_needs_neither(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TT_SLACK_WEBHOOK_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("TT_REPOSITORY", "tt/app")
    status, printed, _ = run("production")
    assert status == 0
    assert "slack-webhook/production-slack" not in changes(printed)
    production = load_environment("production")
    assert production.slack is None
    assert production.aws.aws_secret_access_key is None


@pytest.mark.prefect
def test_a_limit_that_somebody_changed_lets_one_in_again() -> None:
    with get_client(sync_client=True) as client:
        assert ensure_limit(client, "deploy-elsewhere") is Change.CREATED
        assert ensure_limit(client, "deploy-elsewhere") is Change.UNCHANGED
        changed = GlobalConcurrencyLimitUpdate(limit=5, active=False)
        client.update_global_concurrency_limit("deploy-elsewhere", changed)
        assert ensure_limit(client, "deploy-elsewhere") is Change.UPDATED
        found = client.read_global_concurrency_limit_by_name("deploy-elsewhere")
    assert (found.limit, found.active) == (1, True)


@pytest.mark.prefect
def test_a_work_pool_of_another_type_is_refused() -> None:
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="taken", type="docker"))
        with pytest.raises(ConfigurationError, match="of type 'docker'"):
            ensure_work_pool(client, "taken")


@pytest.mark.prefect
def test_an_automation_that_an_operator_switched_off_stays_off() -> None:
    wanted = crash_of_silent_runs().model_copy(update={"name": "another"})
    with get_client(sync_client=True) as client:
        assert ensure_automation(client, wanted) is Change.CREATED
        (made,) = client.read_automations_by_name("another")
        client.pause_automation(made.id)
        assert ensure_automation(client, wanted) is Change.UNCHANGED
        other = wanted.model_copy(update={"description": "changed"})
        assert ensure_automation(client, other) is Change.UPDATED
        (found,) = client.read_automations_by_name("another")
    assert (found.enabled, found.description) == (False, "changed")
