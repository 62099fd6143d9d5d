"""host/preflight.sh on its own: real git and a docker, a doppler and a registry of the test's."""

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from delivery.host_script import read_answer
from delivery.preflight_facts import PreflightHost
from tests.fakes import served
from tests.host.running import Machine
from tests.repositories import WorkingRepository

SECRET = "ghp_" + "secret0of0github00"
DOCKER = r"""
case "$*" in
"version"*) echo "Docker 28.5.0" ;;
"info"*) echo "28.5.0|$PWD|x86_64" ;;
"compose version --short") echo v2.40.0 ;;
"compose"*"config --hash"*)
    [ -n "$APP_IMAGE" ] || exit 9
    if [ -e broken ]; then echo "required variable MAIL_HOST is missing a value" >&2; exit 1; fi
    printf 'web bbb\napp aaa-%s\n' "$ALERTMANAGER_CONFIG" ;;
"login"*) [ "$(cat)" = "$(cat accepted)" ] || { echo "unauthorized: wrong" >&2; exit 1; } ;;
esac
"""
DOPPLER = """
if [ -e doppler-says ]; then cat doppler-says >&2; exit 1; fi
if [ "$1" = me ]; then echo '{"slug":"the-slug","name":"host"}'; exit; fi
while [ "$1" != -- ]; do shift; done; shift
export GITHUB_TOKEN=%s DDL_AUTO=" Create_Drop" EMPTY= HOOK=hook POSTGRES_DB=tt TT_API_SECRET=s3
exec "$@"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "machine")
    made.program("docker", DOCKER)
    made.program("doppler", DOPPLER % SECRET)
    (made.root / "accepted").write_text(SECRET)
    token = made.root / "token"
    token.write_text("dp.st.prd.xyz\n")
    token.chmod(0o400)
    origin = WorkingRepository(tmp_path / "origin")
    origin.write("alerts.yml", "url: ${HOOK}\n")
    origin.commit("feat: first")
    origin.git("clone", "--quiet", origin.url, str(made.root / "clone"))
    return made


def looked(machine: Machine, **inputs: str) -> PreflightHost:
    usual = {
        "TT_CLONE": str(machine.root / "clone"),
        "TT_COMPOSE_FILE": "compose.yml",
        "TT_PROJECT": "tt",
        "TT_APP_SERVICE": "app",
        "TT_BRANCH": "develop",
        "TT_PATIENCE": "0",
        "TT_TOKEN_FILE": str(machine.root / "token"),
        "TT_DOPPLER_PROJECT": "tt",
        "TT_DOPPLER_CONFIG": "prd",
        "TT_REGISTRY": "localhost:1",
        "TT_REGISTRY_USER": "tt-bot",
        "TT_IMAGE_REPOSITORY": "localhost:1/tt/app",
        "TT_DDL_VARIABLES": "DDL_AUTO POSTGRES_DB GONE",
        "TT_TEMPLATE": "alerts.yml",
    }
    ran = machine.run_file("preflight", **{**usual, **inputs})
    assert ran.status == 0, ran.printed + ran.noise
    assert SECRET not in ran.printed
    return read_answer(PreflightHost, ran.printed, host="h")


def record(machine: Machine, lines: int = 1) -> None:
    machine.state.mkdir(exist_ok=True)
    line = {"version": "1.0.0", "revision": "a" * 40, "image": "r/app@sha256:1", "tag": "v1.0.0"}
    (machine.state / "releases.jsonl").write_text(
        (json.dumps(line, separators=(",", ":")) + "\n") * lines
    )


def test_one_look_finds_everything_and_leaves_nothing_behind(machine: Machine) -> None:
    began = time.time()
    seen = looked(machine)
    assert seen.engine is not None
    assert (seen.engine.version, seen.engine.compose) == ("28.5.0", "2.40.0")
    assert all(len(line.split()) == 5 for line in seen.engine.disks or ())
    assert seen.token is not None
    assert (seen.token.mode, seen.token.returns, seen.token.newlines) == ("400", 0, 1)
    assert seen.clone is not None
    assert (seen.clone.edited, seen.clone.reachable) == ((), True)
    assert seen.clone.said == seen.clone.revision == seen.revision
    assert seen.memory
    assert seen.memory > 1_000_000
    assert began - 1 <= seen.clock <= time.time() + 1
    assert (seen.tables, seen.busy, seen.certificates) == (0, False, ())
    assert seen.identity is not None
    assert seen.identity.slug == "the-slug"
    assert sorted(path.name for path in machine.memory.iterdir()) == ["preflight.log"]
    assert not machine.logs.exists()


def test_of_the_secrets_only_names_and_what_they_mean_leave_the_host(machine: Machine) -> None:
    secrets = looked(machine).secrets
    assert secrets is not None
    assert {"GITHUB_TOKEN", "DDL_AUTO", "HOOK"} <= set(secrets.names)
    assert secrets.empty == ("EMPTY",)
    assert secrets.ddl == ("DDL_AUTO destructive", "POSTGRES_DB safe")
    ours = {name for name in secrets.names if name.startswith("TT_")}
    assert ours == {"TT_API_SECRET"}, "Doppler's own, and none of our inputs"


def test_definitions_are_those_of_the_files_with_todays_values(machine: Machine) -> None:
    nothing_ran = looked(machine).secrets
    assert nothing_ran is not None
    assert nothing_ran.definitions == ()
    record(machine)
    assert looked(machine).defined == {"app": "aaa-url: hook", "web": "bbb"}


def test_why_there_are_no_definitions_is_said(machine: Machine) -> None:
    record(machine)
    (machine.root / "broken").touch()
    secrets = looked(machine).secrets
    assert secrets is not None
    assert secrets.undefined == "required variable MAIL_HOST is missing a value"


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("Doppler Error: Invalid Auth token", "refused"),
        ("Doppler Error: This token does not have access to requested project 'tt'", "refused"),
        ('Doppler Error: Get "https://api.doppler.com": dial tcp: i/o timeout', "silent"),
    ],
)
def test_a_refusal_is_told_from_silence(machine: Machine, said: str, state: str) -> None:
    (machine.root / "doppler-says").write_text(said)
    seen = looked(machine)
    assert seen.secrets is not None
    assert (seen.secrets.state, seen.secrets.said) == (state, said)
    assert seen.identity is not None
    assert not seen.identity.accepted


def test_without_a_token_nobody_is_asked(machine: Machine) -> None:
    (machine.root / "token").unlink()
    seen = looked(machine)
    assert seen.token is not None
    assert seen.secrets is not None
    assert (seen.token.exists, seen.secrets.state) == (False, "no token")


def test_the_token_file_is_described_and_not_shown(machine: Machine) -> None:
    token = machine.root / "token"
    token.chmod(0o644)
    token.write_bytes(b"dp.st.prd.xyz\r\n\n")
    seen = looked(machine).token
    assert seen is not None
    assert (seen.mode, seen.returns, seen.newlines, seen.plain) == ("644", 1, 2, True)
    assert seen.owner == os.getuid()


@pytest.mark.parametrize(
    "text", ["two words\n", "dp.st.old\ndp.st.new\n", "dp.st.old\rdp.st.new", ""]
)
def test_a_token_file_with_more_or_less_than_one_token_is_not_plain(
    machine: Machine, text: str
) -> None:
    token = machine.root / "token"
    token.chmod(0o600)
    token.write_text(text)
    odd = looked(machine).token
    assert odd is not None
    assert not odd.plain


def test_a_wrong_registry_password_is_told_from_a_registry_that_is_away(machine: Machine) -> None:
    away = looked(machine).secrets
    assert away is not None
    assert away.registry is not None
    assert (away.registry.login, away.registry.pull) == ("ok", 0)
    (machine.root / "accepted").write_text("another")
    refused = looked(machine).secrets
    assert refused is not None
    assert refused.registry is not None
    assert refused.registry.login == "refused"
    assert "unauthorized" in refused.registry.said


def test_whether_the_token_may_pull_is_asked_by_the_registrys_own_protocol(
    machine: Machine,
) -> None:
    asked: list[httpx.Request] = []

    def registry(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path == "/token":
            assert request.headers["authorization"].startswith("Basic ")
            assert request.url.params["scope"] == "repository:tt/app:pull"
            return httpx.Response(200, json={"token": "bearer-of-the-pull"})
        if request.headers.get("authorization") == "Bearer bearer-of-the-pull":
            return httpx.Response(200, json={"tags": []})
        host = request.headers["host"]
        challenge = f'Bearer realm="http://{host}/token",service="{host}"'
        return httpx.Response(401, headers={"WWW-Authenticate": challenge}, json={})

    with served(registry) as (server,):
        image = f"{server.address}/tt/app"
        secrets = looked(
            machine, TT_REGISTRY=server.address, TT_IMAGE_REPOSITORY=image,
        ).secrets  # fmt: skip
    assert secrets is not None
    assert secrets.registry is not None
    assert secrets.registry.pull == 200
    assert [each.url.path for each in asked] == [
        "/v2/tt/app/tags/list",
        "/token",
        "/v2/tt/app/tags/list",
    ]


def test_when_the_registrys_token_ends_is_read_off_githubs_header(machine: Machine) -> None:
    def github(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        ends = {"GitHub-Authentication-Token-Expiration": "2026-12-01 00:00:00 UTC"}
        return httpx.Response(200, headers=ends, json={})

    with served(github) as (server,):
        secrets = looked(machine, TT_GITHUB_API=server.url).secrets
    assert secrets is not None
    assert secrets.pull_token_expires == "2026-12-01 00:00:00 UTC"


def test_files_edited_by_hand_are_named_and_left_as_they_are(machine: Machine) -> None:
    edited = machine.root / "clone" / "alerts.yml"
    edited.write_text("url: mine\n")
    clone = looked(machine).clone
    assert clone is not None
    assert clone.edited == ("alerts.yml",)
    assert edited.read_text() == "url: mine\n"


def test_a_remote_that_is_gone_is_told_in_gits_words(machine: Machine) -> None:
    (machine.root.parent / "origin").rename(machine.root.parent / "gone")
    clone = looked(machine).clone
    assert clone is not None
    assert not clone.reachable
    assert "does not appear to be a git repository" in clone.said or "not read" in clone.said


def test_a_port_that_another_process_holds_is_seen(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert looked(machine).held_ports[port] not in ("", "ours")


def test_an_engine_that_does_not_answer_ends_nothing(machine: Machine) -> None:
    machine.program("docker", "exit 1")
    seen = looked(machine)
    assert not seen.engine_answers
    assert seen.token is not None
    assert seen.secrets is not None
    assert seen.secrets.state == "ok"


def test_a_deploy_that_holds_the_lock_is_noticed(machine: Machine) -> None:
    assert not looked(machine).busy
    holder = machine.program("holder", f"exec 9>{machine.memory}/lock; flock 9; exec sleep 60")
    process = subprocess.Popen([str(holder)])
    try:
        due = time.monotonic() + 60
        try_it = ["flock", "--nonblock", str(machine.memory / "lock"), "true"]
        while (
            not (machine.memory / "lock").exists()
            or subprocess.run(try_it, timeout=30, check=False).returncode == 0
        ) and time.monotonic() < due:
            time.sleep(0.02)
        assert looked(machine).busy
    finally:
        process.kill()
        process.wait()


def test_certificates_are_read_with_their_ends(machine: Machine) -> None:
    machine.program("openssl", '[ "$5" != bad ] && echo "notAfter=Dec  1 00:00:00 2026 GMT"')
    seen = looked(machine, TT_CERTIFICATES="good bad")
    assert seen.certificates == ("1796083200 good", "0 bad")


def test_a_long_record_gives_way_so_that_the_answer_fits(machine: Machine) -> None:
    record(machine, 50)
    assert len(looked(machine).record) == 20
    state = machine.state / "releases.jsonl"
    state.write_text(state.read_text().replace('"1.0.0"', '"' + "1" * 1500 + '"'))
    assert 1 <= len(looked(machine).record) <= 10
