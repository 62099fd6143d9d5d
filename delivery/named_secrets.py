"""Secrets by the name that they are given: ``MAIL_PASS=...``, ``"apiKey": "..."``, ``--token ...``.

A name counts by its parts: ``private_key`` and ``jwtSecret`` do, ``monkey`` and ``keyspace`` do
not. What a program says of a secret is none: ``token: unauthorized``.
"""

import re
from collections.abc import Iterator

from delivery.views import Span

_SEPARATED = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]++)(?P<closing>[\"']?)\]?[ \t]{0,8}"
    r"(?P<separator>=>|->|:=|[:=])(?P<blanks>[ \t]{0,8})"
)
_FLAG = re.compile(
    r"(?<![\w.-])(?P<closing>)--?(?P<name>[^\W\d_][\w.-]*+)"
    r"(?P<separator>[ \t])(?P<blanks>[ \t]{0,8})(?=[^\s-])"
)
_ELEMENT = re.compile(r"<(?P<name>[\w.:-]{1,80})(?:\s[^<>]{0,200})?>(?P<secret>[^<]+)")

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_JOINT = re.compile(r"[._-]+")
# At the end of a part, so that PGPASSWORD counts, and whatever parts follow.
_TELLING = re.compile(
    r"(?:password|passwd|passphrase|passcode|secret|token|credential|비밀번호|암호)s?\d*_"
    r"|(?:api|access|private|signing|encryption|account|master)_?keys?\d*_"
)
# Ordinary words too, hence only as the last part, apart from what tells one value from another.
_LAST = re.compile(
    r"_(?:(?:require|master|user|ssh|db)?pass|pwd|pw|(?:master|basic)?auth|authorization|key|dsn"
    r"|creds?|webhook)\d*_"
    r"(?:(?:\d+|v\d+|base64|b64|hex|pem|prod|prd|production|stg|staging|dev|test|live|old|new"
    r"|current|previous|value)_)*+\Z"
)
# --password-stdin, POSTGRES_PASSWORD_FILE: where the secret is, not what it is.
_PLACE = re.compile(r"_(?:stdin|file|path|dir)_\Z")
_TELLING_LAST = re.compile(rf"(?:{_TELLING.pattern})\Z")
# In prose these alone say little: "Key: value", "pass: 12", "auth: by certificate".
_COMMON = {"_pass_", "_pwd_", "_pw_", "_auth_", "_authorization_", "_key_", "_webhook_"}
_MIXED = re.compile(r"(?=[^\s,=]{0,63}\d)(?=[^\s,=]{0,63}[a-z])(?!/)[^\s,=]{8}", re.I)

_QUOTED = {quote: re.compile(rf"(?P<secret>(?:[^{quote}\\\n]|\\.)*+)") for quote in ("'", '"')}
_OPENING = re.compile(r"[bru]?(?P<quote>[\"'])", re.I)
# As shlex.quote writes a quote within quotes.
_GLUED = re.compile(r"[\"'](?=[\"'\\])\S*+")
_LIST = re.compile(r"\[[ ]?[\"'][^\]\n]*+")
_STRUCTURE = re.compile(r"[{\[(](?=[\s\"'}\]]|\Z)")
# To the end of the word; a quote ends it where it closes what the assignment stands in.
_WORD = re.compile(r"(?:[^\s\"']|[\"'](?![\s,;:)\]}]|\Z))++")

_SHORTEST = 4
_SHORTEST_IN_PROSE = 6
_NOTHING = re.compile(
    r"(?:true|false|null|none|undefined|empty|unset|missing|required|scram-sha-\d+|\*+)[,;.)}\]]*"
    r"|\d{1,5}[,;.)}\]]*",
    re.I,
)
# A shell's or a template's way to say where the value comes from.
_REFERENCE = re.compile(
    r"\\{0,3}\$\(|\$\{\w+(?:\}|:?\?)|\$[A-Z][A-Z0-9_]{2,}(?=[\"',;)}\]]*(?:\s|\Z))|\{\{|%s"
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:ms|[smhd]|[kmg]i?b?|%)?[,;.)}\]]*", re.I)
_PATH = re.compile(r"(?:/[\w.-]+)+/?[,;:.)]*")
# What stands behind an image's or a host's name: token-service:v1.10.2, http://auth:8080/health.
_TAG_OR_PORT = re.compile(r"v?\d+(?:\.\d+)+[\w.-]*|\d{1,5}/[\w./-]*|latest|sha256:\w*|\?\w*")
_SAID_OF_IT = re.compile(
    r"(?:un(?:authori[sz]ed|authenticated|able|expected|known|supported|set)"
    r"|permission|denied|forbidden|access|required|requires?|missing|invalid|incorrect|wrong"
    r"|malformed|expired|expires?|revoked|rejected|refused|authenti\w+|authori[sz]ation|login"
    r"|not|no|none|nothing|neither|never|cannot|can't|could|couldn't|did|does|doesn't|failed"
    r"|failure|fails|error|errors|exception|bad|timeout|timed|connection|request|response|server"
    r"|is|isn't|are|was|were|has|have|had|must|should|may|will|too|already|exceeded|unchanged"
    r"|the|this|that|these|what|which|who|when|where|why|how|please|check|see|use|set|make"
    r"|option|options|flag|flags|argument|arguments|instead|and|from|with|without|only|either"
    r"|file|directory|variable|value|empty|undefined|accepted|valid|found|present|removed)"
    r"(?=[:,.;!?)]*(?:\s|\Z))",
    re.I,
)


def named_secrets(text: str) -> Iterator[Span]:
    """Where the values of secrets stand that are named; takes time in proportion to the text."""
    for shape in (_SEPARATED, _FLAG):
        done = 0
        for found in shape.finditer(text):
            # What stands within a value is gone with it, and is not read twice.
            if found.start() >= done and (span := _value(text, found)):
                done = span[1]
                yield span
    for found in _ELEMENT.finditer(text):
        parts = _parts(found["name"])
        if parts != "_key_" and _is_secret(parts) and _may_be(found["secret"].strip(), parts):
            yield found.span("secret")


def _parts(name: str) -> str:
    """The name's parts in small letters, each between underscores."""
    return f"_{_JOINT.sub('_', _HUMP.sub('_', name)).strip('_').lower()}_"


def _is_secret(parts: str) -> bool:
    if _PLACE.search(parts):
        return False
    return bool(_TELLING.search(parts) or _LAST.search(parts))


def _value(text: str, found: re.Match[str]) -> Span | None:
    """Where the value stands, if the name is a secret's and the value may be one.

    What speaks against it is seen at its beginning, before the rest of it is read: else a
    text of nothing but names would be read again for each of them.
    """
    parts = _parts(found["name"])
    opening = _OPENING.match(text, found.end())
    start = opening.end() if opening else found.end()
    is_bare = not opening and not found["closing"]
    is_prose = is_bare and found["separator"] == ":"
    if not _is_secret(parts) or _REFERENCE.match(text, start):
        return None
    if is_bare and found["separator"] in ": \t" and _SAID_OF_IT.match(text, start):
        return None
    if (parts == "_key_" or (is_prose and parts in _COMMON)) and not _MIXED.match(text, start):
        return None
    if parts == "_key_" and is_prose:
        return None
    value = _extent(text, found, opening).match(text, start)
    if value and opening and (glued := _GLUED.match(text, value.end())):
        return found.end(), glued.end()
    if not value or not _may_be(value[0], parts):
        return None
    if is_prose and (len(value[0]) < _SHORTEST_IN_PROSE or _TAG_OR_PORT.fullmatch(value[0])):
        return None
    return value.span()


def _extent(text: str, found: re.Match[str], opening: re.Match[str] | None) -> re.Pattern[str]:
    """How far the value goes: its own quotes, those around the assignment, or the word."""
    if opening:
        return _QUOTED[opening["quote"]]
    around = text[found.start() - 1 : found.start()]
    if around in _QUOTED and not found["closing"]:
        return _QUOTED[around]
    return _LIST if _STRUCTURE.match(text, found.end()) else _WORD


def _may_be(value: str, parts: str) -> bool:
    """No number or path that only tells something about a secret, and long enough for one."""
    if len(value) < _SHORTEST or _NOTHING.fullmatch(value):
        return False
    if parts.endswith("pwd_") and _PATH.fullmatch(value):
        return False
    is_about_it = not _LAST.search(parts) and not _TELLING_LAST.search(parts)
    return not (is_about_it and _NUMBER.fullmatch(value))
