"""Trials on one host: deploys in a row, and a worker that dies at moments spread over one."""

import time
from collections.abc import Iterator

from benchmarks.endurance.rows import Row
from benchmarks.load import together
from tools.driving import Delivering

_GOOD = ("DEPLOYED", "UP_TO_DATE")


def in_a_row(delivering: Delivering, *, times: int) -> Iterator[Row]:
    """So many new releases, one after the other, each under load."""
    for number in range(1, times + 1):
        sha = delivering.commit("fix", message=f"fix: number {number} in a row")
        yield _under_load(delivering, f"deploy {number}", sha)


def killed(delivering: Delivering, *, times: int) -> Iterator[Row]:
    """The worker is killed at moments spread over a deploy; then the same deploy again."""
    whole = _seconds_of_a_deploy(delivering)
    for number in range(times):
        moment = whole * (number + 0.5) / times
        sha = delivering.commit("fix", message=f"fix: killed after {moment:.1f} s")
        yield _under_load(delivering, f"killed after {moment:.1f} s", sha, kill_after=moment)


def _seconds_of_a_deploy(delivering: Delivering) -> float:
    sha = delivering.commit("fix", message="fix: how long a deploy takes")
    began = time.monotonic()
    delivering.run("deploy", "--revision", sha)
    return time.monotonic() - began


def _under_load(
    delivering: Delivering, trial: str, sha: str, *, kill_after: float | None = None
) -> Row:
    began = time.monotonic()
    with delivering.under_load() as loads:
        if kill_after is not None:
            worker = delivering.start("deploy", "--revision", sha)
            time.sleep(kill_after)
            delivering.kill(worker)
        done = delivering.run("deploy", "--revision", sha)
    wrong = [] if done.outcome in _GOOD else [done.said[-300:].replace("\n", " ")]
    seconds = time.monotonic() - began
    wrong += list(left_wrong(delivering, sha))
    return Row.of(trial, done.outcome, together(loads), seconds=seconds, wrong=wrong)


def left_wrong(delivering: Delivering, sha: str) -> Iterator[str]:
    """What a deploy of ``sha`` left on the host that should not be so."""
    if (containers := delivering.app_containers()) and len(containers) != 1:
        yield f"containers left: {', '.join(containers)}"
    if delivering.record()[-1]["revision"] != sha:
        yield "the host's record does not end with this release"
    lab, host = delivering.lab, delivering.host
    if lab.exec(
        "bash", "-c", "ls -d /run/tt-deploy/docker-config.* 2>/dev/null || true", host=host
    ):
        yield "a registry login was left"
    if "free" not in lab.exec(
        "bash", "-c", "flock --nonblock /run/tt-deploy/lock echo free || echo held", host=host
    ):
        yield "the host's lock is held"
