"""The one redactor: text from outside passes through it before anybody may read it.

It knows the shapes of the credentials that the system handles, and of personal data.
Where the exact values are known (a subprocess that was given one), pass them as ``values``:
they are found in every spelling of ``delivery.disguises``, and in every view of the text.
"""

from collections.abc import Iterable, Iterator

from delivery.credentials import credentials
from delivery.disguises import SHORTEST, encodings, spellings
from delivery.named_secrets import named_secrets
from delivery.personal import PERSONAL
from delivery.views import Span, View, views_of

MASK = "[redacted]"
_LONG = 8

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")


def redact(text: str, values: Iterable[str] = (), *, personal: bool = True) -> str:
    """``text`` with every credential in it, and personal data, replaced by ``[redacted]``.

    ``values`` are exact secrets to remove besides the known shapes; what is shorter than
    four characters is ignored, since removing it would only garble the text. Takes time in
    proportion to the text.
    """
    known = [value for value in values if len(value) >= SHORTEST]
    spelled = {form for value in known for form in spellings(value)}
    encoded = {form for value in known for form in encodings(value)}
    spans: list[Span] = []
    for view in views_of(text):
        spans += _by_shape(view, personal=personal)
        if known:
            spans += _by_value(view, spelled)
            spans += (_whole_word(text, span) for span in _merged(_by_value(view, encoded)))
    return _masked(text, _merged(spans))


def _by_shape(view: View, *, personal: bool) -> Iterator[Span]:
    for span in (*credentials(view.text), *named_secrets(view.text)):
        yield view.span(*span)
    for shape, is_meant in PERSONAL if personal else ():
        for found in shape.finditer(view.text):
            if is_meant(found):
                yield view.span(*found.span("secret"))


def _by_value(view: View, forms: Iterable[str]) -> Iterator[Span]:
    """Every place of every form; long ones also where they were wrapped."""
    unwrapped = view.without_spaces()
    for form in forms:
        yield from _places(view, form)
        squeezed = "".join(form.split())
        if unwrapped is not view and len(squeezed) >= _LONG:
            yield from _places(unwrapped, squeezed)


def _places(view: View, form: str) -> Iterator[Span]:
    start = view.text.find(form)
    while start >= 0:
        yield view.span(start, start + len(form))
        start = view.text.find(form, start + 1)


def _whole_word(text: str, span: Span) -> Span:
    """The span with the rest of the base64 around it, which may hold the rest of the secret."""
    start, end = span
    while start > 0 and text[start - 1] in _BASE64:
        start -= 1
    while end < len(text) and text[end] in _BASE64:
        end += 1
    return start, end


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap or touch as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _masked(text: str, spans: Iterable[Span]) -> str:
    kept, done = [], 0
    for start, end in spans:
        kept += [text[done:start], MASK]
        done = end
    return "".join([*kept, text[done:]])
