"""GitHub's push webhook, for servers that GitHub can reach.

``python -m deployments.webhook --environment production`` answers ``POST /github``. What it
accepts is on disk before GitHub hears so; a thread turns it into deploys, Prefect being there
or not. The secret comes from TT_WEBHOOK_SECRET; while it is exchanged, the old one from
TT_WEBHOOK_SECRET_PREVIOUS.
"""

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blocks.environment import ENVIRONMENT_NAME
from delivery.errors import BadRequest, ConfigurationError
from delivery.push_payload import read_push
from delivery.trigger import Call, decide, decided
from deployments.push_dispatch import Dispatcher, settle_pushes
from deployments.push_spool import PushSpool

SHORTEST_SECRET = 16
_DELIVERY = re.compile(r"[0-9A-Za-z-]{8,64}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take; GitHub itself sends at most 25 MB."""

    body_bytes: int = 25 * 1024 * 1024
    body_seconds: float = 10.0


class Denied(Exception):
    """The request is answered with ``status``, and nothing came of it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class PushReceiver:
    """Answers GitHub; hands over nothing but pushes that GitHub signed, each once."""

    def __init__(
        self,
        secrets: Sequence[str],
        spool: PushSpool,
        *,
        on_push: Callable[[], None],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not secrets or any(len(secret) < SHORTEST_SECRET for secret in secrets):
            raise ConfigurationError(
                f"The webhook's secret must have at least {SHORTEST_SECRET} characters.",
                where="TT_WEBHOOK_SECRET",
                next_command="openssl rand -hex 32",
            )
        self._keys = tuple(secret.encode() for secret in secrets)
        self._spool = spool
        self._on_push = on_push
        self._limits = limits or Limits()
        self._clock = clock

    async def receive(self, request: Request) -> Response:
        """``POST /github``: 200 or 202 for what GitHub signed, 4xx for everything else."""
        try:
            body = await self._body(request)
            self._check_signature(body, request.headers.get("x-hub-signature-256", ""))
            return await self._answer(request.headers, body)
        except Denied as denied:
            return _reply(denied.status, accepted=False, reason=str(denied))

    async def health(self, _request: Request) -> Response:
        """``GET /health``: the disk answers, and so many pushes wait."""
        return JSONResponse({"waiting": await run_in_threadpool(self._spool.waiting)})

    async def _body(self, request: Request) -> bytes:
        said = request.headers.get("content-length", "")
        if said.isdecimal() and int(said[:20]) > self._limits.body_bytes:
            raise Denied(413, "the body is too large")
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._limits.body_bytes:
                        raise Denied(413, "the body is too large")
        except (TimeoutError, ClientDisconnect):
            raise Denied(408, "the body did not arrive") from None
        return bytes(body)

    def _check_signature(self, body: bytes, signature: str) -> None:
        given = signature.encode("latin-1", "replace")
        valid = [
            hmac.compare_digest(b"sha256=" + _hexdigest(key, body), given) for key in self._keys
        ]
        if not any(valid):
            raise Denied(401, "the signature does not fit the body")

    async def _answer(self, headers: Mapping[str, str], body: bytes) -> Response:
        if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise Denied(415, "set the webhook's content type to application/json")
        event = headers.get("x-github-event", "")
        if event == "ping":
            return _reply(200, accepted=False, reason="pong")
        if event != "push":
            return _reply(200, accepted=False, reason="only pushes deploy")
        delivery = headers.get("x-github-delivery", "")
        if not _DELIVERY.fullmatch(delivery):
            raise Denied(400, "X-GitHub-Delivery is missing or malformed")
        return await run_in_threadpool(self._take, delivery, body)

    def _take(self, delivery: str, body: bytes) -> Response:
        try:
            push = read_push(body)
        except BadRequest as error:
            raise Denied(400, error.message) from None
        decision = decide(push)
        held = None if decision.call is Call.IGNORE else decided(push, decision)
        digest = hashlib.sha256(body).hexdigest()
        if not self._spool.accept(delivery, digest, held, now=self._clock()):
            return _reply(200, accepted=False, reason="this delivery came before")
        if held is None:
            return _reply(200, accepted=False, reason=decision.reason)
        self._on_push()
        return _reply(202, accepted=True, reason=decision.reason)


def create_app(receiver: PushReceiver, dispatcher: Dispatcher) -> Starlette:
    """The ASGI application; its dispatcher runs while it does."""

    @contextlib.asynccontextmanager
    async def dispatching(_app: Starlette) -> AsyncIterator[None]:
        thread = threading.Thread(target=dispatcher.run, name="dispatcher", daemon=True)
        thread.start()
        yield
        dispatcher.stop()
        # What it cannot finish in time is still on disk.
        await run_in_threadpool(thread.join, 5.0)

    return Starlette(
        routes=[
            Route("/github", receiver.receive, methods=["POST"]),
            Route("/health", receiver.health, methods=["GET"]),
        ],
        lifespan=dispatching,
    )


def secrets_from(environment: Mapping[str, str]) -> list[str]:
    """The secrets that are accepted, the present one first."""
    names = ("TT_WEBHOOK_SECRET", "TT_WEBHOOK_SECRET_PREVIOUS")
    return [environment[name] for name in names if environment.get(name)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; 2 if the configuration is bad."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        spool = PushSpool(asked.spool)
        dispatcher = Dispatcher(spool, asked.environment, settle_pushes)
        receiver = PushReceiver(secrets_from(os.environ), spool, on_push=dispatcher.wake)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    app = create_app(receiver, dispatcher)
    uvicorn.run(app, host=asked.host, port=asked.port, limit_concurrency=100, log_config=None)
    return 0


def _reply(status: int, *, accepted: bool, reason: str) -> Response:
    return JSONResponse({"accepted": accepted, "reason": reason}, status_code=status)


def _hexdigest(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).hexdigest().encode()


def _environment(name: str) -> str:
    if not ENVIRONMENT_NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(f"{name!r} is no environment's name")
    return name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.webhook", description="Turn GitHub's pushes into deploys."
    )
    parser.add_argument(
        "--environment",
        type=_environment,
        action="append",
        required=True,
        help="which a push deploys to; may be given several times",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8400, help="port to listen on")
    parser.add_argument(
        "--spool",
        type=Path,
        default=Path("/var/lib/tt-deploy/webhook.sqlite"),
        help="the file that keeps pushes until they are settled",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
