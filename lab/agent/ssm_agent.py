#!/usr/bin/env python3
"""The Systems Manager agent of a lab instance: standard library only, started by its init.

It behaves as AWS's agent does where a caller could notice (read off its source,
version 3.3):

* A script is written to the orchestration directory and run as `sh -c PATH`, so the kernel
  honours its `#!` line and a script without one is run by sh. Its standard output and error
  are pipes: a background child that keeps them open keeps the command in progress.
* It leads its own process group, without HOME; SSM_COMMAND_ID and AWS_SSM_* are set.
* A cancel or the end of `executionTimeout` sends SIGKILL to the whole group: no trap runs.
  Exit code 137 then; a script that itself exits 137 counts as timed out, too.
* The first 24,000 characters of standard output and 8,000 of standard error are kept.
* Each command has a worker process of its own that outlives the agent. An agent that was
  killed and comes back takes up the workers that still run and reports what they found.
  A worker that is gone without a result (a reboot, a kill) is reported as Failed, with
  exit code 1 and the agent's own words.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

VERSION = "3.3.3050.0"
WORKER = Path(__file__).resolve().with_name("ssm_worker.py")

Json = dict[str, Any]

LOST: Json = {
    "status": "Failed",
    "exit_code": 1,
    "stdout": "",
    "stderr": "document process failed unexpectedly: document worker timed out , "
    "check [ssm-document-worker]/[ssm-session-worker] log for crash reason",
}
"""What is reported of a command whose worker is gone without a result."""


class Refused(OSError):
    """The service understood and said no."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the service answered {code}")
        self.code = code


class Api:
    """The service's door for agents."""

    def __init__(self, endpoint: str, instance_id: str) -> None:
        address = urllib.parse.urlsplit(endpoint)
        self._host, self._port = address.hostname or "localhost", address.port
        self._instance_id = instance_id

    def post(self, path: str, **body: Any) -> Json:
        """Tell the service something; raise `OSError` if it was not heard or refused."""
        data = json.dumps({"instance_id": self._instance_id, **body})
        return self._send("POST", f"/_agent/{path}", data, timeout=10)

    def messages(self, holds: list[str], wait: float) -> list[Json]:
        """Wait for something to do."""
        query = urllib.parse.urlencode(
            {"instance_id": self._instance_id, "holds": ",".join(holds), "wait": wait}
        )
        reply = self._send("GET", f"/_agent/messages?{query}", None, timeout=wait + 10)
        messages: list[Json] = reply["messages"]
        return messages

    def _send(self, method: str, path: str, data: str | None, timeout: float) -> Json:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        try:
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise Refused(response.status)
            body = response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"no proper answer: {error!r}") from error
        finally:
            connection.close()
        reply: Json = json.loads(body)
        return reply


class Folder:
    """Where one command lives on the instance, laid out as AWS's agent does."""

    def __init__(self, root: Path, command_id: str) -> None:
        self.command_id = command_id
        self.state = root / "document/state/current" / command_id
        orchestration = root / "document/orchestration" / command_id
        self.work = orchestration / "awsrunShellScript/0.awsrunShellScript"

    @property
    def command(self) -> Path:
        """What was asked for."""
        return self.state / "command.json"

    @property
    def worker(self) -> Path:
        """Which process runs it."""
        return self.state / "worker.json"

    @property
    def result(self) -> Path:
        """How it ended."""
        return self.state / "result.json"

    def forget(self) -> None:
        """The service knows the result: what is needed no more goes."""
        shutil.rmtree(self.state, ignore_errors=True)


def read_json(path: Path) -> Json | None:
    """The content of a file that may not be there, or be half written by a life cut short."""
    try:
        value: Json = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return value


def started_at(pid: int) -> int | None:
    """When the kernel started a live process, so that a reused pid is not mistaken for it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Agent:
    """Takes commands, gives each a worker, reports what they find."""

    def __init__(self, api: Api, root: Path, arguments: argparse.Namespace) -> None:
        self._api = api
        self._root = root
        self._arguments = arguments
        self._lock = threading.Lock()
        self._held: dict[str, Folder] = {}

    def run(self) -> None:
        """Serve until killed."""
        self._root.mkdir(parents=True, exist_ok=True)
        until_it_works(self._register)
        self._take_up()
        threading.Thread(target=self._ping, daemon=True).start()
        while True:
            for message in until_it_works(self._messages):
                until_it_works(lambda message=message: self._handle(message))

    def _register(self) -> None:
        self._api.post(
            "register",
            version=VERSION,
            platform_name="Amazon Linux",
            platform_version="2023",
            computer_name=platform.node(),
            ip_address=own_address(),
        )

    def _ping(self) -> None:
        while True:
            until_it_works(lambda: self._api.post("ping"))
            time.sleep(self._arguments.ping_seconds)

    def _messages(self) -> list[Json]:
        with self._lock:
            holds = sorted(self._held)
        return self._api.messages(holds, self._arguments.wait_seconds)

    def _handle(self, message: Json) -> None:
        command_id = message["command_id"]
        with self._lock:
            held = self._held.get(command_id)
        if message["kind"] == "cancel":
            if held:
                self._cancel(held)
        elif held is None and self._may_run(command_id):
            self._start(Folder(self._root, command_id), message)

    def _may_run(self, command_id: str) -> bool:
        """Take a command; it may have been cancelled or forgotten since it was offered."""
        try:
            may_run: bool = self._api.post("accept", command_id=command_id)["run"]
        except Refused as error:
            if error.code != 404:
                raise
            return False
        return may_run

    def _start(self, folder: Folder, message: Json) -> None:
        folder.state.mkdir(parents=True)
        folder.command.write_text(json.dumps(message))
        worker = subprocess.Popen(
            [
                sys.executable,
                str(WORKER),
                "--state",
                str(folder.state),
                "--work",
                str(folder.work),
                "--instance-id",
                self._arguments.instance_id,
                "--region",
                self._arguments.region,
            ],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        mark = {"pid": worker.pid, "started": started_at(worker.pid)}
        folder.worker.write_text(json.dumps(mark))
        self._follow(folder, worker)

    def _take_up(self) -> None:
        """Go on with what an earlier life of this agent began."""
        for state in sorted((self._root / "document/state/current").glob("*")):
            self._follow(Folder(self._root, state.name), None)

    def _follow(self, folder: Folder, worker: subprocess.Popen[bytes] | None) -> None:
        with self._lock:
            self._held[folder.command_id] = folder
        threading.Thread(target=self._finish, args=(folder, worker), daemon=True).start()

    def _finish(self, folder: Folder, worker: subprocess.Popen[bytes] | None) -> None:
        if worker is not None:
            worker.wait()
        while is_working(folder):
            time.sleep(0.1)
        result = read_json(folder.result) or LOST
        until_it_works(lambda: self._report(folder, result))
        folder.forget()
        with self._lock:
            del self._held[folder.command_id]

    def _report(self, folder: Folder, result: Json) -> None:
        try:
            self._api.post("result", command_id=folder.command_id, **result)
        except Refused as error:
            # A service that lost this command wants no result of it either.
            if error.code != 404:
                raise

    def _cancel(self, folder: Folder) -> None:
        worker = read_json(folder.worker)
        if worker and is_working(folder):
            os.kill(worker["pid"], signal.SIGTERM)


def is_working(folder: Folder) -> bool:
    """Whether the folder's worker still runs and has left no result."""
    worker = read_json(folder.worker)
    if worker is None or folder.result.exists():
        return False
    return worker["started"] is not None and started_at(worker["pid"]) == worker["started"]


def until_it_works(call: Any) -> Any:
    """Call again, ever more slowly, while the service cannot be reached or refuses."""
    pause = 0.2
    while True:
        try:
            return call()
        except (OSError, ValueError) as error:
            print(f"ssm-agent: {error}; again in {pause:.1f} s", file=sys.stderr, flush=True)
            time.sleep(pause)
            pause = min(pause * 2, 3.0)


def own_address() -> str:
    """An address of this instance; loopback if it has no other."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def main() -> None:
    """Serve one instance."""
    parser = argparse.ArgumentParser(description="The lab's Systems Manager agent")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--instance-id", required=True)
    parser.add_argument("--region", default="ap-northeast-2")
    parser.add_argument("--root", type=Path, default=Path("/var/lib/amazon/ssm"))
    parser.add_argument("--ping-seconds", type=float, default=2.0)
    parser.add_argument("--wait-seconds", type=float, default=15.0)
    arguments = parser.parse_args()
    root = arguments.root / arguments.instance_id
    Agent(Api(arguments.endpoint, arguments.instance_id), root, arguments).run()


if __name__ == "__main__":
    main()
