"""The forms in which a known secret may turn up in a text."""

import base64
import json
import shlex
import unicodedata
from collections.abc import Iterable, Iterator

from delivery.views import visible

SHORTEST = 4
"""What is shorter is no secret: to remove it would only garble the text."""
_SHORTEST_ENCODED = 6


def spellings(value: str) -> set[str]:
    """``value`` and its lines, as text: normalised, quoted for a shell, escaped for JSON.

    None is shorter than ``SHORTEST``.
    """
    forms = {unicodedata.normalize(form, value) for form in ("NFC", "NFD", "NFKC")} | {value}
    lines = {line.strip() for form in forms for line in form.splitlines()}
    plain = forms | lines
    plain |= {visible(form) for form in plain}
    written = {each for form in plain for each in _written(form)}
    return {form for form in written if len(form) >= SHORTEST}


def _written(value: str) -> Iterator[str]:
    yield value
    yield value.replace(" ", "+")  # a form's fields
    yield shlex.quote(value).strip("'")
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]


def encodings(value: str) -> set[str]:
    """``value`` in base64 and in hexadecimal, whatever stands before and after it.

    In base64 its letters depend on where it begins, so there are three forms; only those
    letters count that depend on nothing else.
    """
    found: set[str] = set()
    for raw in _bytes_of(value):
        found |= {raw.hex(), raw.hex().upper()}
        for shift in range(3):
            whole = base64.b64encode(b"\0" * shift + raw).decode()
            letters = whole[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
            found |= {letters, letters.translate(str.maketrans("+/", "-_"))}
    return found


def _bytes_of(value: str) -> Iterable[bytes]:
    raw = value.encode("utf-8", errors="surrogatepass")
    stripped = raw.strip()
    return {each for each in (raw, stripped) if len(each) >= _SHORTEST_ENCODED}
