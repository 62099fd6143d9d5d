"""The one redactor: text from outside passes through it before anybody may read it.

It knows the shapes of the credentials that the system handles. Where the exact values
are known (a subprocess that was given one), pass them as ``values``.
"""

import re
from collections.abc import Iterable

MASK = "[redacted]"

_SHAPES = (
    re.compile(r"\bdp\.(?:st|ct|pt|sa|scim|audit)\.[\w.-]{8,}"),
    re.compile(r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{20,})"),
    re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
    ),
    re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*"),
)
# https://hooks.slack.com/services/T…/B…/…, whatever the host in front
_SLACK_PATH = re.compile(r"(/services/)T\w+/B\w+/\w+")
# postgresql://user:password@host, https://token@host
_URL_PASSWORD = re.compile(
    r"(\b[a-z][a-z0-9+.-]{1,20}://)([^\s/@:]{0,200}:)?([^\s/@]{1,200})@", re.I
)
# PASSWORD=…, "token": "…", Authorization: Bearer …
_ASSIGNMENT = re.compile(
    r"""(?P<name>\b[\w-]{0,60}(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)[\w-]{0,60})"""
    r"""(?P<separator>["']?\s{0,3}[:=]\s{0,3}["']?)(?P<value>[^\s"',;]{6,})""",
    re.I,
)
_AUTHORIZATION = re.compile(
    r"(\bauthorization\b[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+)\S+", re.I
)


def redact(text: str, values: Iterable[str] = ()) -> str:
    """``text`` with every credential in it replaced by ``[redacted]``.

    ``values`` are exact secrets to remove besides the known shapes; those shorter than
    four characters are ignored, since removing them would only garble the text.
    """
    for value in sorted({v for v in values if len(v) >= 4}, key=len, reverse=True):
        text = text.replace(value, MASK)
    for shape in _SHAPES:
        text = shape.sub(MASK, text)
    text = _SLACK_PATH.sub(rf"\1{MASK}", text)
    text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    return _ASSIGNMENT.sub(rf"\g<name>\g<separator>{MASK}", text)
