"""Make `delivery/collation.gz`, the order of characters that `delivery.collation` reads.

    python -m tools.collation_table ALLKEYS

ALLKEYS is `allkeys_CLDR.txt` of the Unicode CLDR, the weights of every character but
the ideographs (Debian's package `unicode-cldr-core` has it, below
`/usr/share/unicode/cldr/common/uca/`). The order of the ideographs, by radical and
stroke, is asked of ICU itself, through the Node that `uv.lock` names (`tools/npm.sh`).
Needed again only when a new Unicode version adds characters that commit messages use.
"""

from __future__ import annotations

import gzip
import json
import re
import struct
import subprocess
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from delivery.collation import COMMON, IDEOGRAPHS_FROM, THE_REST, Weights

_ROOT = Path(__file__).parents[1]
_TABLE = _ROOT / "delivery" / "collation.gz"
_ENTRY = re.compile(r"([0-9A-F ]+?) *; ((?:\[[.*][0-9A-F.]+\])+)")
_WEIGHTS = re.compile(r"\[[.*]([0-9A-F]+)\.([0-9A-F]+)\.([0-9A-F]+)\]")
_IDEOGRAPHS = [*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000), *range(0xFA0E, 0xFA2A)]
_ASK_ICU = """
const letters = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(letters.sort(new Intl.Collator("en-US").compare)));
"""
# What ICU 78 has otherwise than the file of 2022. Typographic quotation marks have become
# forms of the plain ones, in this order; some currency signs are taken for their letters.
_QUOTES = {
    "'": "\u2018\u2019\u201a\u201b\u05f3",
    '"': "\u201c\u201d\u201e\u201f\u2e42\u301d\u301e\u301f\u05f4",
}
# Secondary weights, so many times finer than the file's: room between plain and accented.
_FINER = 16
_AS_LETTERS = {"\u20a7": "Pts", "\u20a8": "Rs", "\ufdfc": "\u0631\u06cc\u0627\u0644"}

_IMPLICIT = range(0xFB40, 0xFC00)


def main(arguments: list[str]) -> int:
    """Write the table; says how large it has become."""
    entries = dict(_entries(Path(arguments[0]).read_text("utf-8")))
    entries |= dict(_newer(entries))
    ideographs = _ideographs()
    places = {letter: IDEOGRAPHS_FROM + place for place, letter in enumerate(ideographs)}
    placed = {key: list(_place(weights, places)) for key, weights in entries.items()}
    packed = gzip.compress(_table(placed, ideographs), 9, mtime=0)
    _TABLE.write_bytes(packed)
    print(f"{_TABLE}: {len(entries)} entries, {len(packed)} bytes")
    return 0


def _newer(entries: dict[str, list[Weights]]) -> Iterator[tuple[str, list[Weights]]]:
    """The entries that differ in the ICU that we follow."""
    for sign, letters in _AS_LETTERS.items():
        yield sign, [weights for letter in letters for weights in entries[letter]]
    for plain, forms in _QUOTES.items():
        for place, form in enumerate(forms, 1):
            yield form, [(entries[plain][0][0], COMMON[0] + place, COMMON[1])]
    yield "\ufffd", [(sys.maxunicode, *COMMON)]


def _place(weights: list[Weights], places: dict[str, int]) -> Iterator[Weights]:
    """`weights` with an ideograph's code, two weights that spell it, replaced by its place."""
    rest = iter(weights)
    for primary, secondary, tertiary in rest:
        if primary not in _IMPLICIT:
            yield primary, secondary, tertiary
        else:
            code = (primary - _IMPLICIT.start) << 15 | next(rest)[0] & 0x7FFF
            letter = chr(code & 0x1FFFFF)
            if letter in places:
                yield places[letter], secondary, tertiary
            else:
                yield THE_REST, secondary, tertiary
                yield ord(letter), 0, 0


def _table(entries: dict[str, list[Weights]], ideographs: list[str]) -> bytes:
    """A line of JSON, then five columns of little-endian numbers; see `delivery.collation`."""
    singles = sorted((ord(key), weights) for key, weights in entries.items() if len(key) == 1)
    flat = [weights for _, many in singles for weights in many]
    head = {
        "characters": len(singles),
        "weights": len(flat),
        "contractions": {key: weights for key, weights in entries.items() if len(key) > 1},
        "ideographs": _runs(ideographs),
        "joining": "".join(sorted(_joining(entries))),
    }
    columns = [
        ("I", _steps(code for code, _ in singles)),
        ("B", (len(weights) for _, weights in singles)),
        ("I", _steps(primary for primary, _, _ in flat)),
        ("H", (secondary for _, secondary, _ in flat)),
        ("B", (tertiary for _, _, tertiary in flat)),
    ]
    body = b"".join(_packed(kind, numbers) for kind, numbers in columns)
    return json.dumps(head).encode() + b"\n" + body


def _joining(entries: dict[str, list[Weights]]) -> set[str]:
    """The characters before which a text must not be cut: they may belong to the one before."""
    marks = {key for key in entries if len(key) == 1 and unicodedata.combining(key)}
    joining = marks.union(*(key[1:] for key in entries))
    composed = (chr(code) for code in range(sys.maxunicode + 1))
    return joining | {c for c in composed if unicodedata.normalize("NFD", c)[0] in joining}


def _packed(kind: str, numbers: Iterable[int]) -> bytes:
    wrapped = [number & 0xFFFFFFFF for number in numbers]
    return struct.pack(f"<{len(wrapped)}{kind}", *wrapped)


def _steps(numbers: Iterable[int]) -> Iterator[int]:
    """Each number less the one before it: small numbers, which compress well."""
    before = 0
    for number in numbers:
        yield number - before
        before = number


def _entries(allkeys: str) -> Iterator[tuple[str, list[Weights]]]:
    """Each character or contraction that does not decompose, with its weights."""
    for found in filter(None, map(_ENTRY.match, allkeys.splitlines())):
        key = "".join(chr(int(code, 16)) for code in found[1].split())
        if unicodedata.normalize("NFD", key) == key:
            weights = _WEIGHTS.findall(found[2])
            yield key, [(int(p, 16), int(s, 16) * _FINER, int(t, 16)) for p, s, t in weights]


def _node() -> str:
    """The one Node that `uv.lock` names, whatever the machine has."""
    install = [str(_ROOT / "tools" / "npm.sh"), "tools/node"]
    told = subprocess.run(install, capture_output=True, text=True, check=True, timeout=300)
    return told.stdout.strip()


def _ideographs() -> list[str]:
    """The unified ideographs of the basic plane in ICU's order."""
    letters = [chr(code) for code in _IDEOGRAPHS]
    unified = [c for c in letters if unicodedata.normalize("NFD", c) == c]
    asked = subprocess.run(
        [_node(), "-e", _ASK_ICU],
        input=json.dumps([c for c in unified if unicodedata.category(c) == "Lo"]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    order: list[str] = json.loads(asked.stdout)
    return order


def _runs(letters: list[str]) -> str:
    """`letters` in runs of neighbours: the first and the last of each, and so on."""
    runs: list[list[int]] = []
    for code in map(ord, letters):
        if runs and runs[-1][1] + 1 == code:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(f"{chr(first)}{chr(last)}" for first, last in runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
