"""Trials on three hosts: a canary, then the others; and a release that the canary refuses."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import yaml

from benchmarks.endurance.one_host import left_wrong
from benchmarks.endurance.rows import Row
from benchmarks.load import Load, together
from tools.driving import ROOT, Answered, Delivering, DrivenLab

HOSTS = 3
_ENVIRONMENT = "fleet"
_LAB_FILE = ROOT / "deployments" / "environments" / "lab.yaml"
_REGISTERING_SECONDS = 300
_PER_SECOND = 10


def fleet(lab: DrivenLab) -> Iterator[Row]:
    """A release for the whole fleet, a second over it, and one that never gets healthy."""
    lab.command("up", "--hosts", str(HOSTS))
    _register(lab)
    hosts = _hosts(DrivenLab.at(lab.home))
    yield _deploy(hosts, "first release to three hosts, two of them empty", loaded=False)
    yield _deploy(hosts, "second release, canary first")
    yield _refused_by_the_canary(hosts)


def _register(lab: DrivenLab) -> None:
    """The lab's environment once more, for all its hosts: they carry the tag Fleet=tt."""
    said = yaml.safe_load(_LAB_FILE.read_text(encoding="utf-8"))
    said |= {"tag_key": "Fleet", "tag_value": "tt", "expected_hosts": HOSTS}
    said["rollout"] |= {"canary_hosts": 1, "wave_size": HOSTS - 1}
    # Three stacks start at once on one small machine.
    said["rollout"]["gate_seconds"] = 240
    said["health"]["deadline_seconds"] = 240
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{_ENVIRONMENT}.yaml"
        file.write_text(yaml.safe_dump(said), encoding="utf-8")
        subprocess.run(
            [sys.executable, "-m", "deployments.register", _ENVIRONMENT, "--file", str(file)],
            cwd=ROOT,
            env=dict(lab.env),
            check=True,
            timeout=_REGISTERING_SECONDS,
        )


def _hosts(lab: DrivenLab) -> list[Delivering]:
    return [
        Delivering(lab, environment=_ENVIRONMENT, host=host["name"], app_url=host["app_url"])
        for host in lab.status["hosts"]
    ]


def _deploy(hosts: list[Delivering], trial: str, *, loaded: bool = True) -> Row:
    sha = hosts[0].commit("fix", message=f"fix: {trial}")
    done, loads, seconds = _run(hosts, sha, loaded=loaded)
    wrong = [] if done.outcome == "DEPLOYED" else [done.said[-300:].replace("\n", " ")]
    for host in hosts:
        wrong += [f"{host.host}: {each}" for each in left_wrong(host, sha)]
    return Row.of(trial, done.outcome, together(loads), seconds=seconds, wrong=wrong)


def _refused_by_the_canary(hosts: list[Delivering]) -> Row:
    before = [(host.serving(), host.containers()) for host in hosts]
    sha = hosts[0].commit("fix", behaviour="never-healthy", message="fix: it never gets healthy")
    done, loads, seconds = _run(hosts, sha, loaded=True)
    hosts[0].commit("fix", behaviour="healthy", message="fix: mended")
    wrong = [] if done.outcome == "ROLLED_BACK" else [f"not rolled back: {done.outcome}"]
    if [host.serving() for host in hosts] != [version for version, _ in before]:
        wrong.append("not every host serves what it served")
    if any(host.containers() != was for host, (_, was) in zip(hosts[1:], before[1:], strict=True)):
        wrong.append("a host behind the canary was touched")
    return Row.of(
        "a release that the canary refuses",
        done.outcome,
        together(loads),
        seconds=seconds,
        wrong=wrong,
    )


def _run(hosts: list[Delivering], sha: str, *, loaded: bool) -> tuple[Answered, list[Load], float]:
    asked = hosts if loaded else []
    loads = [Load(f"{host.app_url}/api/tickets", per_second=_PER_SECOND) for host in asked]
    with ExitStack() as running:
        for load in loads:
            running.enter_context(load)
        began = time.monotonic()
        done = hosts[0].run("deploy", "--revision", sha)
        return done, loads, time.monotonic() - began
