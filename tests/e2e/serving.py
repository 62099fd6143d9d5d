"""The lab's Prefect server and its workers, as an operator and as a power cut see them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lab.processes import Process
from tests.e2e.conftest import ROOT, RunningLab

PATIENCE_SECONDS = 300
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}


@dataclass(frozen=True, slots=True)
class Executing:
    """The process that executes a run, and the worker that started it."""

    process: Process
    worker: Process
    worker_name: str


class Serving:
    """Runs of ``deploy/lab``, and whatever carries them out."""

    def __init__(self, lab: RunningLab) -> None:
        self.lab = lab
        self._api = httpx.Client(
            base_url=lab.env["PREFECT_API_URL"] + "/", timeout=30, trust_env=False
        )

    def trigger(self, *parameters: str) -> "subprocess.Popen[str]":
        """``prefect deployment run deploy/lab``, not waited for."""
        options = [word for each in parameters for word in ("--param", each)]
        return subprocess.Popen(
            [
                Path(sys.executable).with_name("prefect"),
                "deployment",
                "run",
                "deploy/lab",
                *options,
            ],
            cwd=ROOT,
            env=dict(self.lab.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def deploy(self, revision: str) -> str:
        """Trigger a deploy of this revision; the run's id."""
        said, _ = self.trigger(f"revision={revision}").communicate(timeout=300)
        (run,) = self.runs_of([revision])
        assert run["id"] in said.replace("\n", ""), said
        return str(run["id"])

    def runs_of(self, revisions: list[str]) -> list[dict[str, Any]]:
        """The runs of these revisions, in the order in which they were asked for."""
        asked = {"sort": "EXPECTED_START_TIME_ASC", "flows": {"name": {"any_": ["deploy"]}}}
        found = self._api.post("flow_runs/filter", json=asked).raise_for_status().json()
        return [run for run in found if run["parameters"].get("revision") in revisions]

    def running(self, flow: str) -> set[str]:
        """The ids of a flow's runs that are under way, or were until they died."""
        asked = {
            "flows": {"name": {"any_": [flow]}},
            "flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}},
        }
        found = self._api.post("flow_runs/filter", json=asked).raise_for_status().json()
        return {str(run["id"]) for run in found}

    def state(self, run: str) -> dict[str, Any]:
        """Type, name and message of the run's state."""
        return dict(self._api.get(f"flow_runs/{run}").raise_for_status().json()["state"])

    def end_of(self, run: str) -> dict[str, Any]:
        """The state in which the run ended."""
        until(lambda: self.state(run)["type"] in _ENDED)
        return self.state(run)

    def takeovers(self, run: str) -> list[dict[str, Any]]:
        """The tasks of this run that put a release on a host: from when until when."""
        asked = {"flow_runs": {"id": {"any_": [run]}}}
        tasks = self._api.post("task_runs/filter", json=asked).raise_for_status().json()
        return [task for task in tasks if task["name"].startswith("start v")]

    def is_taking_over(self, run: str) -> bool:
        """Whether the host is changing its release for this run just now."""
        return any(task["state_type"] == "RUNNING" for task in self.takeovers(run))

    def executing(self, run: str) -> Executing:
        """Who executes the run; AssertionError if nobody does."""
        for folder in Path("/proc").glob("[0-9]*"):
            said = environment_of(folder)
            if said.get("PREFECT__FLOW_RUN_ID", "").replace("-", "") == run.replace("-", ""):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if environment_of(Path(f"/proc/{parent}")).get("PREFECT__FLOW_RUN_ID"):
                    continue  # a child of the run's own process
                process, worker = Process.of(int(folder.name)), Process.of(parent)
                assert process is not None
                assert worker is not None
                return Executing(process, worker, said["PREFECT__WORKER_NAME"])
        raise AssertionError(f"nobody executes {run}")

    def kill_the_server(self) -> None:
        """``kill -9`` of Prefect's server, as a power cut would."""
        for folder in Path("/proc").glob("[0-9]*"):
            said = environment_of(folder)
            command = (folder / "cmdline").read_bytes() if said else b""
            if said.get("TT_LAB_HOME") == str(self.lab.home) and b"server\0start" in command:
                os.kill(int(folder.name), signal.SIGKILL)

    @contextmanager
    def another_worker(self) -> Iterator[None]:
        """A second worker of the pool beside the lab's own."""
        prefect = Path(sys.executable).with_name("prefect")
        worker = subprocess.Popen(
            [prefect, "worker", "start", "--pool", "tt-deploy", "--name", "another"],
            cwd=ROOT,
            env={**self.lab.env, "PREFECT_HOME": str(self.lab.home / "prefect")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            until(lambda: self._workers_online() >= 2)
            yield
        finally:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(timeout=30)

    def _workers_online(self) -> int:
        found = self._api.post("work_pools/tt-deploy/workers/filter", json={}).raise_for_status()
        return len([worker for worker in found.json() if worker["status"] == "ONLINE"])


def environment_of(folder: Path) -> dict[str, str]:
    """The environment with which a process of /proc started; empty if it is gone."""
    try:
        words = (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(word.decode(errors="replace").split("=", 1) for word in words if b"=" in word)


def until(holds: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something; a server that is away for a moment is no answer."""
    due = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except httpx.TransportError:
            pass  # it is restarting; the deadline decides
        assert time.monotonic() < due, "it did not come to hold"
        time.sleep(0.5)
