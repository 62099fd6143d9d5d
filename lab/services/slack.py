"""`python -m lab.services.slack`: an incoming webhook that keeps what it got.

`GET /_lab/messages` shows it, `DELETE /_lab/messages` forgets it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lab.services.faults import STATUS, FaultRequest
from lab.services.serving import Faulty, main
from lab.settings import LabSettings

CONTENT = ("text", "blocks", "attachments")
LONGEST_TEXT = 40_000
MOST_BLOCKS = 50


class Slack:
    """One webhook; a wrong path is refused as Slack refuses it."""

    def __init__(self, path: str, kept: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._kept = kept
        self._clock = clock

    def app(self) -> Starlette:
        """The webhook and the lab's doors."""
        return Starlette(
            routes=[
                Route("/_lab/messages", self.messages, methods=["GET", "DELETE"]),
                Route("/services/{path:path}", self.receive, methods=["POST"]),
            ]
        )

    async def receive(self, request: Request) -> Response:
        """One message: `ok`, or one of Slack's error words."""
        if request.url.path != self._path:
            return PlainTextResponse("no_service", 404)
        body = await request.body()
        payload = read_payload(request.headers.get("content-type", ""), body)
        if payload is None:
            return PlainTextResponse("invalid_payload", 400)
        if not any(payload.get(name) for name in CONTENT):
            return PlainTextResponse("no_text", 400)
        if wrong := refuse_content(payload):
            return PlainTextResponse(wrong, 400)
        row = {"received_at": self._clock(), "payload": payload}
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        with self._kept.open("a") as kept:
            kept.write(json.dumps(row) + "\n")
        return PlainTextResponse("ok")

    async def messages(self, request: Request) -> Response:
        """What came, oldest first."""
        if request.method == "DELETE":
            self._kept.unlink(missing_ok=True)
        lines = self._kept.read_text().splitlines() if self._kept.exists() else []
        return JSONResponse({"messages": [json.loads(line) for line in lines]})


def read_payload(content_type: str, body: bytes) -> dict[str, Any] | None:
    """The message, sent as JSON or as the `payload` of a form; None if it is neither."""
    try:
        text = body.decode()
        if "form-urlencoded" in content_type:
            text = parse_qs(text).get("payload", [""])[0]
        payload = json.loads(text)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def refuse_content(payload: dict[str, Any]) -> str:
    """Slack's word for a message that it cannot show; empty if it can."""
    blocks = payload.get("blocks") or []
    if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS:
        return "invalid_blocks"
    if any(not isinstance(block, dict) or "type" not in block for block in blocks):
        return "invalid_blocks"
    if len(str(payload.get("text", ""))) > LONGEST_TEXT:
        return "msg_too_long"
    return ""


class SlackVoice:
    """Faults in Slack's words: plain text, as its webhooks answer."""

    def refuse(self, fault: FaultRequest, label: str) -> Response:  # noqa: ARG002 - the protocol's
        """Refuse as Slack would."""
        if fault.kind in ("throttle", "limit"):
            wait = {"Retry-After": str(fault.retry_after_seconds)}
            return PlainTextResponse("rate_limited", 429, wait)
        words = {"unauthorized": "invalid_token", "forbidden": "action_prohibited"}
        status = 403 if fault.kind in words else STATUS.get(fault.kind, fault.status)
        return PlainTextResponse(words.get(fault.kind, "rollup_error"), status)


def build(settings: LabSettings) -> ASGIApp:
    """The webhook of one lab."""
    slack = Slack(settings.slack_path, settings.home / "slack" / "messages.jsonl")
    return Faulty(slack.app(), SlackVoice())


if __name__ == "__main__":
    main("slack", build)
