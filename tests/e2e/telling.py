"""What Slack was told while something happened, as a person reads it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.delivering import Delivering


@dataclass(frozen=True)
class Message:
    """One message: its headline, its facts by name, the texts below, and its links by name."""

    headline: str
    facts: dict[str, str]
    texts: tuple[str, ...]
    links: dict[str, str]


def slack_rows(delivering: Delivering) -> list[dict[str, Any]]:
    """Every message that Slack has, oldest first."""
    kept = delivering.lab.command("slack", "messages", "--json")
    rows: list[dict[str, Any]] = json.loads(kept)["messages"]
    return rows


@contextmanager
def slack_listening(delivering: Delivering) -> Iterator[list[Message]]:
    """A list that has, at the end, what Slack was told meanwhile by us, oldest first."""
    before, told = len(slack_rows(delivering)), list[Message]()
    yield told
    payloads = [row["payload"] for row in slack_rows(delivering)[before:]]
    told += [_read(payload["blocks"]) for payload in payloads if payload.get("blocks")]


def _read(blocks: list[dict[str, Any]]) -> Message:
    fields = [field["text"] for block in blocks for field in block.get("fields", [])]
    pairs = (field.removeprefix("*").partition("*\n")[::2] for field in fields)
    elements = [each["text"] for block in blocks for each in block.get("elements", [])]
    found = re.findall(r"<(http[^|>]+)\|([^>]+)>", " ".join(elements))
    sections = [block["text"]["text"] for block in blocks if "text" in block]
    return Message(
        headline=sections[0],
        facts=dict(pairs),
        texts=tuple(sections[1:]),
        links={name: url for url, name in found},
    )
