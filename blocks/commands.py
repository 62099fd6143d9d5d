"""Running a program on the worker: its lines as they come, its credentials never shown."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.redaction import redact


class CommandFailed(Exception):
    """A program ended with a status other than 0; ``last_lines`` are free of secrets."""

    def __init__(self, program: str, status: int, last_lines: str, *, timed_out: bool) -> None:
        super().__init__(f"{program} ended with status {status}")
        self.program = program
        self.status = status
        self.last_lines = last_lines
        self.timed_out = timed_out


def run_streaming(
    arguments: Sequence[str],
    *,
    on_line: Callable[[str], None],
    timeout_seconds: float,
    environment: Mapping[str, str],
    folder: Path | None = None,
    standard_input: str = "",
    secrets: Iterable[str] = (),
) -> list[str]:
    """Run a program to its end and hand over each line that it prints, redacted.

    Returns the last 200 lines. Raises CommandFailed on a status other than 0 and when
    the time is up (the program is then killed). ``standard_input`` is how a password is
    given: arguments and environment show in process lists.
    """
    hidden = tuple(secrets)
    kept: deque[str] = deque(maxlen=200)
    process = subprocess.Popen(
        list(arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    time_is_up = threading.Event()

    def end() -> None:
        time_is_up.set()
        _kill_group(process)

    timer = threading.Timer(timeout_seconds, end)
    timer.start()
    try:
        _give(process, standard_input)
        for line in process.stdout or ():
            clean = redact(line.rstrip(), hidden)
            kept.append(clean)
            on_line(clean)
        status, timed_out = process.wait(), time_is_up.is_set()
    finally:
        timer.cancel()
        _kill_group(process)
        process.wait()
    if status:
        last_lines = "\n".join(list(kept)[-30:])
        raise CommandFailed(arguments[0], status, last_lines, timed_out=timed_out)
    return list(kept)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, with all that it printed, line ends as they came."""

    status: int
    output: str
    noise: str


def run_to_end(
    arguments: Sequence[str],
    *,
    timeout_seconds: float,
    environment: Mapping[str, str],
    folder: Path | None = None,
    keep_open: Sequence[int] = (),
) -> Finished:
    """Run a program that asks nothing and prints little.

    Raises subprocess.TimeoutExpired when the time is up; what the program itself had
    started is killed too. ``keep_open`` are file descriptors that it inherits.
    """
    process = subprocess.Popen(
        list(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        cwd=folder,
        pass_fds=keep_open,
        start_new_session=True,
    )
    try:
        output, noise = process.communicate(timeout=timeout_seconds)
    finally:
        _kill_group(process)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return Finished(process.returncode, _text(output), _text(noise))


def _text(printed: bytes) -> str:
    return printed.decode("utf-8", errors="replace")


def _give(process: subprocess.Popen[str], text: str) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(text)
        with suppress(BrokenPipeError):
            process.stdin.close()


def _kill_group(process: subprocess.Popen[Any]) -> None:
    """Kill the program and what it started: a plugin would keep its output open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
