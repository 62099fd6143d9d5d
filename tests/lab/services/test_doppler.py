"""The lab's Doppler: what tokens may see, and what the command does with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.services.doppler import build
from lab.services.doppler_seed import seed_values
from lab.services.doppler_state import DopplerState, Token
from lab.settings import LabSettings
from tests.lab.services.conftest import served
from tests.lab_settings import settings_in

COMMAND = Path(__file__).parents[3] / "lab" / "agent" / "doppler"
SECRETS = "/v3/configs/config/secrets"


@dataclass
class Doppler:
    """One lab's Doppler, and the command in a home of its own."""

    settings: LabSettings
    url: str
    home: Path

    def get(self, path: str, token: str = "", **query: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.settings.doppler_token}"}
        return httpx.get(
            self.url + path, params=query, headers=headers, timeout=30, trust_env=False
        )

    def lab(self, method: str, path: str, body: Any = None) -> None:
        url = f"{self.url}/_lab/{path}"
        httpx.request(method, url, json=body, timeout=30, trust_env=False).raise_for_status()

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "DOPPLER_API_HOST": self.url,
            "DOPPLER_TOKEN": self.settings.doppler_token,
            **environment,
        }
        return subprocess.run(
            [sys.executable, str(COMMAND), *words],
            env={name: value for name, value in env.items() if value},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doppler]:
    settings = settings_in(tmp_path_factory.mktemp("lab"))
    home = tmp_path_factory.mktemp("home")
    with served(build(settings), settings.ports["doppler"]) as url:
        yield Doppler(settings, url, home)


@pytest.fixture
def doppler(running: Doppler, tmp_path: Path) -> Iterator[Doppler]:
    running.lab("PUT", "secrets", {"ONE": "1", "TWO": "${ONE} and two"})
    running.home = tmp_path
    yield running
    running.lab("DELETE", "fault")


def test_every_variable_that_the_stack_requires_is_seeded(settings: LabSettings) -> None:
    example = Path(__file__).parents[3] / "stack" / "docker" / ".env.example"
    values = seed_values(settings, example)
    assert values["GITHUB_TOKEN"] == settings.registry_password
    assert values["POSTGRES_DB"] == "tt"
    assert values["SLACK_WEBHOOK_AUTH"].endswith(settings.slack_path)
    assert "APP_IMAGE" not in values
    assert "NETWORK_PREFIX" not in values
    assert all(values.values())


def test_the_seed_adds_what_is_new_and_brings_back_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state = DopplerState(path)
    state.seed({"A": "1", "B": "2"}, "token")
    state.change("tt", "prd", {"A": None, "B": "changed"})
    state.revoke("token")
    again = DopplerState(path)
    again.seed({"A": "3", "B": "3", "C": "3"}, "token")
    raw = again.raw("tt", "prd")
    assert ("A" in raw, raw["B"], raw["C"]) == (False, "changed", "3")
    assert again.token("token") is None
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_token_ends_when_it_is_due() -> None:
    assert Token("x").is_valid(10.0)
    assert Token("x", expires_at=11.0).is_valid(10.0)
    assert not Token("x", expires_at=10.0).is_valid(10.0)


def test_secrets_come_raw_and_computed(doppler: Doppler) -> None:
    two = doppler.get(SECRETS).json()["secrets"]["TWO"]
    assert (two["raw"], two["computed"]) == ("${ONE} and two", "1 and two")
    one = doppler.get("/v3/configs/config/secret", name="ONE", project="tt", config="prd").json()
    assert one["value"]["computed"] == "1"
    assert {"ONE", "DOPPLER_CONFIG"} <= set(doppler.get(f"{SECRETS}/names").json()["names"])
    assert doppler.get("/v3/me").json()["type"] == "service_token"


def test_a_download_comes_in_the_format_asked_for_and_only_when_it_changed(
    doppler: Doppler,
) -> None:
    whole = doppler.get(f"{SECRETS}/download", format="json")
    assert whole.json()["TWO"] == "1 and two"
    assert 'TWO="1 and two"\n' in doppler.get(f"{SECRETS}/download", format="env").text
    headers = {
        "Authorization": f"Bearer {doppler.settings.doppler_token}",
        "If-None-Match": whole.headers["etag"],
    }
    url = f"{doppler.url}{SECRETS}/download"
    assert httpx.get(url, headers=headers, timeout=30, trust_env=False).status_code == 304
    doppler.lab("PUT", "secrets", {"ONE": "uno"})
    assert httpx.get(url, headers=headers, timeout=30, trust_env=False).status_code == 200


@pytest.mark.parametrize(
    ("path", "query", "status", "message"),
    [
        (SECRETS, {"project": "other"}, 400, "requested project 'other'"),
        (SECRETS, {"project": "tt", "config": "dev"}, 400, "requested config 'dev'"),
        ("/v3/configs/config/secret", {"name": "NO"}, 404, "Could not find requested secret: NO"),
        ("/v3/nowhere", {}, 404, "Not Found"),
    ],
)
def test_what_a_token_may_not_see_is_refused(
    doppler: Doppler, path: str, query: dict[str, str], status: int, message: str
) -> None:
    refused = doppler.get(path, **query)
    assert refused.status_code == status
    assert message in refused.json()["messages"][0]
    assert refused.json()["success"] is False


def test_unknown_expired_and_revoked_tokens_are_all_invalid(doppler: Doppler) -> None:
    doppler.lab("POST", "tokens", {"text": "dp.st.prd.old", "expires_at": time.time() - 1})
    doppler.lab("POST", "tokens", {"text": "dp.st.prd.gone"})
    assert doppler.get("/v3/me", "dp.st.prd.gone").status_code == 200
    doppler.lab("DELETE", "tokens", {"text": "dp.st.prd.gone"})
    for token in ("dp.st.prd.none", "dp.st.prd.old", "dp.st.prd.gone"):
        refused = doppler.get("/v3/me", token)
        assert (refused.status_code, refused.json()["messages"]) == (401, ["Invalid Auth token"])


def test_only_a_writing_token_writes(doppler: Doppler) -> None:
    doppler.lab("POST", "tokens", {"text": "dp.st.prd.w", "access": "read/write"})
    assert doppler.run("secrets", "set", "ONE=2").returncode == 1
    done = doppler.run("secrets", "set", "ONE=2", DOPPLER_TOKEN="dp.st.prd.w")
    assert done.returncode == 0, done.stderr
    assert doppler.run("secrets", "get", "ONE", "--plain").stdout == "2\n"


def test_run_gives_the_secrets_to_the_command_and_its_exit_code_back(doppler: Doppler) -> None:
    script = 'echo "$TWO"; echo "$DOPPLER_PROJECT"; exit 7'
    done = doppler.run("run", "-p", "tt", "-c", "prd", "--", "sh", "-c", script)
    assert (done.stdout, done.returncode) == ("1 and two\ntt\n", 7)
    assert doppler.run("run", "--command", "echo $ONE").stdout == "1\n"


def test_run_overrides_the_environment_unless_told_to_preserve_it(doppler: Doppler) -> None:
    command = ("--", "sh", "-c", "echo $ONE")
    assert doppler.run("run", *command, ONE="mine").stdout == "1\n"
    assert doppler.run("run", "--preserve-env", *command, ONE="mine").stdout == "mine\n"


def test_a_secret_never_replaces_the_path_or_the_home(doppler: Doppler) -> None:
    doppler.lab("PUT", "secrets", {"PATH": "/nowhere", "HOME": "/nowhere"})
    done = doppler.run("run", "--", "sh", "-c", "echo $HOME")
    doppler.lab("PUT", "secrets", {"PATH": None, "HOME": None})
    assert done.stdout == f"{doppler.home}\n"


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (("secrets",), {"DOPPLER_TOKEN": ""}, "Doppler Error: you must provide a token\n"),
        (("run", "--", "true"), {"HOME": ""}, "Unable to determine home directory\n"),
        (("secrets", "get", "NO"), {}, "Doppler Error: Could not find requested secret: NO\n"),
        (("run", "-p", "x", "--", "true"), {}, "requested project 'x'\nReading secrets from"),
        (("run", "--", "no-such"), {}, 'Doppler Error: exec: "no-such"'),
        (
            ("run", "--no-fallback", "--", "true"),
            {"DOPPLER_TOKEN": "bad"},
            "Unable to download secrets\nDoppler Error: Invalid Auth token\n",
        ),
    ],
)
def test_what_goes_wrong_is_said_as_the_real_command_says_it(
    doppler: Doppler, words: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = doppler.run(*words, **environment)
    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize("kind", ["down", "reset", "error", "garbage", "unauthorized"])
def test_an_earlier_answer_serves_when_no_new_one_can_be_had(doppler: Doppler, kind: str) -> None:
    command = ("--", "sh", "-c", "echo $ONE")
    assert doppler.run("run", *command).stdout == "1\n"
    doppler.lab("POST", "fault", {"kind": kind})
    served_anyway = doppler.run("run", *command)
    assert (served_anyway.stdout, served_anyway.returncode) == ("1\n", 0)
    assert "Reading secrets from fallback file" in served_anyway.stderr
    assert doppler.run("run", "--no-fallback", *command).returncode == 1


def test_a_busy_service_is_asked_again(doppler: Doppler) -> None:
    doppler.lab("POST", "fault", {"kind": "throttle", "count": 2})
    assert doppler.run("run", "--no-fallback", "--", "true").returncode == 0


def test_the_earlier_answer_is_unreadable_without_the_token(doppler: Doppler) -> None:
    doppler.run("run", "--", "true")
    [kept] = (doppler.home / ".doppler" / "fallback").iterdir()
    assert b"1 and two" not in kept.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600
    opened = doppler.run("run", "--fallback", str(kept), "--fallback-only", "--", "true")
    assert opened.returncode == 0
    other = doppler.run(
        "run", "--fallback", str(kept), "--fallback-only", "--", "true", DOPPLER_TOKEN="other"
    )
    assert "Unable to decrypt fallback file" in other.stderr


def test_the_configuration_file_tells_what_the_environment_does_not(doppler: Doppler) -> None:
    folder = doppler.home / ".doppler"
    folder.mkdir()
    (folder / ".doppler.yaml").write_text(
        "scoped:\n"
        f"    /:\n        token: {doppler.settings.doppler_token}\n"
        f"        api-host: {doppler.url}\n"
        "    /nowhere:\n        token: wrong\n"
        "version-check:\n    latest-version: v3\n"
    )
    bare = {"DOPPLER_TOKEN": "", "DOPPLER_API_HOST": ""}
    assert doppler.run("secrets", "get", "ONE", "--plain", **bare).stdout == "1\n"


def test_names_alone_can_be_listed(doppler: Doppler) -> None:
    listed = doppler.run("secrets", "--only-names", "--project", "tt", "--config", "prd")
    assert {"ONE", "TWO"} <= set(listed.stdout.split())
    assert "1 and two" not in listed.stdout


def test_a_download_goes_to_a_file_that_only_its_owner_reads(doppler: Doppler) -> None:
    target = doppler.home / "all.json"
    assert doppler.run("secrets", "download", str(target)).returncode == 0
    assert target.stat().st_mode & 0o777 == 0o600
    printed = doppler.run("secrets", "download", "--no-file", "--format", "env")
    assert 'ONE="1"' in printed.stdout


def test_a_signal_reaches_the_command(doppler: Doppler, tmp_path: Path) -> None:
    ready, told = tmp_path / "ready", tmp_path / "told"
    script = f"trap 'touch {told}; exit 3' TERM; touch {ready}; while :; do sleep 0.1; done"
    running = subprocess.Popen(
        [sys.executable, str(COMMAND), "run", "--", "sh", "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(doppler.home),
            "DOPPLER_API_HOST": doppler.url,
            "DOPPLER_TOKEN": doppler.settings.doppler_token,
        },
    )
    due = time.monotonic() + 30
    while not ready.exists():
        assert time.monotonic() < due, "the command did not start"
        time.sleep(0.05)
    running.terminate()
    assert running.wait(30) == 3
    assert told.exists()


def test_whose_token_it_is_can_be_asked_with_a_token_of_any_config(doppler: Doppler) -> None:
    doppler.lab("POST", "tokens", {"text": "dp.st.x.other", "project": "other", "slug": "the-slug"})
    said = doppler.run("me", "--json", DOPPLER_TOKEN="dp.st.x.other")
    assert said.returncode == 0, said.stderr
    assert '"slug": "the-slug"' in said.stdout
    assert "dp.st.x.other" not in said.stdout
    refused = doppler.run("me", DOPPLER_TOKEN="dp.st.nobody")
    assert (refused.returncode, "Invalid Auth token" in refused.stderr) == (1, True)
