import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.processes import MARK, Process, Processes, marked_processes, wait_until

LAB = "tt-lab-of-a-test"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    lab = f"{LAB}-{os.getpid()}"
    made = Processes(lab, tmp_path / "run", tmp_path / "logs")
    yield made
    for name in made.names():
        made.stop(name, grace_seconds=1)
    made.kill_strays()


def test_a_started_process_is_found_again_by_another_command(
    processes: Processes, tmp_path: Path
) -> None:
    started = processes.start("sleeper", ["sleep", "60"])

    again = Processes(LAB, tmp_path / "run", tmp_path / "logs")

    assert again.find("sleeper") == started


def test_starting_twice_starts_once(processes: Processes) -> None:
    first = processes.start("sleeper", ["sleep", "60"])

    assert processes.start("sleeper", ["sleep", "60"]) == first


def test_it_does_not_die_with_the_session_of_whoever_started_it(processes: Processes) -> None:
    process = processes.start("sleeper", ["sleep", "60"])

    assert os.getsid(process.pid) == process.pid


def test_a_pid_that_somebody_else_got_meanwhile_is_left_alone(
    processes: Processes, tmp_path: Path
) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    record = {"pid": bystander.pid, "started": 1}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.process").write_text(json.dumps(record))

    processes.stop("old")

    assert bystander.poll() is None
    assert processes.names() == []
    bystander.kill()
    bystander.wait()


def test_one_that_ignores_sigterm_is_killed_with_its_children(processes: Processes) -> None:
    stubborn = "trap '' TERM; sleep 60 & echo $!; wait; wait"
    process = processes.start("stubborn", ["bash", "-c", stubborn])
    assert wait_until(lambda: processes.log("stubborn").read_text().strip() != "", 30)
    child = Process.of(int(processes.log("stubborn").read_text()))

    processes.stop("stubborn", grace_seconds=0.3)

    assert not process.is_alive()
    assert child is not None
    assert wait_until(lambda: not child.is_alive(), 30)


def test_children_that_outlive_a_killed_parent_are_strays_and_found(processes: Processes) -> None:
    parent = processes.start("parent", ["bash", "-c", "setsid sleep 60 & sleep 60"])
    assert wait_until(lambda: len(list(marked_processes(f"{LAB}-{os.getpid()}"))) >= 3, 30)
    os.kill(parent.pid, signal.SIGKILL)

    killed = processes.kill_strays()

    assert killed
    assert not list(marked_processes(f"{LAB}-{os.getpid()}"))


def test_somebody_elses_processes_are_no_strays(processes: Processes) -> None:
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: "tt-lab-another"})

    processes.kill_strays()

    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_process_that_dies_while_starting_is_reported_with_its_last_words(
    processes: Processes,
) -> None:
    # It may be over before it is even looked at.
    with pytest.raises(LabError, match="no configuration"):  # noqa: PT012
        processes.start("broken", [sys.executable, "-c", "raise SystemExit('no configuration')"])
        processes.wait_ready("broken", lambda: False, deadline_seconds=10)


def test_waiting_for_a_slow_process_ends_at_the_deadline(processes: Processes) -> None:
    processes.start("slow", ["sleep", "60"])
    started = time.monotonic()

    with pytest.raises(LabError, match=r"not ready after 0\.2 s"):
        processes.wait_ready("slow", lambda: False, deadline_seconds=0.2)

    assert time.monotonic() - started < 40


def test_the_dead_and_the_reaped_are_not_alive() -> None:
    child = subprocess.Popen(["sleep", "60"])
    process = Process.of(child.pid)
    assert process is not None
    assert process.is_alive()

    child.kill()
    assert wait_until(lambda: not process.is_alive(), 30)  # a zombie until it is waited for
    child.wait()

    assert Process.of(child.pid) is None
