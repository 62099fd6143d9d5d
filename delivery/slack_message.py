"""An announcement as a Slack message: Block Kit, and a plain text where blocks do not show.

Nothing that comes from outside can mention anybody, lead anywhere, or end its own block:
Slack acts upon ``<...>`` alone once ``verbatim`` is set, and ``&``, ``<``, ``>`` are escaped as
https://docs.slack.dev/messaging/formatting-message-text demands. The limits are those of
https://docs.slack.dev/reference/block-kit/blocks: 150 characters a header, 3,000 a section,
2,000 a field, 10 fields, 50 blocks; a message of ours has five blocks at most.
"""

import re
from collections.abc import Sequence
from typing import Any

from delivery.announcement import Announcement
from delivery.redaction import redact

_HEADER, _SECTION, _FIELD, _FIELDS, _TEXT = 150, 2900, 300, 10, 1000
_CODE = 600
# Control characters but line ends and tabs; marks that turn the direction of what follows.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HALF_AN_ENTITY = re.compile(r"&[a-z]{0,3}$")
_URL = re.compile(r"https?://[!#-;=?-\[\]-_a-{}~]{1,1500}")  # ASCII without " < > \ ` |
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

Block = dict[str, Any]


def slack_message(announcement: Announcement) -> dict[str, Any]:
    """The payload for an incoming webhook or ``chat.postMessage``: ``text`` and ``blocks``."""
    blocks = [
        _header(f"{announcement.mark} {announcement.headline}"),
        _facts(announcement.facts),
        _section(_finding(announcement.finding)),
        _section(_command(announcement.next_command)),
        _links(announcement.links),
    ]
    return {
        "text": plain_text(announcement),
        "blocks": [block for block in blocks if block],
    }


def plain_text(announcement: Announcement) -> str:
    """The message in a few lines, for notifications and for clients without blocks."""
    facts = "; ".join(f"{name}: {value}" for name, value in announcement.facts)
    lines = [f"{announcement.mark} {announcement.headline}", facts, announcement.finding]
    return fit(escape("\n".join(line for line in lines if line)), _TEXT)


def escape(text: str) -> str:
    """``text`` without secrets and with nothing left in it that Slack would act upon."""
    visible = _UNSEEN.sub(" ", redact(text))
    return re.sub("[&<>]", lambda found: _ENTITIES[found[0]], visible)


def fit(escaped: str, limit: int) -> str:
    """Escaped text cut to ``limit`` characters, never within an entity."""
    if len(escaped) <= limit:
        return escaped
    return _HALF_AN_ENTITY.sub("", escaped[: limit - 1]) + "…"


def _header(text: str) -> Block:
    # plain_text shows entities as they are, and acts upon nothing but emoji names.
    line = " ".join(_UNSEEN.sub(" ", redact(text)).split())
    shown = line if len(line) <= _HEADER else line[: _HEADER - 1] + "…"
    return {"type": "header", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def _facts(facts: Sequence[tuple[str, str]]) -> Block:
    fields = [
        _mrkdwn(f"*{escape(name)}*\n{fit(escape(value), _FIELD)}")
        for name, value in facts[:_FIELDS]
    ]
    return {"type": "section", "fields": fields} if fields else {}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)} if text else {}


def _finding(text: str) -> str:
    return fit(escape(text.strip()), _SECTION)


def _command(text: str) -> str:
    """What to type, in a block that its own text cannot close."""
    shown = fit(escape(text.strip().replace("`", "'")), _CODE)
    return f"Next, type:\n```{shown}```" if shown else ""


def _links(links: Sequence[tuple[str, str]]) -> Block:
    good = [(name, redact(url)) for name, url in links]
    shown = [f"<{escape(url)}|{name}>" for name, url in good if _URL.fullmatch(url)]
    if not shown:
        return {}
    return {"type": "context", "elements": [_mrkdwn(" · ".join(shown))]}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}
