"""What a commit message says: its type, its breaking notes, the commit it reverts.

The grammar is that of the reference (conventional-commits-parser 3.2 with the
presets that github-tag-action v6.2 uses), observed from outside. Its two halves, one
for the version and one for the notes, disagree about `feat!:`; so a `Message` is read
once, and a `Change` says how one of the two understands its first line.

Every step is linear in the length of the message, whatever it contains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from delivery.javascript import BLANKS, has_line_end
from delivery.references import Reference, find_references

_HEADER: Final = re.compile(r"(\w*)(?:\((.*)\))?: (.*)", re.ASCII | re.DOTALL)
_HEADER_OR_BANG: Final = re.compile(r"(\w*)(?:\((.*)\))?!?: (.*)", re.ASCII | re.DOTALL)
_BANG_HEADER: Final = re.compile(r"(\w*)(?:\((.*)\))?!: (.*)", re.ASCII | re.DOTALL)
_NOTE: Final = re.compile(
    rf"[{BLANKS}|*]*BREAKING CHANGE[:{BLANKS}]+([^\r\u2028\u2029]*)", re.IGNORECASE | re.ASCII
)
_NOTE_OR_HYPHEN: Final = re.compile(
    rf"[{BLANKS}|*]*BREAKING[ -]CHANGE[:{BLANKS}]+([^\r\u2028\u2029]*)", re.IGNORECASE | re.ASCII
)
_SIGNATURE: Final = re.compile(rf"[{BLANKS}]*gpg:")
_REVERT_START: Final = re.compile(rf"(?:Revert|revert:)[{BLANKS}]", re.IGNORECASE | re.ASCII)
_REVERT_END: Final = re.compile(r"This reverts commit (\w*)\.", re.IGNORECASE | re.ASCII)
_RELEASE_AS: Final = re.compile(
    rf"release-as:[{BLANKS}]*(?:\w*@[0-9]+|\w*[0-9])\.[0-9]+\.[0-9a-z]",
    re.IGNORECASE | re.ASCII,
)
_SCISSORS: Final = "# ------------------------ >8 ------------------------"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as git has it: full object name and whole message."""

    sha: str
    message: str


@dataclass(frozen=True, slots=True)
class Revert:
    """What a commit says it reverts: header and full object name, as it quotes them."""

    header: str
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One commit, read once; the parts that it does not have are empty."""

    sha: str
    first_line: str
    header: str
    """What to show, and to revert by: the first line, unless a field says otherwise."""
    notes: tuple[str, ...] = ()
    """The text of each `BREAKING CHANGE:`, which may be empty and may span lines."""
    references: tuple[Reference, ...] = ()
    reverts: Revert | None = None
    names_release: bool = False
    """It has a `Release-As:` line: listed in the notes whatever its type."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Text under a line `-name-`, an old custom by which a message may set any part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A message as a header of the form `type(scope): subject`, if it has one."""

    type: str
    scope: str | None
    subject: str | None
    notes: tuple[str, ...]


def read_message(commit: Commit, *, hyphen: bool = False) -> Message:
    """`commit` taken apart. With `hyphen`, `BREAKING-CHANGE:` is a note as well."""
    lines = _lines(commit.message)
    header = lines[0] if lines else ""
    if len(lines) < 2:
        return Message(
            sha=commit.sha,
            first_line=header,
            header=header,
            references=tuple(find_references(header)),
            reverts=_find_revert(commit.message),
        )
    body = _Body(_NOTE_OR_HYPHEN if hyphen else _NOTE)
    for line in lines[1:]:
        body.read(line)
    fields = body.fields()
    return Message(
        sha=fields.get("hash", commit.sha),
        first_line=header,
        header=fields.get("header", header),
        notes=tuple("\n".join(note).strip("\r\n") for note in body.notes),
        references=(*find_references(header), *body.references),
        reverts=_reverts(fields) if "revert" in fields else _find_revert(commit.message),
        names_release=body.names_release(fields),
        fields=fields,
    )


def read_change(message: Message, *, bang: bool) -> Change:
    """The type, scope and subject of `message`, and why it is breaking.

    With `bang`, `feat!: x` is a header too, and breaking if no note says why.
    """
    found = None
    if not has_line_end(message.first_line):
        found = (_HEADER_OR_BANG if bang else _HEADER).fullmatch(message.first_line)
    kind, scope, subject = found.groups() if found else ("", None, None)
    return Change(
        type=message.fields.get("type", kind),
        scope=message.fields.get("scope", scope or None),
        subject=message.fields.get("subject", subject or None),
        notes=message.notes or (_bang_note(message) if bang else ()),
    )


def _bang_note(message: Message) -> tuple[str, ...]:
    """The subject of `feat!: subject`: the note of a breaking change that has no other."""
    for header in (message.first_line, message.header):
        if "!: " in header and not has_line_end(header):
            found = _BANG_HEADER.fullmatch(header)
            if found:
                return (found[3],)
    return ()


def without_reverted(messages: Sequence[Message]) -> list[Message]:
    """`messages` less those that a later one reverts, and less the first such revert.

    Only the first: the reference forgets the others, so that they still count as a
    patch and stand in the notes; the version line that we continue has them so.
    """
    reverts: dict[tuple[str, str], str] = {}
    for message in messages:
        if message.reverts and message.reverts.sha:
            target = (message.reverts.header.strip(BLANKS), message.reverts.sha)
            reverts.setdefault(target, message.sha)
    if not reverts:
        return list(messages)
    undone = [_key(message) in reverts for message in messages]
    first = next((reverts[_key(m)] for m, gone in zip(messages, undone, strict=True) if gone), None)
    return [m for m, gone in zip(messages, undone, strict=True) if not gone and m.sha != first]


def _key(message: Message) -> tuple[str, str]:
    return message.header.strip(BLANKS), message.sha.strip(BLANKS)


def _lines(message: str) -> list[str]:
    """The lines that count: no signatures, nothing from git's scissors line on."""
    text = message.strip("\r\n").replace("\r\n", "\n")
    lines = text.split("\n")
    if "gpg:" in text:
        lines = [line for line in lines if not _SIGNATURE.match(line)]
    if _SCISSORS in lines:
        lines = lines[: lines.index(_SCISSORS)]
    return lines


def _reverts(fields: Mapping[str, str]) -> Revert | None:
    return Revert("", "") if fields["revert"] else None


def _find_revert(message: str) -> Revert | None:
    """`Revert "<header>"` ... `This reverts commit <hash>.`, with either quote optional."""
    start = _REVERT_START.match(message)
    if not start:
        return None
    begin = start.end()
    quoted = message.startswith('"', begin)
    return (_revert_from(message, begin + 1) if quoted else None) or _revert_from(message, begin)


def _revert_from(message: str, begin: int) -> Revert | None:
    """The revert whose quoted header, of at least one character, begins at `begin`."""
    end = _REVERT_END.search(message, begin + 1)
    if not end:
        return None
    quoted = message[begin : end.start()]
    header = quoted.rstrip(BLANKS)
    header = header.removesuffix('"') or header
    return Revert(header or quoted[0], end[1])


class _Body:
    """Reads the lines after the header, one by one: notes, references, fields, text."""

    def __init__(self, note: re.Pattern[str]) -> None:
        self.notes: list[list[str]] = []
        self.references: list[Reference] = []
        self._note = note
        self._field = ""
        self._fields: dict[str, list[str]] = {}
        self._continues_note = False
        self._texts: tuple[list[str], list[str]] = ([], [])
        self._in_footer = False

    def read(self, line: str) -> None:
        """Take one line in."""
        if line[:1] == line[-1:] == "-" and len(line) > 1 and not has_line_end(line):
            self._field = line[1:-1]
        elif self._field:
            _append(self._fields.setdefault(self._field, []), line)
        else:
            self._read_text(line)
            self._texts[self._in_footer].append(line)

    def fields(self) -> dict[str, str]:
        """The text of each field that has a line."""
        return {name: "\n".join(lines) for name, lines in self._fields.items()}

    def names_release(self, fields: Mapping[str, str]) -> bool:
        """Whether body or footer, which a field may replace, has a `Release-As:`."""
        body, footer = ("\n".join(lines) for lines in self._texts)
        texts = fields.get("body", body), fields.get("footer", footer)
        return any(_RELEASE_AS.search(text) is not None for text in texts)

    def _read_text(self, line: str) -> None:
        note = self._note.match(line)
        if note:
            self._in_footer = self._continues_note = True
            self.notes.append([])
            _append(self.notes[-1], note[1])
            return
        references = find_references(line)
        if references:
            self._in_footer, self._continues_note = True, False
            self.references += references
        elif self._continues_note:
            _append(self.notes[-1], line)


def _append(text: list[str], line: str) -> None:
    """Add `line` to `text`, which does not begin with an empty one."""
    if text == [""]:
        text.clear()
    text.append(line)
