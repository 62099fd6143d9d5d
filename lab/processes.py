"""Processes that outlive the command that started them, and are found again.

Each is recorded with its pid *and* the time the kernel started it, so a pid that was
given to somebody else meanwhile is never touched. Each also carries the lab's name in
its environment, which its children inherit: after a `kill -9` of the parent they are
still known as the lab's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError

MARK = "TT_LAB_PROCESS_OF"
"""Environment variable that names the lab a process belongs to."""

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """One process, told apart from a later one with the same pid by its start time."""

    pid: int
    started: int
    """Clock ticks between the machine's boot and the process's start."""

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The live process with this pid, or None; a zombie does not count as live."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        # Counted from field 3 of proc(5): 0 is the state, 19 the start time.
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return Process.of(self.pid) == self

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to it, or to its whole group; nothing happens if it is gone."""
        if not self.is_alive():
            return
        try:
            if group:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return


class Processes:
    """The detached processes of one lab."""

    def __init__(self, lab: str, run: Path, logs: Path) -> None:
        self._lab = lab
        self._run = run
        self._logs = logs

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Process:
        """Start `command` in a session of its own unless `name` already runs; return it."""
        running = self.find(name)
        if running:
            return running
        self._run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=cwd,
                env={**(os.environ if env is None else env), MARK: self._lab},
            )
        process = Process.of(child.pid)
        if process is None:
            raise LabError(f"{name} ended at once: {self.tail(name)}")
        self._record(name).write_text(json.dumps(asdict(process)))
        return process

    def find(self, name: str) -> Process | None:
        """The process recorded under this name if it still runs."""
        try:
            process = Process(**json.loads(self._record(name).read_text()))
        except (FileNotFoundError, ValueError):
            return None
        return process if process.is_alive() else None

    def names(self) -> list[str]:
        """Every name that was ever started and not stopped."""
        return sorted(record.stem for record in self._run.glob("*.process"))

    def stop(self, name: str, *, grace_seconds: float = 10.0) -> None:
        """Ask the process to end, then make it; done when it is gone."""
        process = self.find(name)
        if process:
            process.signal(signal.SIGTERM)
            if not wait_until(lambda: not process.is_alive(), grace_seconds):
                process.signal(signal.SIGKILL, group=True)
                wait_until(lambda: not process.is_alive(), grace_seconds)
        self._record(name).unlink(missing_ok=True)

    def kill_strays(self) -> list[int]:
        """Kill whatever still carries the lab's mark; return the pids that did."""
        killed = []
        for process in marked_processes(self._lab):
            process.signal(signal.SIGKILL)
            killed.append(process.pid)
        wait_until(lambda: not any(marked_processes(self._lab)), 10)
        return killed

    def wait_ready(self, name: str, ready: Callable[[], bool], *, deadline_seconds: float) -> None:
        """Return once `ready()`; raise with the log's end if the process dies or is late."""
        due = time.monotonic() + deadline_seconds
        while not ready():
            if self.find(name) is None:
                raise LabError(f"{name} ended while starting; its last words:\n{self.tail(name)}")
            if time.monotonic() > due:
                raise LabError(
                    f"{name} was not ready after {deadline_seconds:g} s:\n{self.tail(name)}"
                )
            time.sleep(POLL_SECONDS)

    def log(self, name: str) -> Path:
        """Where this process's output goes."""
        return self._logs / f"{name}.log"

    def tail(self, name: str, lines: int = 15) -> str:
        """The end of what the process said."""
        try:
            text = self.log(name).read_text(errors="replace")
        except FileNotFoundError:
            return "(it said nothing)"
        return "\n".join(text.splitlines()[-lines:])

    def _record(self, name: str) -> Path:
        return self._run / f"{name}.process"


def marked_processes(lab: str) -> Iterator[Process]:
    """Every live process, but this one, whose environment carries the lab's mark."""
    mark = f"{MARK}={lab}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue  # It ended, or is somebody else's.
        process = Process.of(int(entry.name))
        if process and mark in environment.split(b"\0"):
            yield process


def wait_until(holds: Callable[[], bool], deadline_seconds: float) -> bool:
    """Poll until `holds()`, at most this long; whether it came to hold.

    The longer it takes, the more rarely it is asked, once a second at last: asking may cost much.
    """
    pause, due = POLL_SECONDS, time.monotonic() + deadline_seconds
    while not holds():
        if time.monotonic() > due:
            return False
        time.sleep(pause)
        pause = min(1.5 * pause, 1.0)
    return True
