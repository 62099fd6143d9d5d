import asyncio
import ctypes
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lab.registry import bcrypt
from lab.services.faults import FaultRequest
from lab.services.registry import METHODS, Door, RegistryVoice

Endpoint = Callable[[Request], Awaitable[Response]]


async def upstream(request: Request) -> Response:
    """A registry that tells what it was asked."""
    said = {
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "authorization": request.headers.get("authorization"),
        "host": request.headers["host"],
        "body": (await request.body()).decode(),
    }
    headers = {"Docker-Content-Digest": "sha256:abc", "Location": "/v2/next"}
    return Response(json.dumps(said), 202, headers)


async def nobody(request: Request) -> Response:
    raise httpx.ConnectError("no such socket")


def ask(behind: Endpoint, method: str, path: str, **request: Any) -> httpx.Response:
    """What the door answers when `behind` lies behind it."""
    registry = Starlette(routes=[Route("/{path:path}", behind, methods=METHODS)])
    door = Door(httpx.ASGITransport(registry))
    front = Starlette(routes=[Route("/{path:path}", door.pass_on, methods=METHODS)])

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(front)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **request)

    return asyncio.run(call())


def test_a_push_passes_through_the_door_unchanged() -> None:
    answer = ask(
        upstream,
        "PATCH",
        "/v2/tt-lab/app/blobs/uploads/1?_state=x",
        content=b"first second",
        headers={"Authorization": "Basic abc", "Host": "localhost:5000"},
    )

    assert answer.status_code == 202
    assert answer.headers["Docker-Content-Digest"] == "sha256:abc"
    assert answer.headers["Location"] == "/v2/next"
    assert answer.json() == {
        "method": "PATCH",
        "path": "/v2/tt-lab/app/blobs/uploads/1",
        "query": "_state=x",
        "authorization": "Basic abc",
        "host": "localhost:5000",
        "body": "first second",
    }


def test_a_question_without_a_body_gets_an_answer_without_one() -> None:
    answer = ask(upstream, "HEAD", "/v2/tt-lab/app/manifests/v1")

    assert answer.headers["Docker-Content-Digest"] == "sha256:abc"
    assert answer.content == b""


def test_a_registry_that_is_gone_is_unavailable_not_broken() -> None:
    answer = ask(nobody, "GET", "/v2/")

    assert answer.status_code == 503
    assert answer.json()["errors"][0]["code"] == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("throttle", 429, "TOOMANYREQUESTS"),
        ("unauthorized", 401, "UNAUTHORIZED"),
        ("forbidden", 403, "DENIED"),
        ("error", 500, "UNKNOWN"),
    ],
)
def test_refusals_are_worded_as_the_specification_of_registries_has_them(
    kind: str, status: int, code: str
) -> None:
    fault = FaultRequest.model_validate({"kind": kind})

    refusal = RegistryVoice().refuse(fault, "GET /v2/")

    assert refusal.status_code == status
    assert json.loads(bytes(refusal.body))["errors"][0]["code"] == code


def test_a_password_matches_its_hash_and_another_does_not() -> None:
    hashed = bcrypt("open sesame")
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p

    assert hashed.startswith("$2b$")
    assert library.crypt(b"open sesame", hashed.encode()).decode() == hashed
    assert library.crypt(b"open barley", hashed.encode()).decode() != hashed
