"""The notes that a person wants: what this deploy changes, above what the release brings.

The body is the release's own notes, in the form that their readers know. Above it
stands a preface of ours: from which version to which this deploy goes (which is not
always one release), who contributed, which issues it closes. All of it was written by
people who commit, so nothing in it may act: no HTML, no pictures, no links that lead
elsewhere than they seem to, nothing that hides what follows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from delivery.changelog import Repository
from delivery.commits import Commit
from delivery.markdown import code, escape
from delivery.release import ReleasePlan
from delivery.version import parse_version

LONGEST_RELEASE_BODY: Final = 125_000
"""GitHub takes no longer body for a release, in characters."""

_LONGEST_LINE: Final = 1_000
_MOST_NAMES: Final = 20
_MOST_ISSUES: Final = 50
_LONGEST_NAME: Final = 80
_CLOSES: Final = re.compile(
    r"(?<![\w-])(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?[ \t]+"
    r"((?:[\w.-]{1,100}/[\w.-]{1,100})?)#([0-9]{1,10})(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_BACKTICKS: Final = re.compile("`+")
_UNSEEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_TILDE_FENCE: Final = re.compile("~{3,}")
_ACTS_IN_A_TABLE: Final = re.compile(r"<|\[|&#")


def notes_for_people(
    plan: ReleasePlan,
    *,
    running: str | None,
    commits: Sequence[Commit],
    authors: Sequence[str] = (),
    repository_url: str,
    environment: str = "",
    longest: int = LONGEST_RELEASE_BODY,
) -> str:
    """A preface for this deploy, then the notes of the release, in `longest` characters.

    `running` is the tag that runs in `environment` now, None if nothing or nothing
    known; `commits` are those that this deploy brings, `authors` the name behind each.
    """
    repository = Repository.from_url(repository_url)
    preface = [
        _change(plan, running, len(commits), repository, environment),
        _thanks(authors),
        _closed(commits, repository),
    ]
    head = "".join(f"{line}\n\n" for line in preface if line)
    return bounded(head + harmless(plan.notes, repository), longest)


def notes_of_release(plan: ReleasePlan, *, repository_url: str) -> str:
    """The notes of a release that is no deploy, in as many characters as GitHub takes."""
    return bounded(harmless(plan.notes, Repository.from_url(repository_url)))


def harmless(markdown: str, repository: Repository) -> str:
    """`markdown` that shows what it showed, but does nothing but link into GitHub.

    HTML is shown as text, pictures as links are not followed, no line says what a link of
    another line means, a code span or fence that is not closed opens nothing, marks that
    turn the direction of writing are dropped, also where a number stands for one.
    """
    return "\n".join(_harmless_line(line, repository.host) for line in markdown.split("\n"))


def without_unseen(text: str) -> str:
    """`text` without what shows as nothing and yet acts, on terminals or on reading order."""
    return _UNSEEN.sub("", text)


def bounded(text: str, longest: int = LONGEST_RELEASE_BODY) -> str:
    """`text` in at most `longest` characters, as GitHub counts them, cut between lines."""
    if _size(text) <= longest:
        return text
    lines = text.split("\n")
    room = longest - _size(_cut_off(len(lines)))
    kept = 0
    while kept < len(lines) and room >= _size(lines[kept]) + 1:
        room -= _size(lines[kept]) + 1
        kept += 1
    return "\n".join([*lines[:kept], _cut_off(len(lines) - kept)])


def _change(
    plan: ReleasePlan, running: str | None, count: int, repository: Repository, environment: str
) -> str:
    if not plan.tag:
        return ""
    where = f" in {code(environment)}" if environment else ""
    if running is None:
        return f"**First deploy** of {code(plan.tag)}{where}."
    if running == plan.tag:
        return f"**No change**{where}: {code(plan.tag)} is what runs."
    verb = "Goes back" if _is_lower(plan.tag, running) else "Changes"
    between = f"{quote(running, safe='')}...{quote(plan.tag, safe='')}"
    what = f"{count} commit{'' if count == 1 else 's'}" if count else "compare"
    link = f"[{what}]({repository.url}/compare/{between})"
    return f"**{verb}**{where} from {code(running)} to {code(plan.tag)}: {link}."


def _is_lower(tag: str, other: str) -> bool:
    """Whether `tag` names a lower version than `other`; False if either names none."""
    one, two = (parse_version(re.sub(r"^\D*", "", text)) for text in (tag, other))
    return one is not None and two is not None and one < two


def _thanks(authors: Sequence[str]) -> str:
    counted = Counter(" ".join(name.split())[:_LONGEST_NAME] for name in authors)
    names = [name for name, _ in counted.most_common() if name]
    if not names:
        return ""
    shown = [escape(without_unseen(name)) for name in names[:_MOST_NAMES]]
    return f"**Contributors:** {_listed(shown, len(names))}"


def _closed(commits: Sequence[Commit], repository: Repository) -> str:
    found: dict[tuple[str, str], None] = {}
    for commit in commits:
        found.update(dict.fromkeys(_CLOSES.findall(commit.message)))
    links = [
        f"[{name}#{number}]({repository.host}/{name or repository.path}/issues/{number})"
        for name, number in found
    ]
    return f"**Closes:** {_listed(links[:_MOST_ISSUES], len(links))}" if links else ""


def _listed(shown: Sequence[str], total: int) -> str:
    more = total - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _harmless_line(line: str, host: str) -> str:
    """One line, with its code spans left as they are and all else disarmed."""
    line = _shortened(without_unseen(line))
    parts, position = [], 0
    while opening := _BACKTICKS.search(line, position):
        parts.append(_disarmed(line[position : opening.start()], host))
        closing = None if "\\`" in line else _closing(line, opening)
        position = (closing or opening).end()
        span = line[opening.start() : position]
        if closing and _is_code_everywhere(span):
            parts.append(span)
        else:
            parts.append(_disarmed(span, host).replace("`", "&#96;"))
    return "".join([*parts, _disarmed(line[position:], host)])


def _closing(line: str, opening: re.Match[str]) -> re.Match[str] | None:
    """The next run of as many backticks, which ends the code span that `opening` begins."""
    runs = _BACKTICKS.finditer(line, opening.end())
    return next((run for run in runs if len(run[0]) == len(opening[0])), None)


def _is_code_everywhere(span: str) -> bool:
    """Whether no block that the line may lie in keeps the span from being code.

    What a link means is read before code is, and so are the cells of a table.
    """
    return "]:" not in span and not ("|" in span and _ACTS_IN_A_TABLE.search(span))


def _disarmed(text: str, host: str) -> str:
    """Text outside code: no tag, no picture, no link but into `host`, no meaning of a link."""
    text = text.replace("&#", "&amp;#").replace("<", "&lt;")
    text = _TILDE_FENCE.sub(r"\\\g<0>", text.replace("![", "!\\[").replace("]:", "]\\:"))
    return re.sub(rf"\]\((?!{re.escape(host)}/)", r"]\\(", text)


def _shortened(line: str) -> str:
    """A line that no person reads to its end, cut; the link to its commit stays."""
    if len(line) <= _LONGEST_LINE:
        return line
    link = line.rfind(" ([")
    tail = line[link:] if link >= 0 and len(line) - link <= _LONGEST_LINE // 2 else ""
    return f"{line[: _LONGEST_LINE // 2]}…{tail}"


def _cut_off(lines: int) -> str:
    return f"… and {lines:,} more line{'' if lines == 1 else 's'}"


def _size(text: str) -> int:
    """Characters as JavaScript and databases count them: most emoji are two."""
    return len(text) + sum(character > "\uffff" for character in text)
