"""`python -m lab.services.registry`: the door of the image registry, so that it can have faults.

The registry itself is Debian's `docker-registry` behind a Unix socket. Here requests pass
through untouched, but for the faults that the lab is told to have.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from lab.registry import registry_socket
from lab.services.faults import STATUS, FaultRequest
from lab.services.serving import Faulty, main, plain_label
from lab.settings import LabSettings

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer"})
WORDS = {
    "throttle": ("TOOMANYREQUESTS", "rate exceeded, retry later"),
    "limit": ("TOOMANYREQUESTS", "rate exceeded, retry later"),
    "unauthorized": ("UNAUTHORIZED", "authentication required"),
    "forbidden": ("DENIED", "requested access to the resource is denied"),
}


class RegistryVoice:
    """Refusals as the distribution specification words them."""

    def refuse(self, fault: FaultRequest, label: str) -> Response:
        """Answer with the status and the error code that belong to the fault."""
        code, message = WORDS.get(fault.kind, ("UNKNOWN", "unknown error"))
        status = STATUS.get(fault.kind, fault.status)
        headers = {"Retry-After": str(fault.retry_after_seconds)} if status == 429 else {}
        if status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="lab registry"'
        errors = [{"code": code, "message": message, "detail": label}]
        return JSONResponse({"errors": errors}, status, headers)


class Door:
    """Passes each request on to the registry, bodies unread and unchanged both ways."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def pass_on(self, request: Request) -> Response:
        """The registry's answer to this request."""
        outgoing = httpx.Request(
            request.method,
            str(request.url),
            headers=[(k, v) for k, v in request.headers.raw if k not in HOP_BY_HOP],
            content=request.stream() if has_body(request) else None,
            extensions={"timeout": {"connect": 5.0, "read": 60.0, "write": 60.0, "pool": 60.0}},
        )
        try:
            answer = await self._transport.handle_async_request(outgoing)
        except httpx.TransportError as error:
            return JSONResponse({"errors": [{"code": "UNAVAILABLE", "message": repr(error)}]}, 503)
        response = StreamingResponse(
            parts(answer), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        response.raw_headers = [(k, v) for k, v in lower(answer) if k not in HOP_BY_HOP]
        return response


def has_body(request: Request) -> bool:
    """Whether the caller announced a body."""
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def lower(answer: httpx.Response) -> list[tuple[bytes, bytes]]:
    """The answer's headers with their names in lower case, as ASGI wants them."""
    return [(name.lower(), value) for name, value in answer.headers.raw]


async def parts(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes."""
    async for part in answer.aiter_raw():
        yield part


def label(scope: Scope) -> str:
    """`METHOD /path?query USER-AGENT`: tells an engine's pull from a look of the product."""
    agent = dict(scope["headers"]).get(b"user-agent", b"").decode("latin-1")
    return f"{plain_label(scope)} {agent}"


def build(settings: LabSettings) -> ASGIApp:
    """The door of one lab's registry."""
    transport = httpx.AsyncHTTPTransport(uds=str(registry_socket(settings.home)))
    route = Route("/{path:path}", Door(transport).pass_on, methods=METHODS)
    return Faulty(Starlette(routes=[route]), RegistryVoice(), label=label)


if __name__ == "__main__":
    main("registry", build)
