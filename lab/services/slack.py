"""`python -m lab.services.slack`: an incoming webhook and a bot's two methods; keeps what it got.

`GET /_lab/messages` shows it, `DELETE /_lab/messages` forgets it.
"""

from __future__ import annotations

import hmac
import json
import re
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
CHANNEL = re.compile(r"[CGD][A-Z0-9]{8,}")
LONGEST_TEXT = 40_000
MOST_BLOCKS = 50
API_WORDS = {"unauthorized": "token_revoked", "forbidden": "not_in_channel"}


class Slack:
    """One webhook and one bot; whoever is not meant is refused as Slack refuses."""

    def __init__(
        self, path: str, bot_token: str, kept: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._bot_token = bot_token
        self._kept = kept
        self._clock = clock

    def app(self) -> Starlette:
        """The webhook, the bot's methods and the lab's doors."""
        return Starlette(
            routes=[
                Route("/_lab/messages", self.messages, methods=["GET", "DELETE"]),
                Route("/services/{path:path}", self.receive, methods=["POST"]),
                Route("/api/chat.postMessage", self.post, methods=["POST"]),
                Route("/api/chat.update", self.update, methods=["POST"]),
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
        if wrong := refuse_content(payload):
            return PlainTextResponse(wrong, 400)
        self._keep(payload)
        return PlainTextResponse("ok")

    async def post(self, request: Request) -> Response:
        """A bot's message; the answer names it, so that it can be changed."""
        return await self._as_bot(request, self._posted)

    async def update(self, request: Request) -> Response:
        """Another message in the place of one that is there; kept as one more."""
        return await self._as_bot(request, self._updated)

    async def _as_bot(
        self, request: Request, act: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Response:
        """The Web API's manner: always 200, and whether it went well in the body."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            return _not_ok("not_authed")
        if not hmac.compare_digest(token.encode(), self._bot_token.encode()):
            return _not_ok("invalid_auth")
        payload = read_payload("application/json", await request.body())
        if payload is None:
            return _not_ok("invalid_json")
        if not CHANNEL.fullmatch(str(payload.get("channel", ""))):
            return _not_ok("channel_not_found")
        if wrong := refuse_content(payload):
            return _not_ok(wrong)
        return JSONResponse(act(payload))

    def _posted(self, payload: dict[str, Any]) -> dict[str, Any]:
        thread = payload.get("thread_ts")
        if thread is not None and thread not in self._known():
            return {"ok": False, "error": "thread_not_found"}
        ts = f"{self._clock():.6f}"
        self._keep(payload, ts=ts)
        return {"ok": True, "channel": payload["channel"], "ts": ts, "message": payload}

    def _updated(self, payload: dict[str, Any]) -> dict[str, Any]:
        ts = payload.get("ts")
        if ts not in self._known():
            return {"ok": False, "error": "message_not_found"}
        self._keep(payload, ts=ts, updated=True)
        return {"ok": True, "channel": payload["channel"], "ts": ts, "text": payload.get("text")}

    def _keep(self, payload: dict[str, Any], **marks: Any) -> None:
        row = {"received_at": self._clock(), "payload": payload, **marks}
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        with self._kept.open("a") as kept:
            kept.write(json.dumps(row) + "\n")

    def _rows(self) -> list[dict[str, Any]]:
        lines = self._kept.read_text().splitlines() if self._kept.exists() else []
        return [json.loads(line) for line in lines]

    def _known(self) -> set[str]:
        return {row["ts"] for row in self._rows() if "ts" in row}

    async def messages(self, request: Request) -> Response:
        """What came, oldest first."""
        if request.method == "DELETE":
            self._kept.unlink(missing_ok=True)
        return JSONResponse({"messages": self._rows()})


def _not_ok(error: str) -> Response:
    return JSONResponse({"ok": False, "error": error})


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
    if not any(payload.get(name) for name in CONTENT):
        return "no_text"
    blocks = payload.get("blocks") or []
    if not isinstance(blocks, list) or len(blocks) > MOST_BLOCKS:
        return "invalid_blocks"
    if any(not isinstance(block, dict) or "type" not in block for block in blocks):
        return "invalid_blocks"
    if len(str(payload.get("text", ""))) > LONGEST_TEXT:
        return "msg_too_long"
    return ""


class SlackVoice:
    """Faults in Slack's words: plain text for webhooks, JSON for the Web API."""

    def refuse(self, fault: FaultRequest, label: str) -> Response:
        """Refuse as Slack would."""
        api = "/api/" in label
        if fault.kind in ("throttle", "limit"):
            wait = {"Retry-After": str(fault.retry_after_seconds)}
            if api:
                return JSONResponse({"ok": False, "error": "ratelimited"}, 429, wait)
            return PlainTextResponse("rate_limited", 429, wait)
        if api and fault.kind in API_WORDS:
            return _not_ok(API_WORDS[fault.kind])
        words = {"unauthorized": "invalid_token", "forbidden": "action_prohibited"}
        status = 403 if fault.kind in words else STATUS.get(fault.kind, fault.status)
        return PlainTextResponse(words.get(fault.kind, "rollup_error"), status)


def build(settings: LabSettings) -> ASGIApp:
    """The Slack of one lab."""
    kept = settings.home / "slack" / "messages.jsonl"
    slack = Slack(settings.slack_path, settings.slack_bot_token, kept)
    return Faulty(slack.app(), SlackVoice())


if __name__ == "__main__":
    main("slack", build)
