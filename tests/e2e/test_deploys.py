"""A release of a real application reaches a real host, end to end."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import httpx
import pytest

from benchmarks.load import together
from lab.lab import Lab
from lab.processes import wait_until
from tests.e2e.breaking import TOKEN, Broken
from tests.e2e.delivering import Answered, Delivering
from tests.e2e.searching import Search
from tests.e2e.telling import slack_listening
from tests.stack.files import JVM_FLAGS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

_SOURCE = "{github_url}/{repository}"
_CLONE = "/dockerProjects/tt-src/WEB7_9_B2ST_BE"

# Everything that the product ever put on a host but its images.
_EMPTY = """
docker ps --all --quiet --filter label=com.docker.compose.project=tt | xargs -r docker rm --force
for kind in volume network; do
    docker $kind ls --quiet --filter label=com.docker.compose.project=tt | xargs -r docker $kind rm
done
rm -rf /var/lib/tt-deploy/*
"""


@pytest.fixture(scope="module")
def delivering(delivering: Delivering) -> Delivering:
    """Every command in a Python of its own, as its users have it."""
    return Delivering(delivering.lab)


@pytest.fixture
def empty_host(delivering: Delivering) -> None:
    """A host where nothing was ever deployed, whatever ran in this lab before."""
    delivering.lab.exec("bash", "-ec", _EMPTY, timeout=600)


def test_a_first_deploy_brings_an_empty_host_to_a_healthy_release(
    delivering: Delivering, empty_host: None
) -> None:
    done = delivering.run("deploy", "--reason", "first of all", "--actor", "a test")

    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    assert done.answer["previous_version"] == ""
    info = httpx.get(f"{delivering.app_url}/actuator/info", timeout=30, trust_env=False).json()
    assert info["commit"] == done.answer["revision"]
    assert info["version"].removeprefix("v") == done.answer["version"]
    assert delivering.record()[-1]["image"].endswith(done.answer["digest"])
    assert _git_on_the_host(delivering, "rev-parse", "HEAD") == done.answer["revision"]
    (app,) = delivering.app_containers()
    user, *command = json.loads(
        delivering.lab.exec(
            "docker", "inspect", app, "--format",
            "[{{json .Config.User}}, {{json .Path}}{{range .Args}}, {{json .}}{{end}}]",
        )
    )  # fmt: skip
    assert (user, command) == ("spring", ["java", *JVM_FLAGS, "-jar", "/app/app.jar"])
    labels = json.loads(
        delivering.lab.exec("docker", "inspect", app, "--format", "{{json .Config.Labels}}")
    )
    annotations = {
        name.removeprefix("org.opencontainers.image."): text
        for name, text in labels.items()
        if name.startswith("org.opencontainers.image.")
    }
    committed = _git_on_the_host(delivering, "show", "--no-patch", "--format=%ct", "HEAD")
    assert datetime.fromisoformat(annotations.pop("created")).timestamp() == int(committed)
    assert annotations == {
        "title": "TT Backend",
        "revision": done.answer["revision"],
        "version": done.answer["version"],
        "source": _SOURCE.format(**delivering.lab.status),
    }
    assert _images_on_the_builder(delivering) == []


def _images_on_the_builder(delivering: Delivering) -> list[str]:
    """The application's images that the engine which builds them has kept."""
    name = delivering.record()[-1]["image"].partition("@")[0]
    engine = Lab.load(delivering.lab.home).engine()
    return engine.docker("image", "ls", "--quiet", name).split()


def _git_on_the_host(delivering: Delivering, *words: str) -> str:
    said = delivering.lab.exec("git", "-c", "safe.directory=*", "-C", _CLONE, *words)
    return said.strip()


def test_the_same_revision_again_mints_builds_and_restarts_nothing(delivering: Delivering) -> None:
    tags, containers = delivering.tags(), delivering.containers()

    done = delivering.run("deploy")

    assert (done.status, done.outcome) == (0, "UP_TO_DATE"), done.said
    assert delivering.tags() == tags
    assert delivering.containers() == containers
    assert "not built" in done.said


def test_a_second_release_takes_over_without_a_failed_request(delivering: Delivering) -> None:
    before, serving = delivering.containers(), delivering.serving()
    sha = delivering.commit("feat", message="tickets can be sorted")

    with delivering.under_load() as loads:
        done = delivering.run("deploy", "--revision", sha)

    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    assert done.answer["changed"] == ["app"]
    figures = together(loads)
    assert figures.failed == []
    assert any(answer.post for answer in figures.answers)
    assert set(figures.versions) == {serving, delivering.serving()}
    after = delivering.containers()
    assert {n: i for n, i in before.items() if "app" not in n} == {
        name: id_ for name, id_ in after.items() if "app" not in name
    }
    assert len(delivering.app_containers()) == 1


def test_a_script_that_fails_on_the_host_fails_the_deploy_with_the_hosts_words(
    delivering: Delivering,
) -> None:
    """A lock that is none of git's: nothing but `git reset` minds it, and nobody takes it away."""
    serving, containers = delivering.serving(), delivering.containers()
    record = delivering.record()
    sha = delivering.commit("fix", message="stands before a locked clone")
    lock = f"{_CLONE}/.git/index.lock"
    delivering.lab.exec("mkdir", lock)
    try:
        with slack_listening(delivering) as told:
            done = delivering.run("deploy", "--revision", sha, "--actor", "kim")
    finally:
        delivering.lab.exec("rmdir", lock)

    assert (done.status, done.outcome) == (1, "FAILED"), done.said
    failure = done.answer["failure"]
    assert failure["where"] == "TT-ec2-1"
    assert failure["message"].startswith("The step 'sync' failed on the host: git cannot check")
    assert f"fatal: Unable to create '{lock}': File exists" in failure["last_words"]
    assert failure["next_command"] == f"sudo git -C {_CLONE} reset --hard {sha}"
    assert done.answer["findings"][0]["cause"] == "command-failed", done.said
    message, change = told[-1], f"{serving.removeprefix('v')} → {done.answer['version']}"
    assert (message.facts["Outcome"], message.facts["By"]) == ("FAILED", "kim")
    assert message.facts["Version"] == change
    assert message.facts["Took"]
    assert "The step 'sync' failed on the host: git cannot check" in message.texts[0]
    assert message.texts[1].startswith("Next, type:")
    assert message.links.keys() == {"Run", "Release", "Dashboard"}
    assert delivering.serving() == serving
    assert delivering.containers() == containers
    assert delivering.record() == record


_ONCE_IN_EACH_STAGE = {
    "see": ("doppler", "error", "--match", "secrets/download", "--count", "1"),
    "release": ("github", "error", "--match", "POST .*/git/refs$", "--count", "1"),
    # containerd sends a request six times, boto3 four times: only then is the task tried again.
    "build": ("registry", "throttle", "--match", "PUT .*/manifests/v", "--count", "6"),
    "sync": ("ssm", "throttle", "--match", "deploy: sync .*SendCommand", "--count", "4"),
    "render": ("ssm", "throttle", "--match", "deploy: render .*SendCommand", "--count", "4"),
    "pull": ("ssm", "error", "--match", "deploy: pull .*SendCommand", "--count", "4"),
    "start": ("ssm", "error", "--match", "deploy: rollout .*SendCommand", "--count", "4"),
    "probe": ("ssm", "error", "--match", "deploy: probe_redis .*SendCommand", "--count", "4"),
    "record": ("ssm", "throttle", "--match", "deploy: record .*SendCommand", "--count", "4"),
    "prune": ("ssm", "error", "--match", "deploy: prune .*SendCommand", "--count", "4"),
    "list": ("ssm", "throttle", "--match", "deploy: ps .*SendCommand", "--count", "4"),
}
"""By the first word of the task's name: what its service does, as often as spends its patience."""


@dataclass(frozen=True)
class HardWon:
    """A deploy whose every stage failed once: how it ended, what did not strike, its reason."""

    done: Answered
    left: list[dict[str, object]]
    reason: str


@pytest.fixture(scope="module")
def hard_won(delivering: Delivering) -> HardWon:
    reason = f"reason-{uuid4().hex}"
    sha = delivering.commit("fix", message="survives a bad moment")
    services = {fault[0] for fault in _ONCE_IN_EACH_STAGE.values()}
    for fault in _ONCE_IN_EACH_STAGE.values():
        delivering.lab.command("fault", *fault)
    try:
        done = delivering.run("deploy", "--revision", sha, "--reason", reason)
        left = [fault for service in services for fault in _faults_of(delivering, service)]
    finally:
        for service in services:
            delivering.lab.command("fault", service, "clear")
    return HardWon(done, left, reason)


def test_each_stage_failing_once_is_tried_again_and_passes(
    delivering: Delivering, hard_won: HardWon
) -> None:
    done = hard_won.done

    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    assert hard_won.left == [], "not every fault struck as often as it was to"
    # The preflight on the host and the probes are not tried again: they look again by themselves.
    expected = _ONCE_IN_EACH_STAGE.keys() - {"see", "probe"}
    # Prefect's server writes a task down some seconds after it.
    wait_until(lambda: expected <= _tried_again(delivering, done), 90)
    assert expected <= _tried_again(delivering, done)


def _tried_again(delivering: Delivering, done: Answered) -> set[str]:
    """The first words of the names of the run's tasks that ran more than once."""
    run = done.answer["run_url"].rpartition("/")[2]
    wanted = {"flow_runs": {"id": {"any_": [run]}}, "limit": 200}
    api = delivering.lab.status["prefect_api_url"]
    tasks = httpx.post(f"{api}/task_runs/filter", json=wanted, timeout=30, trust_env=False).json()
    return {task["name"].split()[0] for task in tasks if task["run_count"] > 1}


def _faults_of(delivering: Delivering, service: str) -> list[dict[str, object]]:
    """The faults that the service still has."""
    status = delivering.lab.status
    url = {
        "github": status["github_url"],
        "doppler": status["doppler_url"],
        "registry": f"http://{status['registry']}",
        "ssm": status["aws_url"],
    }[service]
    board = httpx.get(f"{url}/_lab/fault", timeout=30, trust_env=False).raise_for_status()
    faults: list[dict[str, object]] = board.json()["faults"]
    return faults


def test_a_host_without_its_token_is_refused_before_anything_is_touched(
    delivering: Delivering,
) -> None:
    serving = delivering.serving()
    sha = delivering.commit("fix", message="will not arrive")
    delivering.lab.exec("mv", "/etc/tt-secrets/doppler-token", "/etc/tt-secrets/elsewhere")
    try:
        done = delivering.run("deploy", "--revision", sha)
    finally:
        delivering.lab.exec("mv", "/etc/tt-secrets/elsewhere", "/etc/tt-secrets/doppler-token")

    assert (done.status, done.outcome) == (1, "REFUSED"), done.said
    assert "/etc/tt-secrets/doppler-token does not exist" in done.answer["failure"]["message"]
    assert done.answer["failure"]["where"] == "TT-ec2-1"
    assert done.answer["failure"]["next_command"]
    assert delivering.serving() == serving


def test_a_dry_run_shows_the_plan_and_touches_nothing(delivering: Delivering) -> None:
    host = Broken(delivering.lab)
    tags, standing = delivering.tags(), host.standing()
    delivering.commit("feat", message="only looked at")

    done = delivering.run("deploy", "--dry-run")

    assert (done.status, done.outcome) == (0, "PLANNED"), done.said
    assert done.answer["version"]
    assert delivering.tags() == tags
    assert host.standing() == standing


def test_health_is_a_flow_of_its_own(delivering: Delivering) -> None:
    done = delivering.run("healthcheck")

    assert (done.status, done.outcome) == (0, "HEALTHY"), done.said
    assert {probe["name"] for probe in done.answer["probes"]} == {"actuator", "redis", "postgres"}


def test_no_secret_is_left_anywhere_but_in_the_token_file(
    delivering: Delivering, hard_won: HardWon
) -> None:
    """Of a deploy with whatever its services and the host said when they failed."""
    search = Search(delivering)
    secrets = search.secrets()
    assert len(secrets) >= 8
    assert hard_won.done.outcome == "DEPLOYED"

    kept = {
        "Prefect's database": (search.database(), hard_won.reason),
        "Prefect's API": (search.api(), hard_won.reason),
        "SSM's commands": (search.commands(), "#!/bin/bash"),
        "SSM's answers": (search.commands(), "TT_RESULT"),
        "the worker's and registration's logs": (search.logs(), "Worker"),
    }
    for where, (text, known) in kept.items():
        assert known in text, f"{where} are not seen"
        assert [secret[:4] for secret in secrets if secret in text] == [], where
    assert search.files_on_the_host(secrets) == {TOKEN}
