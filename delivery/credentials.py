"""Credentials by their own shape, in URLs, in headers and on the command lines of tools."""

import re
from collections.abc import Iterator

from delivery.views import Span

_VENDORS = (
    r"dp\.(?:st|ct|pt|sa|scim|audit)\.[\w.-]{8,}",  # Doppler
    r"gh[pousr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}",
    r"xox[abeoprs][-.][\w.-]{10,}|xapp-[\w-]{10,}",  # Slack
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",  # AWS
    r"dckr_(?:pat|oat)_[\w-]{10,}",  # Docker Hub
    r"npm_\w{30,}|pypi-[\w-]{30,}",
    r"gl(?:sa|c)_[\w=+/-]{20,}|pn[ub]_\w{20,}",  # Grafana, Prefect
    r"AIza[\w-]{30,}|ya29\.[\w-]{20,}",  # Google
    r"[sr]k_(?:live|test)_\w{16,}|whsec_\w{16,}",  # Stripe
    r"sk-(?:ant|proj|svcacct)-[\w-]{16,}|hf_\w{30,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",  # SendGrid
)
# The rest of a command before an option; a value that is only named, not told; an argument.
_BEFORE = r"[^\n;|&]{0,200}?\s"
_NAMED = r"(?!\$[({A-Z])"
_ARGUMENT = (
    rf"(?:\"{_NAMED}(?P<double>[^\"\n]+)|'(?P<single>[^'\n]+)|{_NAMED}(?P<secret>[^\s\"']\S*))"
)
_SHAPES = (
    re.compile(rf"\b(?P<secret>{'|'.join(_VENDORS)})"),
    re.compile(
        r"(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?"
        r"(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))",
        re.S,
    ),
    # Only at the start of a run: trying each "-eyJ" inside one would be quadratic.
    re.compile(r"(?<![\w-])(?P<secret>eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*)"),
    # https://hooks.slack.com/services/T…/B…/…, whatever the host in front
    re.compile(r"/services/(?P<secret>T\w+/B\w+/\w+)"),
    re.compile(r"slack(?:-gov)?\.com/(?:workflows|triggers)/(?P<secret>[\w/-]+)", re.I),
    re.compile(
        r"\bauthorization\b[\"']?\s*[:=]\s*[\"']?"
        r"(?:bearer|basic|token|digest|apikey|kakaoak)\s+(?P<secret>\S+)",
        re.I,
    ),
    re.compile(r"\bbearer\s{1,3}(?P<secret>[\w.~+/-]{16,}=*)", re.I),
    # What these tools take for a password.
    re.compile(rf"\b(?:redis|valkey)-cli\b{_BEFORE}(?:-a|--pass)[ =]{{1,3}}(?!is\b){_ARGUMENT}"),
    re.compile(
        rf"(?:\bsshpass\s|\b(?:docker|podman|nerdctl|helm registry) login\b{_BEFORE})-p"
        rf"[ =]{{0,3}}{_ARGUMENT}"
    ),
    # Not docker's: -u 1000:1000
    re.compile(
        r"(?<!\S)(?:-u|--user|--proxy-user)[ =]{0,3}(?!\d{1,6}:\d{1,6}(?!\S))"
        rf"(?:\"[^\s:\"]{{0,100}}:{_NAMED}(?P<double>[^\"\n]+)"
        rf"|'[^\s:']{{0,100}}:(?P<single>[^'\n]+)|[\w.@-]{{1,100}}:{_NAMED}(?P<secret>\S+))"
    ),
    re.compile(r"\b(?:password|identified by)\s{1,3}'(?P<secret>[^'\n]{4,})", re.I),
    re.compile(
        r"\b(?:requirepass|masterauth|masterpass)[\"']?\s{1,3}"
        r"(?!(?:is|was|has|not|must|and|or|in)\b|%s)[\"']?(?P<secret>[^\s\"']{4,})",
        re.I,
    ),
)
_WORD = re.compile(r"[^\s\"<>]+")
_SCHEME = re.compile(r"(?<=[a-z0-9])://", re.I)
_LOGIN = re.compile(r"[^/?#]*@")
_USER = re.compile(r"[^/?#@:]*:(?!\d{1,5}(?:[/?#,]|\Z))")
_LAST_SIGN = re.compile(r"@(?!sha256:)")


def credentials(text: str) -> Iterator[Span]:
    """Where credentials stand; takes time in proportion to the text."""
    for shape in _SHAPES:
        for found in shape.finditer(text):
            yield found.span(found.lastgroup or 0)
    for word in _WORD.finditer(text):
        if "@" in word[0] and "://" in word[0]:
            for start, end in _logins(word[0]):
                yield word.start() + start, word.start() + end


def _logins(word: str) -> Iterator[Span]:
    """postgresql://user:password@host, https://token@host; a password may hold "/" and "@".

    What follows a colon is then no port, and the login ends at the word's last "@".
    """
    last = max((sign.start() for sign in _LAST_SIGN.finditer(word)), default=0)
    done = 0
    for scheme in _SCHEME.finditer(word):
        at = scheme.end()
        if at < done or at >= last:
            continue
        user = _USER.match(word, at)
        login = _LOGIN.match(word, at)
        if user and user.end() <= last:
            done = last
        elif login and login.end() <= last + 1:
            done = login.end() - 1
        if done > at:
            yield at, done
