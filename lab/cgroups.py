"""Control groups by name, in whichever version of the hierarchy this machine has.

Whatever runs in a container stays in its control group, however far it detaches itself,
so this finds the containers of an engine that is not there any more.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from lab.processes import Process, wait_until

ROOT = Path("/sys/fs/cgroup")


def groups(name: str) -> list[Path]:
    """The group of this name: one directory, or in version 1 one for each controller."""
    return [folder for folder in (ROOT / name, *ROOT.glob(f"*/{name}")) if folder.is_dir()]


def processes(name: str) -> set[int]:
    """Ids of the processes in the group and in those below it."""
    found: set[int] = set()
    for group in groups(name):
        for listing in (folder / "cgroup.procs" for folder in _tree(group)):
            try:
                found.update(int(line) for line in listing.read_text().split())
            except OSError:
                continue  # The group went away meanwhile.
    return found


def kill(name: str, *, deadline_seconds: float = 20) -> None:
    """Kill everything in the group, and what is born while we do."""

    def is_empty() -> bool:
        alive = [process for pid in processes(name) if (process := Process.of(pid))]
        for process in alive:
            process.signal(signal.SIGKILL)
        return not alive

    wait_until(is_empty, deadline_seconds)


def remove(name: str, *, deadline_seconds: float = 10) -> None:
    """Remove the group and those below it; what was just killed may take a moment to go."""

    def is_gone() -> bool:
        for folder in [folder for group in groups(name) for folder in _tree(group)]:
            try:
                folder.rmdir()
            except OSError:
                continue
        return not groups(name)

    wait_until(is_gone, deadline_seconds)


def _tree(group: Path) -> Iterator[Path]:
    """The group's directories, the deepest first."""
    for folder, _, _ in os.walk(group, topdown=False):
        yield Path(folder)
