"""Issues and people that a commit names, and the links that notes make of them.

The reference finds issues by a regular expression that is cubic in the length of
a word; this reads the same answers off in one pass, from one `#` to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from delivery.javascript import BLANKS, LINE_ENDS

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
_DIGITS: Final = "0123456789"
_IN_A_REPOSITORY_NAME: Final = f"{_LETTERS}{_DIGITS}-./"
_NOT_A_DIGIT_OF_AN_ISSUE: Final = f"{_LETTERS}-"

_ACTION: Final = re.compile(
    rf"(?:close[sd]?|fix(?:es|ed)?|resolve[sd]?)[{BLANKS}]+", re.IGNORECASE | re.ASCII
)
_ANY_ACTION: Final = re.compile(r"close|fix|resolve", re.IGNORECASE | re.ASCII)
_ISSUE_NAME: Final = re.compile(r"[\w-]*", re.ASCII)
_LINE_END: Final = re.compile(f"[{LINE_ENDS}]")
_ISSUE_IN_A_SUBJECT: Final = re.compile(r"#([0-9]+)")
_PERSON_IN_A_SUBJECT: Final = re.compile(r"(?<![A-Za-z0-9_])@([a-z0-9](?:-?[a-z0-9/]){0,38})")


@dataclass(frozen=True, slots=True)
class Reference:
    """An issue that a line names: `#7`, `app#7` or `acme/app#7`."""

    owner: str
    repository: str
    issue: str

    def markdown(self, host: str, owner: str, repository: str) -> str:
        """A link to the issue; a part that the line left out is that of the repository."""
        name = f"{self.owner}/" if self.owner else ""
        target = f"{host}/{self.owner or owner}/{self.repository or repository}"
        return f"[{name}{self.repository}#{self.issue}]({target}/issues/{self.issue})"


def find_references(line: str) -> list[Reference]:
    """The issues that `line` names, in order.

    If the line says that it closes, fixes or resolves something, only what
    follows such a word counts.
    """
    if "#" not in line:
        return []
    sentences = list(_sentences(line)) or _LINE_END.split(line)
    return [reference for sentence in sentences for reference in _references(sentence)]


def link_issues(subject: str, repository: str) -> tuple[str, set[str]]:
    """`subject` with each `#n` linked into `repository` (an address); and those numbers."""
    numbers = set(_ISSUE_IN_A_SUBJECT.findall(subject)) if "#" in subject else set()
    if numbers:
        subject = _ISSUE_IN_A_SUBJECT.sub(rf"[#\1]({_literal(repository)}/issues/\1)", subject)
    return subject, numbers


def link_people(subject: str, host: str) -> str:
    """`subject` with each `@user` linked; `@scope/package` is nobody."""

    def link(found: re.Match[str]) -> str:
        user = found[1]
        return f"@{user}" if "/" in user else f"[@{user}]({host}/{user})"

    return _PERSON_IN_A_SUBJECT.sub(link, subject) if "@" in subject else subject


def _literal(text: str) -> str:
    return text.replace("\\", r"\\")


def _sentences(line: str) -> Iterator[str]:
    """What follows each action word, up to the next one or to the end of the line."""
    position = 0
    while action := _ACTION.search(line, position):
        following = _ANY_ACTION.search(line, action.end())
        end = following.start() if following else len(line)
        sentence = line[action.end() : end]
        position = end
        if not _LINE_END.search(sentence):
            yield sentence


def _references(sentence: str) -> Iterator[Reference]:
    read = 0
    mark = sentence.find("#")
    while mark >= 0:
        name = _ISSUE_NAME.match(sentence, mark + 1)
        issue = name[0].rstrip(_NOT_A_DIGIT_OF_AN_ISSUE) if name else ""
        if issue:
            before = sentence[read:mark]
            repository = before[len(before.rstrip(_IN_A_REPOSITORY_NAME)) :]
            owner, slash, rest = repository.partition("/")
            yield Reference(*((owner, rest) if slash else ("", repository)), issue)
        read = mark + 1 + len(issue)
        mark = sentence.find("#", read)
