"""Slack as the product meets it: an incoming webhook, and a bot's two methods."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.fakes import HttpDouble


@dataclass(frozen=True)
class Told:
    """One call: ``webhook``, ``postMessage`` or ``update``, and the message."""

    how: str
    message: dict[str, Any]

    @property
    def headline(self) -> str:
        """What stands on top, without its mark."""
        text: str = self.message["blocks"][0]["text"]["text"]
        return text.partition(" ")[2]

    @property
    def facts(self) -> dict[str, str]:
        """The fields by their names."""
        fields = self.message["blocks"][1]["fields"]
        pairs = (field["text"].split("\n", 1) for field in fields)
        return {name.strip("*"): value for name, value in pairs}


class SlackDouble(HttpDouble):
    """Takes every message and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Told] = []
        self.before: Callable[[], object] = lambda: None

    def headlines(self) -> list[str]:
        """What was said, in order."""
        return [each.headline for each in self.told]

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.before()
        how = request.url.path.rpartition("chat.")[2] if "chat." in request.url.path else "webhook"
        self.told.append(Told(how, json.loads(request.content)))
        if how == "webhook":
            return httpx.Response(200, text="ok")
        return httpx.Response(200, json={"ok": True, "channel": "C0", "ts": f"{len(self.told)}.0"})
