"""How every service of the lab is served: loopback only, health, faults, one log line a request."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from lab.services.faults import FaultBoard, FaultRequest, Voice
from lab.settings import LabSettings

CONNECTION = "connection"
RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST instead of FIN."""

Label = Callable[[Scope], str]


class Connection(H11Protocol):
    """uvicorn's protocol, reachable from the application so that a fault can cut the line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_state = {**self.app_state, CONNECTION: self}

    def cut(self, *, reset: bool) -> None:
        """End the TCP connection under the caller: closed, or reset."""
        if reset:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        self.transport.abort()


def plain_label(scope: Scope) -> str:
    """`METHOD /path?query`: what the `match` of a fault is compared with."""
    query = scope["query_string"].decode("latin-1")
    return f"{scope['method']} {scope['path']}" + (f"?{query}" if query else "")


class Faulty:
    """An application that has the faults on its board, and `/_lab/health` and `/_lab/fault`."""

    def __init__(
        self,
        app: ASGIApp,
        voice: Voice,
        *,
        board: FaultBoard | None = None,
        label: Label = plain_label,
        spares: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._voice = voice
        self._board = board or FaultBoard()
        self._label = label
        self._spares = spares

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, with the fault that strikes it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == "/_lab/health":
            await JSONResponse({"status": "up"})(scope, receive, send)
        elif scope["path"] == "/_lab/fault":
            response = await self._control(Request(scope, receive))
            await response(scope, receive, send)
        elif scope["path"].startswith("/_lab/"):
            await self._app(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        label = self._label(scope)
        fault = self._board.strike(label, spared=scope["path"].startswith(self._spares))
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind == "down":
            scope["state"][CONNECTION].cut(reset=False)
        elif fault.kind == "slow":
            await asyncio.sleep(fault.delay_seconds)
            await self._app(scope, receive, send)
        elif fault.kind == "reset":
            await self._app(scope, receive, _cut_midway(scope, send))
        elif fault.kind == "garbage":
            garbage = Response(b"<html><body>502 Bad Gat", 200, media_type="application/json")
            await garbage(scope, receive, send)
        else:
            await self._voice.refuse(fault, label)(scope, receive, send)

    async def _control(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self._board.add(FaultRequest.model_validate_json(await request.body()))
            except ValidationError as error:
                return JSONResponse({"error": json.loads(error.json())}, 422)
        elif request.method == "DELETE":
            self._board.clear()
        active = [
            {**fault.request.model_dump(), "struck": fault.struck} for fault in self._board.active()
        ]
        return JSONResponse({"faults": active})


def _cut_midway(scope: Scope, send: Send) -> Send:
    """A `send` that lets the request take effect and resets the line inside its answer.

    That is the nasty half of a lost connection: the caller cannot know whether it was heard.
    """

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
            await send({**message, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"', "more_body": True})
            scope["state"][CONNECTION].cut(reset=True)

    return cut


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a request belongs in the log: the lab's own heartbeat does not."""
    line = record.getMessage()
    return "/_agent/" not in line and "/_lab/health" not in line


class Server(uvicorn.Server):
    """uvicorn's server that looks twice a second whether it shall end.

    Ten times, as uvicorn does, is most of what the services of an idle lab cost.
    """

    async def main_loop(self) -> None:
        """Keep the time that answers tell, until it shall end."""
        while not await self.on_tick(0):
            await asyncio.sleep(0.5)


def server(app: ASGIApp, port: int) -> uvicorn.Server:
    """A server for an application on the loopback interface, not yet running."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http=Connection,
        ws="none",
        lifespan="off",
        log_level="info",
        # A long poll of an agent must not hold up a stop.
        timeout_graceful_shutdown=1,
        timeout_keep_alive=30,
    )
    logging.getLogger("uvicorn.access").addFilter(is_worth_a_line)
    return Server(config)


def main(name: str, build: Callable[[LabSettings], ASGIApp]) -> None:
    """`python -m lab.services.NAME --home DIR`."""
    parser = argparse.ArgumentParser(prog=f"python -m lab.services.{name}")
    parser.add_argument("--home", type=Path, required=True, help="the lab's state directory")
    settings = LabSettings.load(parser.parse_args().home)
    server(build(settings), settings.ports[name]).run()
