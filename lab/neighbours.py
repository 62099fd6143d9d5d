"""The other labs of this user on this machine, so that no two promise themselves the same port.

A lab chooses its ports when it is made and takes some of them only a minute later, when its
hosts start: that they are free now says nothing of a lab that is being made beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.packages import locked
from lab.settings import settings_file


@contextmanager
def choosing_ports(home: Path, cache: Path) -> Iterator[set[int]]:
    """The ports that other labs were promised; nobody else chooses until this is left."""
    listed = cache / "labs.json"
    with locked(cache / "labs.lock"):
        homes = [each for each in _read(listed) if settings_file(each).exists()]
        yield {port for each in homes if each != home for port in _ports_of(each)}
        listed.write_text(json.dumps([str(each) for each in {*homes, home}]))


def _read(listed: Path) -> list[Path]:
    try:
        return [Path(home) for home in json.loads(listed.read_text())]
    except (FileNotFoundError, ValueError):
        return []


def _ports_of(home: Path) -> set[int]:
    """All ports of a lab; none if it is just being removed or unreadable."""
    try:
        fields = json.loads(settings_file(home).read_text())
    except (FileNotFoundError, ValueError):
        return set()
    hosts = [set(host["ports"].values()) for host in fields["hosts"]]
    return set(fields["ports"].values()).union(*hosts)
