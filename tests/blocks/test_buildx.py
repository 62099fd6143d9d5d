"""The builder, against a ``docker`` of the test's own that writes down how it was called."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blocks.buildx import BuildOrder, Buildx, build_arguments, plugin_folders
from delivery.errors import (
    BuildError,
    BuildInterrupted,
    ConfigurationError,
    RegistryUnavailable,
    TransientError,
)

PASSWORD = "correct-horse-battery"
REFERENCE = "localhost:5000/tt-lab/tt-backend"

# Every call is one line of JSON in $CALLS. $SAYS_LOGIN and $SAYS_BUILDX are lists of the words that
# the calls fail with, one after the other; what is not said, succeeds.
DOCKER = """#!/usr/bin/env python3
import json, os, sys
config = open(os.environ["DOCKER_CONFIG"] + "/config.json").read()
call = {"arguments": sys.argv[1:], "config": json.loads(config),
        "folder": os.environ["DOCKER_CONFIG"], "host": os.environ.get("DOCKER_HOST"),
        "environment": dict(os.environ), "given": sys.stdin.read()}
with open(os.environ["CALLS"], "a+") as calls:
    calls.write(json.dumps(call) + "\\n")
    calls.seek(0)
    asked = [json.loads(line)["arguments"][0] for line in calls]
what = sys.argv[1]
print("WARNING! nobody needs to read this" if what == "login" else "#1 building", flush=True)
print("password given:", call["given"], flush=True)
failures = json.loads(os.environ.get("SAYS_" + what.upper(), "[]"))[asked.count(what) - 1:]
if failures:
    sys.exit(failures[0])
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    written = tmp_path / "calls"
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(written))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "own"))
    return lambda: [json.loads(line) for line in written.read_text().splitlines()]


def order(folder: Path) -> BuildOrder:
    return BuildOrder(
        context=folder,
        dockerfile="docker/Dockerfile",
        names=(f"{REFERENCE}:v0.1.0", f"{REFERENCE}:latest"),
        cache=f"{REFERENCE}:cache",
        labels={"org.opencontainers.image.version": "0.1.0"},
        arguments={"APP_VERSION": "v0.1.0"},
        platform="linux/amd64",
    )


def builder(engine_url: str = "") -> Buildx:
    return Buildx(
        engine_url=engine_url, registry="localhost:5000", username="tt-lab", password=PASSWORD
    )


def build(door: Buildx, folder: Path, seconds: float = 30) -> list[str]:
    lines: list[str] = []
    door.build_and_push(order(folder), on_line=lines.append, timeout_seconds=seconds)
    return lines


def test_the_command_line_says_all_of_the_order_and_no_secret(tmp_path: Path) -> None:
    words = build_arguments(order(tmp_path))
    pairs = {*itertools.pairwise(words)}
    assert words[:3] == ["docker", "buildx", "build"]
    assert words[-1] == str(tmp_path)
    assert {
        ("--file", f"{tmp_path}/docker/Dockerfile"),
        ("--platform", "linux/amd64"),
        ("--tag", f"{REFERENCE}:v0.1.0"),
        ("--tag", f"{REFERENCE}:latest"),
        ("--label", "org.opencontainers.image.version=0.1.0"),
        ("--build-arg", "APP_VERSION=v0.1.0"),
        ("--cache-from", f"type=registry,ref={REFERENCE}:cache"),
        ("--output", "type=image,push=true,store=false,unpack=false"),
    } <= pairs
    assert any(word.startswith(f"type=registry,ref={REFERENCE}:cache,mode=max") for word in words)


def test_without_a_platform_the_engine_decides(tmp_path: Path) -> None:
    plain = BuildOrder(tmp_path, "Dockerfile", ("r/a:1",), "r/a:cache", {}, {}, "")
    assert "--platform" not in build_arguments(plain)


def test_it_logs_in_and_builds_with_one_configuration_that_then_is_gone(
    tmp_path: Path, calls: Callable[[], list[dict[str, Any]]]
) -> None:
    build(builder(), tmp_path)
    login, built = calls()
    assert login["arguments"] == [
        *("login", "localhost:5000", "--username", "tt-lab", "--password-stdin")
    ]
    assert built["arguments"] == build_arguments(order(tmp_path))[1:]
    assert login["folder"] == built["folder"] != str(tmp_path / "own")
    assert not Path(login["folder"]).exists()


def test_the_password_travels_on_standard_input_only_and_is_never_shown(
    tmp_path: Path, calls: Callable[[], list[dict[str, Any]]]
) -> None:
    lines = build(builder(), tmp_path)
    login, built = calls()
    assert login.pop("given") == PASSWORD
    assert PASSWORD not in json.dumps([login, built])
    assert PASSWORD not in "\n".join(lines)
    assert not [line for line in lines if "WARNING" in line]


def test_the_engine_of_the_block_is_used(
    tmp_path: Path, calls: Callable[[], list[dict[str, Any]]]
) -> None:
    build(builder("unix:///run/other.sock"), tmp_path)
    assert [call["host"] for call in calls()] == ["unix:///run/other.sock"] * 2


def test_the_users_own_plugins_stay_in_reach(
    tmp_path: Path, calls: Callable[[], list[dict[str, Any]]]
) -> None:
    plugins = tmp_path / "own" / "cli-plugins"
    plugins.mkdir(parents=True)
    build(builder(), tmp_path)
    assert calls()[0]["config"] == {"cliPluginsExtraDirs": [str(plugins)]}


def test_without_a_configured_folder_plugins_are_looked_for_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    docker = str(tmp_path / "bin" / "docker")
    assert plugin_folders(docker) == []
    (tmp_path / ".docker" / "cli-plugins").mkdir(parents=True)
    assert plugin_folders(docker) == [str(tmp_path / ".docker" / "cli-plugins")]


def test_plugins_that_lie_beside_the_docker_command_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    unpacked = tmp_path / "usr" / "libexec" / "docker" / "cli-plugins"
    unpacked.mkdir(parents=True)
    assert plugin_folders(str(tmp_path / "usr" / "bin" / "docker")) == [str(unpacked)]


LOGIN = (
    "Error response from daemon: login attempt to http://localhost:5000/v2/ failed with status: "
)
REFUSED = [
    LOGIN + "401 Unauthorized",
    'Error response from daemon: Get "https://x/v2/": denied: denied',
]


@pytest.mark.parametrize("words", REFUSED, ids=["status", "code"])
def test_a_login_that_is_refused_says_where_and_what_to_check(
    tmp_path: Path,
    calls: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
) -> None:
    monkeypatch.setenv("SAYS_LOGIN", json.dumps([words] * 2))
    with pytest.raises(BuildError, match="login to localhost:5000 failed") as caught:
        build(builder(), tmp_path)
    assert not isinstance(caught.value, TransientError)
    assert caught.value.where == "localhost:5000"
    assert "token" in caught.value.next_command
    assert words in caught.value.last_words
    assert PASSWORD not in str(caught.value)
    assert [call["arguments"][0] for call in calls()] == ["login", "login"]


def test_a_refusal_that_was_the_registrys_bad_moment_is_not_believed(
    tmp_path: Path,
    calls: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What Docker says if only its question how to log in was answered with 503.
    monkeypatch.setenv("SAYS_LOGIN", json.dumps([LOGIN + "401 Unauthorized"]))
    build(builder(), tmp_path)
    assert [call["arguments"][0] for call in calls()] == ["login", "login", "buildx"]


@pytest.mark.parametrize(
    "words",
    [
        LOGIN + "503 Service Unavailable",
        LOGIN + "429 Too Many Requests",
        'Error response from daemon: Get "http://localhost:5000/v2/": EOF',
    ],
    ids=["away", "busy", "cut"],
)
def test_a_login_that_is_not_answered_may_be_tried_again(
    tmp_path: Path,
    calls: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
) -> None:
    monkeypatch.setenv("SAYS_LOGIN", json.dumps([words]))
    with pytest.raises(RegistryUnavailable, match="did not answer the login") as caught:
        build(builder(), tmp_path)
    assert isinstance(caught.value, TransientError)
    assert words in caught.value.last_words
    assert len(calls()) == 1


VERDICT = "ERROR: failed to build: failed to solve: "
PUSH = VERDICT + "failed to push localhost:5000/tt-lab/tt-backend:v1: "
HEAD = "unexpected status from HEAD request to http://localhost:5000/v2/tt-lab/tt-backend/blobs/sha256:e6"
SOURCE = VERDICT + "localhost:1/a:1: failed to resolve source metadata for localhost:1/a:1: "
PROCESS = (
    VERDICT + 'process "/bin/sh -c ./gradlew bootJar" did not complete successfully: exit code: 1'
)


@pytest.mark.parametrize(
    "words",
    [
        PUSH + HEAD + ": 503 Service Unavailable",
        PUSH + "unknown: unknown error - PUT /v2/tt-lab/tt-backend/manifests/v1 buildkit/v0.0-dev",
        PUSH
        + "toomanyrequests: rate exceeded, retry later - PUT /v2/tt-lab/tt-backend/manifests/v1",
        PUSH + 'failed to do request: Head "https://localhost:5000/v2/tt-lab/blobs/sha256:b7": EOF',
        PUSH + "failed to do request: readfrom tcp 127.0.0.1:54602->127.0.0.1:5000: "
        "write tcp 127.0.0.1:54602->127.0.0.1:5000: use of closed network connection",
        SOURCE + 'failed to do request: Head "https://localhost:1/v2/a/manifests/1": '
        "dial tcp 127.0.0.1:1: connect: connection refused",
    ],
    ids=["away", "unknown", "busy", "cut", "closed", "base image"],
)
def test_a_push_that_broke_off_may_be_tried_again(
    tmp_path: Path,
    calls: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
) -> None:
    monkeypatch.setenv("SAYS_BUILDX", json.dumps([words]))
    with pytest.raises(BuildInterrupted, match="did not reach") as caught:
        build(builder(), tmp_path)
    assert isinstance(caught.value, TransientError)
    assert words in caught.value.last_words


@pytest.mark.parametrize(
    "words",
    [
        "#9 12.1 Could not GET 'https://repo.example/a.jar': Connection timed out\n" + PROCESS,
        PUSH + "denied: requested access to the resource is denied - PUT /v2/tt-lab/manifests/v1",
        PUSH + "unauthorized: authentication required - PUT /v2/tt-lab/tt-backend/manifests/v7",
        SOURCE + "localhost:1/a:1: not found",
        "",
    ],
    ids=["its own step", "denied", "unauthorized", "no base image", "nothing said"],
)
def test_a_build_that_fails_shows_its_last_lines(
    tmp_path: Path,
    calls: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
) -> None:
    monkeypatch.setenv("SAYS_BUILDX", json.dumps([words or 17]))
    with pytest.raises(BuildError, match="did not build") as caught:
        build(builder(), tmp_path)
    assert not isinstance(caught.value, TransientError)
    assert "#1 building" in caught.value.last_words
    assert words in caught.value.last_words
    assert caught.value.where == f"{REFERENCE}:v0.1.0"
    assert not Path(calls()[0]["folder"]).exists()


def test_a_build_that_takes_too_long_is_stopped(
    tmp_path: Path, calls: Callable[[], list[dict[str, Any]]]
) -> None:
    docker = tmp_path / "programs" / "docker"
    docker.write_text('#!/bin/bash\n[ "$1" = login ] || exec sleep 60\n')
    with pytest.raises(BuildError, match="longer than 1 s and was stopped"):
        build(builder(), tmp_path, seconds=1)


def test_a_worker_without_docker_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="no docker command"):
        build(builder(), tmp_path)
