"""Markdown that text from outside cannot break out of."""

import re
from collections.abc import Iterable, Sequence

_BACKTICKS = re.compile(r"`+")


def code(text: str) -> str:
    """``text`` as inline code; empty stays empty. Safe for any text on one line."""
    if not text:
        return ""
    line = " ".join(text.split())
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
    if not re.fullmatch(r"https?://[^\s<>()\"'|]+", url):
        return code(url)
    return f"[{escape(text)}]({url})"


def escape(text: str) -> str:
    """``text`` with everything that Markdown or HTML would act upon made literal."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~])", r"\\\1", " ".join(text.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already, but cannot end their cell or row."""
    lines = [_row(header), _row(["---"] * len(header)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    line = " ".join(text.split())
    return re.sub(r"(?<!\\)\|", r"\\|", line)
