"""The notes of a release, as Markdown."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from delivery.commits import _HEADER, Commit

_SECTIONS = {"feat": "Features", "fix": "Bug Fixes", "perf": "Performance Improvements"}


def render(
    commits: Sequence[Commit], *, version: str, tag: str, since: str, url: str, on: datetime.date
) -> str:
    """The notes for `version`: a header with a compare link, then one section per type."""
    level = "##" if version.endswith(".0") else "###"
    lines = [f"{level} [{version}]({url}/compare/{since}...{tag}) ({on.isoformat()})", "", ""]
    for kind, title in _SECTIONS.items():
        entries = [entry for commit in commits if (entry := _entry(commit, kind, url))]
        if entries:
            lines += [f"### {title}", "", *sorted(entries), "", ""]
    return "\n".join(lines)


def _entry(commit: Commit, kind: str, url: str) -> str | None:
    header = _HEADER.match(commit.message.partition("\n")[0])
    if not header or header[1] != kind:
        return None
    scope = f"**{header[2]}:** " if header[2] else ""
    return f"* {scope}{header[3]} ([{commit.sha[:7]}]({url}/commit/{commit.sha}))"
