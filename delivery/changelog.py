"""The notes of a release: what conventional-changelog's preset would have written.

Sections, order and links are those of conventional-changelog-conventionalcommits
4.6 as github-tag-action v6.2 uses it, observed from outside.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from delivery.commits import Change, Message
from delivery.javascript import is_array_index
from delivery.note_order import in_note_order
from delivery.references import link_issues, link_people
from delivery.version import parse_version

SECTIONS: Final = {
    "feat": "Features",
    "fix": "Bug Fixes",
    "perf": "Performance Improvements",
    "revert": "Reverts",
    "docs": "Documentation",
    "style": "Styles",
    "refactor": "Code Refactoring",
    "test": "Tests",
    "build": "Build Systems",
    "ci": "Continuous Integration",
}
"""The types that the notes list, and the title of each."""
_FIRST_SECTIONS: Final = ("Features", "Bug Fixes", "Performance Improvements", "Reverts")


@dataclass(frozen=True, slots=True)
class Repository:
    """Where links lead: `host` with its scheme, and the two parts of the name."""

    host: str
    owner: str
    name: str

    @classmethod
    def from_url(cls, url: str) -> Repository:
        """The repository at `https://github.com/owner/name`, with or without `.git`.

        Also that of a clone's remote, `git@github.com:owner/name.git`. Who logs in how is
        left out: what an address says about that must not reach the notes.
        """
        bare = url.strip().rstrip("/")
        if bare.lower().endswith(".git"):
            bare = bare[: -len(".git")]
        scheme, _, rest = bare.rpartition("://")
        if not scheme:
            rest = rest.replace(":", "/", 1)
        host, _, path = rest.partition("/")
        owner, _, name = path.partition("/")
        known = scheme if scheme in {"http", "https"} else "https"
        return cls(f"{known}://{host.rpartition('@')[2]}", owner, name)

    @property
    def path(self) -> str:
        """Its whole name."""
        return f"{self.owner}/{self.name}"

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"{self.host}/{self.path}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit as the notes show it; `scope` and `subject` also decide where."""

    section: str
    scope: str | None
    subject: str | None
    text: str


def render(
    changes: Sequence[tuple[Message, Change]],
    *,
    version: str,
    tag: str,
    since: str | None,
    repository: Repository,
    on: datetime.date,
    sections: Mapping[str, str] = SECTIONS,
) -> str:
    """The notes of `version`: a heading with a link, breaking notes, sections.

    The link compares `tag` with the tag `since`; without one, it shows what led to `tag`.
    `sections` has the title of every type that is listed.
    """
    shown = [pair for pair in changes if _is_shown(*pair, sections)]
    entries = [_entry(message, change, sections, repository) for message, change in shown]
    link = f"compare/{since}...{tag}" if since else f"commits/{tag}"
    head = f"{_level(version)} [{version}]({repository.url}/{link}) ({on})\n\n"
    return head + "".join([*_breaking(shown), *_sections(entries)])


def _level(version: str) -> str:
    """A patch gets a smaller heading than a release of its own number."""
    parsed = parse_version(version)
    return "###" if parsed and parsed.patch else "##"


def _is_shown(message: Message, change: Change, sections: Mapping[str, str]) -> bool:
    return bool(change.notes or message.names_release or _kind(message, change) in sections)


def _kind(message: Message, change: Change) -> str:
    return "revert" if message.reverts else change.type.lower()


def _entry(
    message: Message, change: Change, sections: Mapping[str, str], repository: Repository
) -> Entry:
    scope = "" if change.scope == "*" else change.scope
    subject, numbers = change.subject, set[str]()
    if subject:
        subject, numbers = link_issues(subject, repository.url)
        subject = link_people(subject, repository.host)
    prefix = f"**{scope}:** " if scope else ""
    link = f" ([{message.sha[:7]}]({repository.url}/commit/{message.sha}))" if message.sha else ""
    closes = "".join(
        f" {reference.markdown(repository.host, repository.owner, repository.name)}"
        for reference in message.references
        if reference.issue not in numbers
    )
    tail = f", closes{closes}" if closes else ""
    return Entry(
        section=sections.get(_kind(message, change), change.type),
        scope=scope,
        subject=subject,
        text=f"* {prefix}{subject or message.header}{link}{tail}\n",
    )


def _breaking(changes: Sequence[tuple[Message, Change]]) -> Iterator[str]:
    notes = [
        (note, "" if change.scope == "*" else change.scope)
        for _, change in changes
        for note in change.notes
    ]
    if not notes:
        return
    yield "\n### ⚠ BREAKING CHANGES\n\n"
    for text, scope in notes:
        yield f"* **{scope}:** {text}\n" if scope else f"* {text}\n"


def _sections(entries: Sequence[Entry]) -> Iterator[str]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.section, []).append(entry)
    for title in _section_order(list(groups)):
        yield f"\n### {title}\n\n" if title else "\n"
        yield from (entry.text for entry in in_note_order(groups[title]))
        yield "\n"


def _section_order(titles: list[str]) -> list[str]:
    """The four that people look for, then the others, last met first.

    Titles that are numbers count as met before all others, by size: the reference
    keeps its sections as properties of an object.
    """
    numbers = sorted((title for title in titles if is_array_index(title)), key=int)
    met = [*numbers, *(title for title in titles if not is_array_index(title))]
    first = [title for title in _FIRST_SECTIONS if title in met]
    return [*first, *(title for title in reversed(met) if title not in _FIRST_SECTIONS)]
