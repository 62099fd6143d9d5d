"""The few habits of JavaScript that the reference's answers depend on.

The tags and notes that TT Deploy continues were made by a program in that
language: which characters are blank, what ends a line, when a text counts as a
number, and in which order its sort asks its questions all show in them.
Sources: ECMA-262 (2023) sections 7.1.4.1, 11.2, 11.3 and 23.1.3.30; for the
sort, the description of timsort (listsort.txt) that V8 says it follows.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

BLANKS: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What `\\s` matches and `trim` removes."""

LINE_ENDS: Final = "\n\r\u2028\u2029"
"""What `.` does not match."""

_LINE_END: Final = re.compile(f"[{LINE_ENDS}]")
_DECIMAL: Final = re.compile(r"[+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)
_RADIX: Final = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_LARGEST_INDEX: Final = 2**32 - 2


def has_line_end(text: str) -> bool:
    """Whether `.*` would stop before the end of `text`."""
    return _LINE_END.search(text) is not None


@lru_cache(maxsize=1024)
def sign_of_number(text: str) -> int | None:
    """The sign (-1, 0 or 1) of `text` read as a number; None if it is not one."""
    bare = text.strip(BLANKS)
    if not bare:
        return 0
    if _RADIX.fullmatch(bare):
        return 1 if bare[2:].strip("0") else 0
    if not _DECIMAL.fullmatch(bare):
        return None
    mantissa = re.split("[eE]", bare)[0]
    if "Infinity" not in bare and not mantissa.strip("+-.0"):
        return 0
    return -1 if bare.startswith("-") else 1


def is_array_index(key: str) -> bool:
    """Whether an object lists the property `key` first, by number, not by age."""
    if not (key.isascii() and key.isdigit()) or len(key) > len(str(_LARGEST_INDEX)):
        return False
    return str(int(key)) == key and int(key) <= _LARGEST_INDEX
