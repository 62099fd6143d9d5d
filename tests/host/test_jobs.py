"""host/jobs.sh, await.sh, observe.sh: a rollout whose worker died is seen, and waited for."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.host.running import Machine, Ran

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
