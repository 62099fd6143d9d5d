"""Our own time in a deploy: the whole run, less its host scripts run bare in the same lab.

The deploy has nothing to build and nothing to replace, so what is left is ours: Prefect, SSM's
way to the host and back, GitHub, the registry. The scripts are then run again just as SSM was
asked to run them, straight on the host; they look before they act, so this changes nothing.
"""

import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tools.running_lab import RunningLab, ask, running_lab

_DEPLOY_SECONDS = 900
_SCRIPT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class HostScript:
    """One script that SSM was asked to run on one host."""

    step: str
    text: str
    host: str
    requested_at: float

    @property
    def turn(self) -> str:
        """Scripts of one turn run side by side: the probes do, the others follow each other."""
        return "probes" if self.step.startswith("probe_") else f"{self.step} {self.requested_at}"


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one deploy, in seconds."""

    whole_seconds: float
    bare_seconds: float
    steps: tuple[tuple[str, float], ...]

    @property
    def own_seconds(self) -> float:
        """What the deploy took beyond its host scripts."""
        return self.whole_seconds - self.bare_seconds

    def as_text(self) -> str:
        """A table for a person."""
        rows = [
            *self.steps,
            ("all scripts, bare", self.bare_seconds),
            ("the deploy, as CI sees it", self.whole_seconds),
            ("our own", self.own_seconds),
        ]
        return "\n".join(f"{seconds:8.1f} s  {name}" for name, seconds in rows)


def measure() -> Measured:
    """Deploy what already runs, then run the same scripts bare."""
    lab = running_lab()
    deploy(lab)  # this one may have something to build
    began = time.time()
    whole = deploy(lab)
    turns = list(in_turn(history(lab, since=began)))
    steps: list[tuple[str, float]] = []
    bare = 0.0
    for turn in turns:
        with ThreadPoolExecutor(len(turn)) as side_by_side:
            seconds = list(side_by_side.map(run_bare, turn))
        bare += max(seconds)
        steps += zip((script.step for script in turn), seconds, strict=True)
    return Measured(whole, bare, tuple(steps))


def deploy(lab: RunningLab) -> float:
    """One deploy as a CI starts it; its seconds. Raises CalledProcessError if it failed."""
    started = time.monotonic()
    subprocess.run(
        ["prefect", "deployment", "run", "deploy/lab", "--watch"],
        env=lab.environment,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=_DEPLOY_SECONDS,
    )
    return time.monotonic() - started


def history(lab: RunningLab, *, since: float) -> list[HostScript]:
    """What SSM was asked to run since then (seconds since the epoch), oldest first."""
    scripts = [
        HostScript(
            step=command["Comment"].removeprefix("tt-deploy: "),
            text=once_more("\n".join(command["Parameters"]["commands"]) + "\n"),
            host=lab.hosts[instance],
            requested_at=command["RequestedDateTime"],
        )
        for command in json.loads(ask("ssm", "history", "--json"))["commands"]
        for instance in command["InstanceIds"]
        if command["RequestedDateTime"] >= since
    ]
    return sorted(scripts, key=lambda script: script.requested_at)


def once_more(script: str) -> str:
    """The script under another attempt: a rollout answers the same one from its receipt."""
    return re.sub(r"^(export TT_ATTEMPT=.*)$", rf"\1-bare-{time.time_ns()}", script, flags=re.M)


def in_turn(scripts: Iterable[HostScript]) -> Iterator[list[HostScript]]:
    """The scripts in the groups that the flow runs side by side."""
    for _, turn in itertools.groupby(scripts, key=lambda script: script.turn):
        yield list(turn)


def run_bare(script: HostScript) -> float:
    """Run a script straight on its host; its own seconds, without the way there and back."""
    # Written first, so that the way there is not measured; timed by the host's own clock.
    path = f"/run/bare-{script.step}.sh"
    timed = f"s=$EPOCHREALTIME; bash {path} >/dev/null; echo $s $EPOCHREALTIME $?; rm {path}"
    _on_host(script.host, f"cat >{path}", script.text)
    began, ended, status = _on_host(script.host, timed, "").split()
    if status != "0":
        raise RuntimeError(f"the step {script.step} failed when run bare: status {status}")
    return float(ended) - float(began)


def _on_host(host: str, command: str, standard_input: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "exec", host, "--", "bash", "-c", command],
        input=standard_input,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=_SCRIPT_SECONDS,
    )
    return done.stdout
