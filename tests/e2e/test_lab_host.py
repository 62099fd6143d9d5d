"""The "EC2 instance": its engine, its disk, what it reaches and what befalls it."""

import http.client
import subprocess
from collections.abc import Iterator

import pytest

from lab.instance import image_store
from lab.processes import wait_until
from tests.e2e.conftest import RunningLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]


@pytest.fixture(autouse=True)
def mended(lab: RunningLab) -> None:
    """Each test finds a host that runs and has no fault."""
    lab.command("fault", "host", "clear")


def test_the_exit_status_and_the_words_of_a_command_come_through(lab: RunningLab) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        lab.command("exec", "1", "--", "bash", "-c", "echo heard; echo not heard >&2; exit 7")

    assert failure.value.returncode == 7
    assert failure.value.stdout == "heard\n"
    assert "not heard" in str(failure.value.stderr)


def test_the_host_is_as_the_runbook_finds_it(lab: RunningLab) -> None:
    assert lab.exec("stat", "--format=%a %U", "/etc/tt-secrets/doppler-token") == "400 root\n"
    assert lab.exec("git", "-C", "/dockerProjects/tt-src/WEB7_9_B2ST_BE", "branch",
                    "--show-current") == "develop\n"  # fmt: skip
    assert "docker-compose.yml" in lab.exec("ls", "/dockerProjects/tt-src/WEB7_9_B2ST_BE/docker")
    for program in ("envsubst", "flock", "setsid", "jq", "curl", "doppler", "docker"):
        assert lab.exec("which", program).strip(), program


def test_the_host_keeps_images_in_the_store_that_was_asked_for(lab: RunningLab) -> None:
    driver = lab.exec("docker", "info", "--format", "{{.Driver}}").strip()
    assert driver == {"overlay2": "overlay2", "containerd": "overlayfs"}[image_store()]


def test_public_images_come_through_the_mirror_without_the_internet(lab: RunningLab) -> None:
    lab.exec("docker", "pull", "--quiet", "redis:7-alpine")

    said = lab.exec("docker", "run", "--rm", "redis:7-alpine", "redis-server", "--version")
    assert said.startswith("Redis server v=7")


@pytest.fixture
def free_port_8080(lab: RunningLab) -> Iterator[None]:
    """The application's port on the host, given back to the stack if that is up."""
    holders = lab.exec("docker", "ps", "--quiet", "--filter", "publish=8080").split()
    for holder in holders:
        lab.exec("docker", "stop", holder)
    yield
    for holder in holders:
        lab.exec("docker", "start", holder)


def test_what_a_container_publishes_on_the_host_answers_on_this_machine(
    lab: RunningLab, free_port_8080: None
) -> None:
    port = int(str(lab.status["app_url"]).rpartition(":")[2])
    lab.exec("docker", "run", "--detach", "--rm", "--name=page", "--publish=8080:3000",
             "grafana/grafana:12.3.0")  # fmt: skip

    def answers() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    try:
        assert wait_until(answers, 60)
    finally:
        lab.exec("docker", "rm", "--force", "page")


def test_the_outside_world_is_out_of_reach_at_once(lab: RunningLab) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        lab.exec("curl", "--silent", "--show-error", "http://192.0.2.1/", timeout=60)

    assert failure.value.returncode == 7  # could not connect


def test_a_name_that_nobody_has_is_refused_at_once_without_a_resolver_of_the_world(
    lab: RunningLab,
) -> None:
    lines = lab.exec("cat", "/etc/resolv.conf").splitlines()
    asked = [line for line in lines if line.startswith("nameserver")]
    assert asked == ["nameserver 127.0.0.1"]

    lab.exec("docker", "network", "create", "of-its-own")
    try:
        inside = ["docker", "run", "--rm", "--network=of-its-own", "redis:7-alpine"]
        command = ["timeout", "3", "getent", "hosts", "a-container-that-is-gone"]
        with pytest.raises(subprocess.CalledProcessError) as failure:
            lab.exec(*inside, *command)
    finally:
        lab.exec("docker", "network", "rm", "of-its-own")
    assert failure.value.returncode == 2  # getent's word for a name that it did not find


def test_a_reboot_keeps_the_disk_and_brings_the_containers_back(lab: RunningLab) -> None:
    lab.exec("docker", "run", "--detach", "--name=always", "--restart=always",
             "--volume=kept:/data", "redis:7-alpine")  # fmt: skip
    lab.exec("docker", "exec", "always", "touch", "/data/written")
    boot = lab.exec("stat", "--format=%Y", "/run/tt-lab/booted")

    lab.command("fault", "host", "reboot")

    assert lab.exec("stat", "--format=%Y", "/run/tt-lab/booted") != boot
    running = ("docker", "inspect", "--format", "{{.State.Running}}", "always")
    assert wait_until(lambda: lab.exec(*running) == "true\n", 60)
    assert "written" in lab.exec("docker", "exec", "always", "ls", "/data")
    lab.exec("docker", "rm", "--force", "--volumes", "always")
    lab.exec("docker", "volume", "rm", "kept")


def test_a_stopped_host_says_so_and_starts_again(lab: RunningLab) -> None:
    lab.command("fault", "host", "stop")

    with pytest.raises(subprocess.CalledProcessError) as refusal:
        lab.command("exec", "1", "--", "true")
    assert "exited" in str(refusal.value.stderr)
    lab.command("fault", "host", "start")
    assert lab.exec("hostname") == "TT-ec2-1\n"


def test_a_full_disk_is_full_for_the_engine_too_and_only_in_there(lab: RunningLab) -> None:
    lab.command("fault", "host", "fill-disk")

    with pytest.raises(subprocess.CalledProcessError) as failure:
        lab.exec("dd", "if=/dev/zero", "of=/var/lib/docker/more", "bs=1M", "count=1")
    assert "No space left" in str(failure.value.stderr)
    assert (lab.home / "hosts" / "TT-ec2-1" / "disk.img").stat().st_blocks * 512 < 4 * 2**30
    lab.command("fault", "host", "clear")
    lab.exec("dd", "if=/dev/zero", "of=/var/lib/docker/more", "bs=1M", "count=1")


def test_a_killed_agent_stays_away_for_as_long_as_it_was_told_to(lab: RunningLab) -> None:
    def runs() -> bool:
        return lab.exec("bash", "-c", "pgrep -f '^python3.*ssm_agent' || true").strip() != ""

    assert runs()
    lab.command("fault", "host", "kill-agent", "--for", "20")

    assert not runs()
    assert wait_until(runs, 120)
