"""`python -m lab.services.doppler`: the part of Doppler's API v3 that deploys use.

Service tokens see one config of one project, to read or to write, perhaps until a date.
Refusals are worded as Doppler words them where that is known; where it is not (a write with
a read token, a missing token) the wording here is a guess and nothing should match on it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lab.services.doppler_formats import FORMATS, rendered
from lab.services.doppler_seed import seed_values
from lab.services.doppler_state import NAME, DopplerState, Token
from lab.services.faults import STATUS, FaultRequest
from lab.services.serving import Faulty, main
from lab.settings import LabSettings

EXAMPLE = Path(__file__).resolve().parents[2] / "stack" / "docker" / ".env.example"
WORKPLACE = {"slug": "tt-lab", "name": "TT lab"}


class DopplerError(Exception):
    """A refusal, in Doppler's frame."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def refusal(status: int, message: str) -> Response:
    """`messages` is what Doppler's own clients show."""
    headers = {"Retry-After": "1"} if status == 429 else {}
    return JSONResponse({"messages": [message], "success": False}, status, headers)


class Doppler:
    """The endpoints over one state."""

    def __init__(self, state: DopplerState, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock

    def app(self) -> Starlette:
        """Doppler's paths, and `/_lab/secrets` and `/_lab/tokens` for tests."""
        secrets = "/v3/configs/config/secrets"
        return Starlette(
            routes=[
                Route("/v3/me", self.me),
                Route("/v3/auth/me", self.me),
                Route(secrets, self.list_secrets, methods=["GET"]),
                Route(secrets, self.change_secrets, methods=["POST"]),
                Route(f"{secrets}/download", self.download),
                Route(f"{secrets}/names", self.names),
                Route("/v3/configs/config/secret", self.secret),
                Route("/v3/configs/config/tokens", self.list_tokens),
                Route("/_lab/secrets", self.lab_secrets, methods=["GET", "PUT"]),
                Route("/_lab/tokens", self.lab_tokens, methods=["POST", "DELETE"]),
            ],
            exception_handlers={DopplerError: self._refuse, 404: self._not_found},
        )

    async def me(self, request: Request) -> Response:
        """Whose token this is."""
        token = self._token(request)
        return JSONResponse(
            {
                "workplace": WORKPLACE,
                "type": "service_token",
                "token_preview": token.preview,
                "slug": token.slug,
                "name": token.name,
                "created_at": "2026-01-01T00:00:00.000Z",
                "last_seen_at": _iso(self._clock()),
            }
        )

    async def list_secrets(self, request: Request) -> Response:
        """Every secret, as it was set and as it is used."""
        project, config = self._aim(request)
        raw, computed = (
            self._state.raw(project, config),
            self._state.computed(project, config),
        )
        wanted = request.query_params.get("secrets")
        names = [n for n in raw if wanted is None or n in wanted.split(",")]
        found = {name: _described(raw[name], computed[name]) for name in names}
        return JSONResponse({"secrets": found, "success": True})

    async def names(self, request: Request) -> Response:
        """The names alone."""
        return JSONResponse({"names": list(self._state.raw(*self._aim(request))), "success": True})

    async def secret(self, request: Request) -> Response:
        """One secret."""
        aim = self._aim(request)
        name = request.query_params.get("name", "")
        raw = self._state.raw(*aim)
        if name not in raw:
            raise DopplerError(404, f"Could not find requested secret: {name}")
        value = _described(raw[name], self._state.computed(*aim)[name])
        return JSONResponse({"name": name, "value": value, "success": True})

    async def download(self, request: Request) -> Response:
        """All values, ready to be used; 304 if the caller has them already."""
        values = self._state.computed(*self._aim(request))
        style = request.query_params.get("format", "json")
        if style not in FORMATS:
            raise DopplerError(400, f"Invalid format: must be one of {', '.join(FORMATS)}")
        text = rendered(values, style)
        etag = f'W/"{sha256(text.encode()).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == etag:
            return Response(None, 304, {"ETag": etag})
        kind = "application/json" if style == "json" else "text/plain"
        return Response(text, 200, {"ETag": etag}, media_type=kind)

    async def change_secrets(self, request: Request) -> Response:
        """Set or delete secrets, with a token that may."""
        body = await request.json()
        project, config = self._aim(request, body)
        if "write" not in self._token(request).access:
            raise DopplerError(403, "This token does not have write access to this config")
        values = body.get("secrets") or {}
        if wrong := [name for name in values if not NAME.fullmatch(name)]:
            raise DopplerError(400, f"Invalid secret name: {', '.join(wrong)}")
        self._state.change(project, config, values)
        return await self.list_secrets(request)

    async def list_tokens(self, request: Request) -> Response:
        """The config's tokens, without their text."""
        rows = [
            {
                "name": token.name,
                "slug": token.slug,
                "access": token.access,
                "expires_at": None if token.expires_at is None else _iso(token.expires_at),
            }
            for token in self._state.tokens(*self._aim(request))
        ]
        return JSONResponse({"tokens": rows, "success": True})

    async def lab_secrets(self, request: Request) -> Response:
        """For tests: `PUT {"NAME": "value" or null}` changes, `GET` shows everything."""
        if request.method == "PUT":
            self._state.change("tt", "prd", await request.json())
        return JSONResponse(self._state.raw("tt", "prd"))

    async def lab_tokens(self, request: Request) -> Response:
        """For tests: `POST` adds or changes a token (`expires_at` 0: expired), `DELETE` revokes."""
        body = await request.json()
        if request.method == "DELETE":
            return JSONResponse({"revoked": self._state.revoke(body["text"])})
        self._state.add_token(Token(**body))
        return JSONResponse({"text": body["text"]})

    def _token(self, request: Request) -> Token:
        text = bearer(request.headers.get("authorization", ""))
        if not text:
            raise DopplerError(401, "Please provide an auth token")
        token = self._state.token(text)
        if token is None or not token.is_valid(self._clock()):
            raise DopplerError(401, "Invalid Auth token")
        return token

    def _aim(self, request: Request, body: dict[str, Any] | None = None) -> tuple[str, str]:
        """Project and config: the token's own, which a request may only repeat."""
        token = self._token(request)
        asked = {**request.query_params, **(body or {})}
        for kind, own in (("project", token.project), ("config", token.config)):
            if asked.get(kind, own) != own:
                message = f"This token does not have access to requested {kind} '{asked[kind]}'"
                raise DopplerError(400, message)
        return token.project, token.config

    async def _refuse(self, _: Request, error: Exception) -> Response:
        if not isinstance(error, DopplerError):
            raise error
        return refusal(error.status, error.message)

    async def _not_found(self, _request: Request, _error: Exception) -> Response:
        return refusal(404, "Not Found")


class DopplerVoice:
    """Faults in Doppler's frame."""

    WORDS = (
        ("throttle", "Rate limit exceeded"),
        ("limit", "Rate limit exceeded"),
        ("unauthorized", "Invalid Auth token"),
        ("forbidden", "You do not have permission to perform this action"),
    )

    def refuse(self, fault: FaultRequest, label: str) -> Response:
        """Refuse as Doppler would."""
        words = dict(self.WORDS).get(fault.kind, f"Internal server error at {label.split('?')[0]}")
        return refusal(STATUS.get(fault.kind, fault.status), words)


def bearer(header: str) -> str:
    """The token of an Authorization header, bearer or basic."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "basic":
        return base64.b64decode(rest).decode().split(":")[0]
    return rest.strip() if scheme.lower() == "bearer" else ""


def _described(raw: str, computed: str) -> dict[str, Any]:
    kind = {"type": "string"}
    return {
        "raw": raw,
        "computed": computed,
        "note": "",
        "rawVisibility": "masked",
        "computedVisibility": "masked",
        "rawValueType": kind,
        "computedValueType": kind,
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def build(settings: LabSettings) -> ASGIApp:
    """The service of one lab, its config seeded from what the stack requires."""
    state = DopplerState(settings.home / "doppler" / "state.json")
    state.seed(seed_values(settings, EXAMPLE), settings.doppler_token)
    return Faulty(Doppler(state).app(), DopplerVoice())


if __name__ == "__main__":
    main("doppler", build)
