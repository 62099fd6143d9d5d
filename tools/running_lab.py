"""The lab that is up, and what its Prefect server knows: read only through their own doors."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

_ASKING_SECONDS = 30


@dataclass(frozen=True, slots=True)
class RunningLab:
    """Where things are, and the environment that a command needs to reach them."""

    app_url: str
    prefect_ui_url: str
    prefect_api_url: str
    releases_url: str
    hosts: Mapping[str, str]
    """Instance ids, and the names that ``python -m lab exec`` takes."""
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One artifact of a run, as Prefect keeps it."""

    id: str
    key: str
    kind: str
    text: str


def running_lab() -> RunningLab:
    """The lab that is up; raises CalledProcessError, with what it said, if none is."""
    status = json.loads(ask("status", "--json"))
    return RunningLab(
        app_url=status["app_url"],
        prefect_ui_url=status["prefect_ui_url"].rstrip("/"),
        prefect_api_url=status["prefect_api_url"].rstrip("/"),
        releases_url=f"{status['github_url']}/repos/{status['repository']}/releases",
        hosts={host["instance_id"]: host["name"] for host in status["hosts"]},
        environment={**os.environ, **exports_in(ask("env"))},
    )


def exports_in(script: str) -> dict[str, str]:
    """The variables that a script of ``export NAME=VALUE`` lines sets; ``$PATH`` is filled in."""
    pairs = (word.partition("=") for word in shlex.split(script) if "=" in word)
    return {name: value.replace("$PATH", os.environ["PATH"]) for name, _, value in pairs}


def latest_run(api_url: str, flow: str) -> str:
    """The id of the flow's newest run that was started; raises LookupError if there is none."""
    runs = _post(
        f"{api_url}/flow_runs/filter",
        {
            "flows": {"name": {"any_": [flow]}},
            "flow_runs": {"start_time": {"is_null_": False}},
            "sort": "START_TIME_DESC",
            "limit": 1,
        },
    )
    if not runs:
        raise LookupError(f"the flow '{flow}' has not run yet; start it with `make demo`")
    return str(runs[0]["id"])


def artifacts_of(api_url: str, run_id: str) -> list[Artifact]:
    """The artifacts of one run, oldest first."""
    found = _post(f"{api_url}/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}}})
    return [
        Artifact(id=each["id"], key=each["key"] or "", kind=each["type"], text=each["data"] or "")
        for each in sorted(found, key=lambda each: str(each["created"]))
    ]


def report_of(api_url: str, run_id: str, environment: str = "lab") -> Artifact:
    """The run's report; raises LookupError if it left none."""
    reports = [
        each for each in artifacts_of(api_url, run_id) if each.key == f"deploy-{environment}"
    ]
    if not reports:
        raise LookupError(f"the run {run_id or 'that should have started'} left no report")
    return reports[-1]


def ask(*question: str) -> str:
    """What ``python -m lab QUESTION`` answers; raises CalledProcessError if it cannot."""
    answer = subprocess.run(
        [sys.executable, "-m", "lab", *question],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=_ASKING_SECONDS,
    )
    return answer.stdout


def _post(url: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    response = httpx.post(url, json=body, timeout=_ASKING_SECONDS)
    response.raise_for_status()
    rows: list[dict[str, Any]] = response.json()
    return rows
