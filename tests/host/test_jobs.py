"""host/jobs.sh, await.sh, observe.sh: a rollout whose worker died is seen, and waited for."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from delivery.host_script import compose_script
from tests.host.running import HOST, Machine, Ran

JOB = "rollout-1-v1-0-9"


@contextmanager
def under_way(machine: Machine, *, seconds: float) -> Iterator[None]:
    """A job that runs for so long, as detached.sh starts one."""
    jobs = machine.memory / "jobs"
    jobs.mkdir(parents=True)
    script = jobs / f"{JOB}.sh"
    script.write_text(f"sleep {seconds}\n: > {jobs / JOB}.out\n")
    process = subprocess.Popen(["bash", str(script)])
    (jobs / f"{JOB}.pid").write_text(f"{process.pid}\n")
    try:
        yield
    finally:
        process.kill()
        process.wait()


def awaited(machine: Machine, *, seconds: int) -> Ran:
    return machine.run_file("await", TT_WAIT_SECONDS=str(seconds))


def test_where_nothing_is_under_way_nothing_is_waited_for(machine: Machine) -> None:
    assert awaited(machine, seconds=5).result["waited_for"] == ""


def test_the_end_of_a_job_is_waited_for(machine: Machine) -> None:
    with under_way(machine, seconds=8):
        ran = awaited(machine, seconds=50)
    assert ran.result["waited_for"] == JOB
    assert ran.result["seconds"] >= 1


def test_the_wait_is_bounded(machine: Machine) -> None:
    with under_way(machine, seconds=60):
        ran = awaited(machine, seconds=1)
    assert ran.result["failed"] == f"the rollout {JOB} is still under way after 1 s"


@pytest.mark.parametrize("finished", [False, True])
def test_a_job_that_was_killed_or_only_keeps_the_old_one_warm_is_not_under_way(
    machine: Machine, finished: bool
) -> None:
    with under_way(machine, seconds=60):
        if finished:
            (machine.memory / "jobs" / f"{JOB}.out").touch()
            assert awaited(machine, seconds=1).result["waited_for"] == ""
    assert awaited(machine, seconds=1).result["waited_for"] == ""


def test_a_host_that_is_looked_at_names_the_job(machine: Machine) -> None:
    machine.program("docker", '[ "$1" = version ] && echo "Docker 28"; exit 0')
    inputs = {"TT_CLONE": str(machine.root), "TT_PROJECT": "tt", "TT_APP_SERVICE": "app"}
    with under_way(machine, seconds=60):
        assert machine.run_file("observe", **inputs).result["under_way"] == JOB


def detached(machine: Machine, body: str) -> Path:
    """A script whose ``body`` is a job of its own, as a deploy sends it."""
    names = ("lib", "jobs", "detached")
    parts = [(HOST / f"{name}.sh").read_text() for name in names]
    begin = f"open_log; run_detached {JOB}; open_job_output"
    script = machine.root / "command.sh"
    script.write_text(compose_script([*parts, begin, body], {"TT_STEP": "rollout"}))
    return script


def commanded(machine: Machine, script: Path) -> str:
    """What the command prints when it has waited for the job."""
    done = subprocess.run(
        ["bash", str(script)],
        env=machine.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


def test_a_job_outlives_the_whole_group_of_the_command_that_waits_for_it(machine: Machine) -> None:
    """The agent kills that group without traps; a second command finds the job and its answer."""
    runs = machine.root / "runs"
    script = detached(machine, f'echo run >>{runs}; sleep 2; succeed \'"told":"once"\'')
    killed = subprocess.Popen(
        ["bash", str(script)],
        env=machine.environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not runs.exists():
        assert killed.poll() is None
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait(timeout=30)
    said = commanded(machine, script)
    assert '"ok":true' in said.splitlines()[-1]
    assert '"told":"once"' in said
    assert runs.read_text() == "run\n"


def test_what_failed_for_now_is_tried_again_and_what_ended_well_is_told_again(
    machine: Machine,
) -> None:
    runs = machine.root / "runs"
    fails_once = f'echo run >>{runs}; [ "$(wc -l <{runs})" = 2 ] || fail_for_now "held"; succeed'
    script = detached(machine, fails_once)
    said = [commanded(machine, script) for _ in range(3)]
    assert '"transient":true' in said[0]
    assert ['"ok":true' in each for each in said] == [False, True, True]
    assert runs.read_text() == "run\nrun\n"
