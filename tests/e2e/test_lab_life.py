"""A lab comes up, comes up again, loses parts, and goes without a trace."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.processes import Process, marked_processes, wait_until
from lab.settings import lab_name
from tests.e2e.conftest import RunningLab, lab_command

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]


@pytest.fixture
def own_home(lab_home: Path) -> Iterator[Path]:
    """A home for a lab that a test takes down itself."""
    home = lab_home.with_name(f"{lab_home.name}-life")
    lab_command(home, "down")
    yield home
    lab_command(home, "down")


def traces_of(home: Path) -> list[str]:
    """Whatever on this machine still bears the name of the lab in this home."""
    name = lab_name(home)
    found = [f"process {process.pid}" for process in marked_processes(name)]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{name}")]
    found += [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines()
              if str(home) in line]  # fmt: skip
    found += [f"interface {path.name}" for path in Path("/sys/class/net").iterdir()
              if path.name == name.replace("tt-lab-", "ttlab")]  # fmt: skip
    backing = Path("/sys/block").glob("loop*/loop/backing_file")
    found += [f"loop {file}" for file in backing if str(home) in file.read_text()]
    return found + ([str(home)] if home.exists() else [])


def test_coming_up_again_changes_nothing(lab: RunningLab) -> None:
    before = lab.exec("docker", "info", "--format", "{{.ID}}")
    settings = (lab.home / "lab.json").read_text()
    records = sorted((f.name, f.read_text()) for f in (lab.home / "run").glob("*.process"))

    said = lab.command("up", "--bare")

    assert "nothing to build" in said
    assert lab.exec("docker", "info", "--format", "{{.ID}}") == before
    assert (lab.home / "lab.json").read_text() == settings
    now = sorted((f.name, f.read_text()) for f in (lab.home / "run").glob("*.process"))
    assert now == records


def test_a_killed_service_comes_back_with_what_it_knew(lab: RunningLab) -> None:
    record = json.loads((lab.home / "run" / "aws.process").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    assert wait_until(lambda: not Process(**record).is_alive(), 60)

    lab.command("up", "--bare")

    status = json.loads(lab.command("status", "--json"))
    assert status["services"]["aws"] == "up"
    assert status["hosts"][0]["instance_id"] == lab.status["hosts"][0]["instance_id"]


def test_after_down_nothing_is_left(own_home: Path) -> None:
    lab_command(own_home, "up", "--bare")
    assert traces_of(own_home)

    said = lab_command(own_home, "down")

    assert "nothing is left" in said
    assert wait_until(lambda: not traces_of(own_home), 60), traces_of(own_home)


def test_down_removes_even_what_was_killed(own_home: Path) -> None:
    lab_command(own_home, "up", "--bare")
    for process in marked_processes(lab_name(own_home)):
        process.signal(signal.SIGKILL)

    lab_command(own_home, "down")

    assert wait_until(lambda: not traces_of(own_home), 60), traces_of(own_home)


def test_up_mends_a_lab_whose_every_process_was_killed(own_home: Path) -> None:
    lab_command(own_home, "up", "--bare")
    lab_command(own_home, "exec", "1", "--", "touch", "/dockerProjects/kept")
    for process in marked_processes(lab_name(own_home)):
        process.signal(signal.SIGKILL)

    lab_command(own_home, "up", "--bare")

    assert lab_command(own_home, "exec", "1", "--", "ls", "/dockerProjects").split() == [
        "kept",
        "tt-src",
    ]


def test_down_without_a_lab_is_no_error(own_home: Path) -> None:
    assert "No lab" in lab_command(own_home, "down")


def test_a_directory_with_other_things_in_it_is_never_taken_for_a_lab(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(subprocess.CalledProcessError) as refusal:
        lab_command(tmp_path, "up", "--bare")
    lab_command(tmp_path, "down")

    assert "not empty" in str(refusal.value.stderr)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_on_an_engine_of_others_a_lab_touches_only_what_is_its_own(
    lab: RunningLab, own_home: Path
) -> None:
    theirs = lab.exec("docker", "info", "--format", "{{.ID}}")
    shared = {"DOCKER_HOST": str(lab.status["docker_host"]), "TT_LAB_ENGINE": ""}

    lab_command(own_home, "up", "--bare", "--hosts", "2", environment=shared)
    status = json.loads(lab_command(own_home, "status", "--json"))
    lab_command(own_home, "down")

    assert status["docker_host"] == lab.status["docker_host"]
    assert [host["state"] for host in status["hosts"]] == ["running", "running"]
    assert lab.exec("docker", "info", "--format", "{{.ID}}") == theirs
    assert "nothing to build" in lab.command("up", "--bare")
    assert wait_until(lambda: not traces_of(own_home), 60), traces_of(own_home)
