"""What every call to the stand-in for GitHub goes through: token, limits, ETag."""

from __future__ import annotations

import base64
import json
import math
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from lab.services.github_errors import (
    GitHubError,
    bad_credentials,
    forbidden,
    missing,
    over_primary_limit,
    requires_authentication,
    wrong_type,
)
from lab.services.github_store import GitHubStore

AN_HOUR = 3600
AUTHENTICATED_LIMIT, ANONYMOUS_LIMIT = 5000, 60
JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and let in."""

    params: dict[str, Any]
    query: QueryParams
    body: dict[str, Any]
    accept: str
    url: str
    may_write: bool

    def want(self, name: str, kind: type = str) -> Any:
        """A required field of the body."""
        if self.body.get(name) is None:
            raise missing(name)
        return self.get(name, kind)

    def get(self, name: str, kind: type = str, default: Any = None) -> Any:
        """An optional field of the body, of this type."""
        value = self.body.get(name, default)
        if value is not None and not isinstance(value, kind):
            raise wrong_type(name, value, kind.__name__)
        return value


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler gives back: something for JSON, or text as it is."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = JSON_TYPE


Handler = Callable[[Call], Answer]


class Allowance:
    """How many requests one caller has left in this hour."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.time) -> None:
        self.limit = limit
        self._clock = clock
        self.used = 0
        self.reset_at = clock() + AN_HOUR

    def spend(self) -> None:
        """Count one request; raise if there is none left."""
        if self._clock() >= self.reset_at:
            self.used, self.reset_at = 0, self._clock() + AN_HOUR
        if self.used >= self.limit:
            raise over_primary_limit()
        self.used += 1

    def refund(self) -> None:
        """A conditional request that found nothing new is free."""
        self.used -= 1

    @property
    def numbers(self) -> dict[str, int]:
        """As `/rate_limit` tells it."""
        return {
            "limit": self.limit,
            "remaining": max(0, self.limit - self.used),
            "reset": math.ceil(self.reset_at),
            "used": self.used,
        }

    @property
    def headers(self) -> dict[str, str]:
        """As GitHub tells it with every answer."""
        told = {f"X-RateLimit-{name.title()}": str(n) for name, n in self.numbers.items()}
        return {**told, "X-RateLimit-Resource": "core"}


class Front:
    """Lets calls in and dresses their answers."""

    def __init__(self, store: GitHubStore) -> None:
        self._store = store
        self._allowances: dict[str, Allowance] = {}
        self._limit: int | None = None

    def allowance(self, token: str) -> Allowance:
        """The caller's allowance; callers without a token share one."""
        limit = self._limit or (AUTHENTICATED_LIMIT if token else ANONYMOUS_LIMIT)
        return self._allowances.setdefault(token, Allowance(limit))

    def allowance_of(self, request: Request) -> Allowance:
        """The allowance of whoever sent this request."""
        return self.allowance(token_of(request.headers.get("authorization", "")))

    def set_limit(self, limit: int, reset_in_seconds: float) -> None:
        """Give every caller this many requests until then, and in the hours after it."""
        self._limit = limit
        for allowance in self._allowances.values():
            allowance.limit, allowance.used = limit, 0
            allowance.reset_at = time.time() + reset_in_seconds

    def endpoint(
        self, handler: Handler, needs: str = "", *, free: bool = False
    ) -> Callable[[Request], Any]:
        """Starlette's endpoint for a handler; `needs` names the permission to write."""

        async def endpoint(request: Request) -> Response:
            token = token_of(request.headers.get("authorization", ""))
            allowance = self.allowance(token)
            headers = {"X-GitHub-Request-Id": uuid.uuid4().hex[:16].upper()}
            try:
                permissions = self._let_in(request, token, needs)
                if not free:
                    allowance.spend()
                answer = await run_in_threadpool(handler, await _read(request, permissions))
            except GitHubError as error:
                return error.response({**headers, **allowance.headers})
            headers |= self._expiry(token)
            return self._dress(request, answer, {**headers, **allowance.headers}, allowance)

        return endpoint

    def _expiry(self, token: str) -> dict[str, str]:
        """What GitHub says with every answer to a token that ends one day."""
        moment = self._store.expiry(token) if token else None
        if moment is None:
            return {}
        until = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return {"GitHub-Authentication-Token-Expiration": until}

    def _let_in(self, request: Request, token: str, needs: str) -> dict[str, str]:
        if not request.headers.get("user-agent"):
            raise GitHubError(403, "Request forbidden by administrative rules. Send a User-Agent.")
        permissions = self._store.permissions(token) if token else {}
        if permissions is None:
            raise bad_credentials()
        if needs and not token:
            raise requires_authentication()
        if needs and permissions.get(needs) != "write":
            raise forbidden()
        return permissions

    def _dress(
        self, request: Request, answer: Answer, headers: dict[str, str], allowance: Allowance
    ) -> Response:
        headers |= answer.headers
        content = _encode(answer)
        if request.method in ("GET", "HEAD") and answer.status == 200:
            etag = f'W/"{sha256(content).hexdigest()}"'
            headers |= {"ETag": etag, "Cache-Control": "private, max-age=60, s-maxage=60"}
            if request.headers.get("if-none-match") == etag:
                allowance.refund()
                return Response(None, 304, {**headers, **allowance.headers})
        return Response(content, answer.status, headers, media_type=answer.media_type)


def token_of(header: str) -> str:
    """The token of an Authorization header: `Bearer`, `token`, or Basic's password."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return rest.strip()
    if scheme.lower() == "basic":
        user, _, password = base64.b64decode(rest).decode().partition(":")
        return password or user
    return ""


def _encode(answer: Answer) -> bytes:
    if isinstance(answer.body, bytes):
        return answer.body
    if isinstance(answer.body, str):
        return answer.body.encode()
    return b"" if answer.status == 204 else json.dumps(answer.body).encode()


async def _read(request: Request, permissions: dict[str, str]) -> Call:
    raw = await request.body()
    try:
        body = json.loads(raw) if raw.strip() else {}
    except ValueError:
        raise GitHubError(400, "Problems parsing JSON") from None
    if not isinstance(body, dict):
        raise GitHubError(400, "Body should be a JSON object")
    return Call(
        params=dict(request.path_params),
        query=request.query_params,
        body=body,
        accept=request.headers.get("accept", ""),
        url=str(request.url).split("?")[0],
        may_write=permissions.get("contents") == "write",
    )
