#!/usr/bin/env python3
"""One command of the lab's Systems Manager agent: `ssm_agent.py` starts a worker for each.

It outlives the agent, as AWS's document worker does, and leaves its result in a file that
the agent, or the one after it, picks up. How it treats the script is told in `ssm_agent.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, Any

STDOUT_LIMIT = 24_000
STDERR_LIMIT = 8_000
TRUNCATED = "--output truncated--"
KILLED = 137
"""128 + SIGKILL: what the agent reports for a command that it stopped."""
PATH = "/sbin:/bin:/usr/sbin:/usr/bin"
"""As systemd gives it to the agent on Amazon Linux: without /usr/local/bin."""

Json = dict[str, Any]


class Stopped(BaseException):
    """The agent asks the worker to cancel its command."""


class StopRequest:
    """SIGTERM, kept until the script runs and there is something to stop."""

    def __init__(self) -> None:
        self._armed = self._requested = False
        signal.signal(signal.SIGTERM, self._receive)

    def arm(self) -> None:
        """From now on a request raises `Stopped`; one that came before does at once."""
        self._armed = True
        if self._requested:
            raise Stopped

    def disarm(self) -> None:
        """The script is over: a request no longer means anything."""
        self._armed = False

    def _receive(self, _number: int, _frame: object) -> None:
        self._requested = True
        if self._armed:
            raise Stopped


class Stream:
    """The kept beginning of one output stream, read until its pipe is closed."""

    def __init__(self, pipe: IO[bytes], limit: int, copy: Path) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, args=(pipe, copy), daemon=True)
        self._thread.start()

    def _read(self, pipe: IO[bytes], copy: Path) -> None:
        # As on a real instance the whole output also lies beside the script.
        with copy.open("wb") as file:
            while chunk := os.read(pipe.fileno(), 65536):
                file.write(chunk)
                file.flush()
                # Four bytes at most make a character.
                self._kept += chunk[: max(0, 4 * self._limit + 4 - len(self._kept))]

    def wait(self) -> None:
        """Return when every process that could write has closed the pipe."""
        self._thread.join()

    def text(self, last_words: str = "") -> str:
        """The beginning of what was written so far; the agent's own words come after it."""
        text = bytes(self._kept).decode("utf-8", errors="replace") + last_words
        if len(text) <= self._limit:
            return text
        return text[: self._limit - len(TRUNCATED)] + TRUNCATED


def run_worker(state: Path, work: Path, instance_id: str, region: str) -> None:
    """Run the command of this folder to its end and leave the result beside it."""
    command: Json = json.loads((state / "command.json").read_text())

    result = execute(command, work, instance_id, region, StopRequest())
    write_json(state / "result.json", result)


def execute(command: Json, work: Path, instance_id: str, region: str, stop: StopRequest) -> Json:
    """Run the script and wait for it, its time, or a cancel."""
    work.mkdir(parents=True, exist_ok=True)
    script = work / "_script.sh"
    script.write_text("\n".join(command["commands"]) + "\n")
    script.chmod(0o700)
    environment = {
        "PATH": PATH,
        "SSM_COMMAND_ID": command["command_id"],
        "AWS_SSM_INSTANCE_ID": instance_id,
        "AWS_SSM_REGION_NAME": region,
    }
    try:
        process = subprocess.Popen(
            ["sh", "-c", str(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command["working_directory"] or "/usr/bin",
            env=environment,
            process_group=0,
        )
    except OSError as error:
        stderr = f"failed to run commands: {error}"
        return {"status": "Failed", "exit_code": 1, "stdout": "", "stderr": stderr}
    return wait_for(process, work, command["execution_seconds"], stop)


def wait_for(
    process: subprocess.Popen[bytes], work: Path, seconds: float, stop: StopRequest
) -> Json:
    """The result of a started script."""
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
    stdout = Stream(process.stdout, STDOUT_LIMIT, work / "stdout")
    stderr = Stream(process.stderr, STDERR_LIMIT, work / "stderr")

    def end() -> None:
        process.wait()
        stdout.wait()
        stderr.wait()

    done = threading.Thread(target=end, daemon=True)
    done.start()
    try:
        stop.arm()
        done.join(seconds)
        stop.disarm()
        stopped = "TimedOut" if done.is_alive() else ""
    except Stopped:
        stop.disarm()
        stopped = "Cancelled"
    if stopped:
        kill_group(process.pid)
        # What was written before the kill is still in the pipes.
        done.join(0.5)
        return outcome(stopped, KILLED, stdout.text(), stderr.text())
    return judge(process.returncode, stdout, stderr)


def judge(returncode: int, stdout: Stream, stderr: Stream) -> Json:
    """Status and words for a script that ended by itself."""
    if returncode == 0:
        return outcome("Success", 0, stdout.text(), stderr.text())
    if returncode == KILLED:
        return outcome("TimedOut", KILLED, stdout.text(), stderr.text())
    if returncode < 0:
        reason, code = f"signal: {signal.strsignal(-returncode) or -returncode}".lower(), -1
    else:
        reason, code = f"exit status {returncode}", returncode
    # Straight behind what the script wrote: no line break of its own, as the agent does it.
    words = stderr.text(f"failed to run commands: {reason}")
    return outcome("Failed", code, stdout.text(), words)


def outcome(status: str, exit_code: int, stdout: str, stderr: str) -> Json:
    """A result as the service takes it."""
    return {"status": status, "exit_code": exit_code, "stdout": stdout, "stderr": stderr}


def kill_group(leader: int) -> None:
    """SIGKILL for the script and all that stayed in its group: no trap runs."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def write_json(path: Path, value: Json) -> None:
    """Write so that a reader sees all of it or nothing."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value))
    draft.rename(path)


def main() -> None:
    """Run the one command that the agent prepared."""
    parser = argparse.ArgumentParser(description="Runs one command of the lab's agent")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--instance-id", required=True)
    parser.add_argument("--region", required=True)
    arguments = parser.parse_args()
    run_worker(arguments.state, arguments.work, arguments.instance_id, arguments.region)


if __name__ == "__main__":
    main()
