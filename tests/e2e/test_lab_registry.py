"""The registry: real, with a password, under one name for everybody, and able to fail."""

import json
import subprocess

import pytest

from lab.asking import ask
from lab.lab import Lab
from tests.e2e.conftest import RunningLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]


def docker(lab: RunningLab, *arguments: str, stdin: str = "") -> str:
    """What docker printed on the lab's engine; raises CalledProcessError if it failed."""
    env = {**lab.env, "DOCKER_HOST": lab.status["docker_host"],
           "DOCKER_CONFIG": str(lab.home / "docker-of-the-tests")}  # fmt: skip
    done = subprocess.run(
        ["docker", *arguments],
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout.strip()


@pytest.fixture
def pushed(lab: RunningLab) -> str:
    """An image in the registry, by the name that the builder and the host share."""
    image = f"{lab.status['registry']}/tt-lab/probe:1"
    docker(lab, "login", "--username", lab.env["TT_REGISTRY_USERNAME"], "--password-stdin",
           lab.status["registry"], stdin=lab.env["TT_REGISTRY_PASSWORD"])  # fmt: skip
    docker(lab, "tag", "eclipse-temurin:21-jre-alpine", image)
    docker(lab, "push", "--quiet", image)
    return image


def test_without_the_password_nothing_is_pushed_or_pulled(lab: RunningLab, pushed: str) -> None:
    docker(lab, "logout", lab.status["registry"])
    docker(lab, "rmi", pushed)

    with pytest.raises(subprocess.CalledProcessError) as refusal:
        docker(lab, "pull", pushed)

    assert "no basic auth credentials" in str(refusal.value.stderr)


def test_the_host_pulls_the_very_digest_that_was_pushed(lab: RunningLab, pushed: str) -> None:
    known = json.loads(docker(lab, "image", "inspect", "--format", "{{json .RepoDigests}}", pushed))
    registry, user = lab.status["registry"], lab.env["TT_REGISTRY_USERNAME"]
    name = next(digest for digest in known if digest.startswith(registry))
    login = f"docker login --username {user} --password-stdin {registry}"
    script = f"{login} && docker pull --quiet {name} && docker logout {registry}"
    host = ("exec", "--interactive", lab.status["hosts"][0]["container"])

    docker(lab, *host, "bash", "-ec", script, stdin=lab.env["TT_REGISTRY_PASSWORD"])

    assert name.rpartition("@")[2] in lab.exec("docker", "images", "--digests")


def test_a_registry_that_throttles_once_is_asked_again(lab: RunningLab, pushed: str) -> None:
    lab.command("fault", "registry", "throttle", "--count", "1")

    docker(lab, "push", "--quiet", pushed)

    # It was met, and so is over.
    assert ask(Lab.load(lab.home).settings, "registry", "fault") == {"faults": []}


def test_a_registry_that_is_down_fails_the_push_until_it_is_mended(
    lab: RunningLab, pushed: str
) -> None:
    lab.command("fault", "registry", "error")
    try:
        with pytest.raises(subprocess.CalledProcessError):
            docker(lab, "push", "--quiet", pushed)
    finally:
        lab.command("fault", "registry", "clear")

    docker(lab, "push", "--quiet", pushed)
