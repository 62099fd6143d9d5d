"""Markdown that text from outside cannot break out of."""

import re
from collections.abc import Iterable, Sequence

_BACKTICKS = re.compile(r"`+")
_URL = re.compile(r"https?://[^\s\x00-\x20\x7f<>()\[\]\"'`|\\]+")
_ACTING = re.compile(r"[\\`*_{}\[\]<>#|!~&]")
# What begins a list, a rule or a heading at the start of a line: "-", "+", "=", "1."
_LIST_MARK = re.compile(r"^(\d{1,9}(?=[.)])|(?=[-+=]))")
_PIPE = re.compile(r"(?<!\\)(\\*)\|")


def code(text: str) -> str:
    """``text`` as inline code; empty stays empty. Safe for any text on one line."""
    line = " ".join(text.split())
    if not line:
        return ""
    longest = max((len(run) for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def fenced(text: str) -> str:
    """``text`` as a code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def link(url: str, text: str) -> str:
    """A link to an http(s) URL; anything else is shown as code and leads nowhere."""
    if not url:
        return ""
    if not _URL.fullmatch(url):
        return code(url)
    return f"[{escape(text)}]({url})"


def code_link(url: str, text: str) -> str:
    """Inline code that leads to an http(s) URL; without such a one it is only code.

    Nor does code lead anywhere that has ``]:``: at the start of a paragraph Markdown would take it
    for the definition of a link, which is not shown at all.
    """
    shown = code(text)
    leads = shown and "]:" not in shown and _URL.fullmatch(url)
    return f"[{shown}]({url})" if leads else shown


def escape(text: str) -> str:
    """``text`` on one line, with everything that Markdown or HTML would act upon literal."""
    line = _ACTING.sub(r"\\\g<0>", " ".join(text.split()))
    return _LIST_MARK.sub(r"\g<1>\\", line)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already, but cannot end their cell or row."""
    lines = [_row(header), _row(["---"] * len(header)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    line = " ".join(text.split())
    return _PIPE.sub(_escaped_pipe, line)


def _escaped_pipe(found: re.Match[str]) -> str:
    """An odd number of backslashes escapes the pipe already; an even one only themselves."""
    backslashes = found[1]
    return found[0] if len(backslashes) % 2 else f"{backslashes}\\|"
