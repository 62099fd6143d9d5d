"""The one redactor: text from outside passes through it before anybody may read it.

It knows the shapes of the credentials that the system handles. Where the exact values
are known (a subprocess that was given one), pass them as ``values``.
"""

import re
from collections.abc import Iterable, Iterator

MASK = "[redacted]"
_SHORTEST_VALUE = 4

_SHAPES = (
    re.compile(r"\bdp\.(?:st|ct|pt|sa|scim|audit)\.[\w.-]{8,}"),
    re.compile(r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{20,})"),
    re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
    ),
    # Only at the start of a run: trying each "-eyJ" inside one would be quadratic.
    re.compile(r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*"),
)
# https://hooks.slack.com/services/T…/B…/…, whatever the host in front
_SLACK_PATH = re.compile(r"(/services/)T\w+/B\w+/\w+")
# postgresql://user:password@host, https://token@host
_URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@]+@", re.I)
# PASSWORD=…, "token": "…", Authorization: Bearer …
_ASSIGNMENT = re.compile(
    r"""(?P<name>(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)[\w-]{0,60})"""
    r"""(?P<separator>\\{0,3}["']?\s{0,3}[:=]\s{0,3}\\{0,3}["']?)(?P<value>[^\s"',;]{6,})""",
    re.I,
)
_AUTHORIZATION = re.compile(
    r"(\bauthorization\b[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+)\S+", re.I
)


def redact(text: str, values: Iterable[str] = ()) -> str:
    """``text`` with every credential in it replaced by ``[redacted]``.

    ``values`` are exact secrets to remove besides the known shapes, whole and line by
    line; what is shorter than four characters is ignored, since removing it would only
    garble the text. Takes time in proportion to the text.
    """
    text = _without(text, {part for value in values for part in (value, *value.splitlines())})
    for shape in _SHAPES:
        text = shape.sub(MASK, text)
    text = _SLACK_PATH.sub(rf"\1{MASK}", text)
    text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    return _ASSIGNMENT.sub(rf"\g<name>\g<separator>{MASK}", text)


def _without(text: str, values: Iterable[str]) -> str:
    """``text`` without the values, overlapping ones too: no end of one is left standing."""
    spans = sorted(
        (start, start + len(value))
        for value in values
        if len(value) >= _SHORTEST_VALUE
        for start in _places_of(value, text)
    )
    kept, covered = [], 0
    for start, end in spans:
        if start >= covered:
            kept += [text[covered:start], MASK]
        covered = max(covered, end)
    return "".join([*kept, text[covered:]])


def _places_of(value: str, text: str) -> Iterator[int]:
    start = text.find(value)
    while start >= 0:
        yield start
        start = text.find(value, start + 1)
