"""A text as whoever decodes it reads it, with every character's place in the original.

What is found in a view can so be taken out of the original, however it was written there:
split by colour codes, percent-encoded, escaped for JSON, HTML or a shell.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import unescape

Span = tuple[int, int]

# Terminal sequences, and characters that show as nothing.
_UNSEEN = re.compile(
    r"\x1b+\[[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b+\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|[\x00-\x08\x0e-\x1a\x7f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
_SPACE = re.compile(r"\s+")
_PERCENT = r"%[0-7][0-9a-f]|(?:%[89a-f][0-9a-f])+"
_BACKSLASH = (
    r"(?:\\u[d][89ab][0-9a-f]{2}\\u[d][c-f][0-9a-f]{2})|\\u[0-9a-f]{4}"
    r"|(?:\\x[89a-f][0-9a-f])+|\\x[0-7][0-9a-f]|\\."
)
_ENTITY = r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,7}|#x[0-9a-f]{1,6});"
# Each on its own, since what one decodes may stand for itself in another; then all together.
_CODES = [
    re.compile(code, re.I | re.S)
    for code in (_PERCENT, _BACKSLASH, _ENTITY, f"{_PERCENT}|{_BACKSLASH}|{_ENTITY}")
]
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "0": "\0"}
_DECODED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class View:
    """Character ``i`` of ``text`` stands for ``starts[i]`` to ``ends[i]`` of the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> Span:
        """Where a (not empty) stretch of this view stands in the original."""
        return self.starts[start], self.ends[end - 1]

    def without_spaces(self) -> "View":
        """The view without blanks and line ends: as if nothing had been wrapped."""
        return _rewritten(self, _SPACE, lambda _: "")


def visible(text: str) -> str:
    """The text without what does not show."""
    return _UNSEEN.sub("", text)


def views_of(text: str) -> Iterator[View]:
    """The text, without what does not show, and decoded up to three times."""
    view = View(text, range(len(text)), range(1, len(text) + 1))
    yield view
    shown = _rewritten(view, _UNSEEN, lambda _: "")
    if shown is not view:
        yield shown
        view = shown
    for code in _CODES:
        yield from _decodings(view, code)


def _decodings(view: View, code: re.Pattern[str]) -> Iterator[View]:
    for _ in range(_DECODED_AT_MOST):
        decoded = _rewritten(view, code, _decoded)
        if decoded is view:
            return
        yield decoded
        view = decoded


def _rewritten(view: View, what: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> View:
    """The view with every match replaced; each new character stands for the whole match."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for found in what.finditer(view.text):
        new = by(found)
        start, end = view.span(*found.span())
        pieces += [view.text[done : found.start()], new]
        starts += [*view.starts[done : found.start()], *[start] * len(new)]
        ends += [*view.ends[done : found.start()], *[end] * len(new)]
        done = found.end()
    if not pieces:
        return view
    return View(
        "".join([*pieces, view.text[done:]]),
        [*starts, *view.starts[done:]],
        [*ends, *view.ends[done:]],
    )


def _decoded(found: re.Match[str]) -> str:
    code = found[0]
    if code.startswith("%"):
        return _utf8(code.replace("%", ""))
    if code.startswith("&"):
        return unescape(code)
    if code[1] in "uU" and len(code) > 2:
        units = bytes.fromhex(code.lower().replace("\\u", ""))
        return units.decode("utf-16-be", errors="replace")
    if code[1] in "xX" and len(code) > 2:
        return _utf8(code.lower().replace("\\x", ""))
    return _LETTERS.get(code[1], code[1])


def _utf8(digits: str) -> str:
    """Bytes as text; what is no UTF-8 is taken for Latin-1, byte by byte."""
    raw = bytes.fromhex(digits)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
