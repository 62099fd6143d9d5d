"""The AWS of one lab as an application: Systems Manager's calls here, the rest to moto."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.services.aws_ec2 import Ec2
from lab.services.aws_errors import AwsVoice, SsmError, refusal, ssm_refusal, ssm_reply
from lab.services.serving import Faulty
from lab.services.ssm_agents import AgentDoor
from lab.services.ssm_api import RunCommand, Timing
from lab.services.ssm_store import SsmStore
from lab.services.ssm_words import command_reply, details_reply
from lab.settings import LabSettings

_COMMENT = "tt_lab.comment"


class Aws:
    """The endpoints of one account in one region."""

    def __init__(
        self, state: Path, *, region: str, access_key_id: str, timing: Timing | None = None
    ) -> None:
        self._access_key_id = access_key_id
        self._timing = timing or Timing()
        self._ec2 = Ec2(state / "instances.json", region)
        self._store = SsmStore(state / "ssm.sqlite3")
        self._door = AgentDoor(self._store, self._ec2.knows, timing=self._timing)
        self._run_command = RunCommand(
            self._store, self._ec2.tags, timing=self._timing, announce=self._door.announce
        )

    def app(self) -> Starlette:
        """Everything: AWS's calls at any path, the agents' door, the lab's own questions."""
        return Starlette(
            routes=[
                *self._door.routes,
                Route("/_lab/history", self.history),
                Route("/_lab/timing", self.set_timing, methods=["POST"]),
                Route("/{path:path}", self.call, methods=["GET", "POST", "PUT", "DELETE"]),
            ]
        )

    async def call(self, request: Request) -> Response:
        """One signed call of an AWS client."""
        service, key = credential_scope(request.scope)
        if key != self._access_key_id:
            return refusal(service, "unauthorized")
        body = await request.body()
        action = request.headers.get("x-amz-target", "").removeprefix("AmazonSSM.")
        if service == "ssm" and self._run_command.knows(action):
            return self._answer(action, json.loads(body or b"{}"))
        return await run_in_threadpool(self._ec2.forward, request, body)

    def _answer(self, action: str, body: dict[str, Any]) -> Response:
        try:
            return ssm_reply(self._run_command.call(action, body))
        except SsmError as error:
            return ssm_refusal(error)

    async def history(self, _: Request) -> Response:
        """Every command with all of its invocations, newest first: `lab ssm history`."""
        rows = [
            {
                **command_reply(command),
                "Invocations": [details_reply(command, i) for i in command.invocations.values()],
            }
            for command in reversed(self._store.commands.values())
        ]
        return JSONResponse({"commands": rows})

    async def set_timing(self, request: Request) -> Response:
        """Let the service lag more or less, by the fields of `Timing`."""
        for name, seconds in (await request.json()).items():
            if name not in Timing.__slots__:
                return JSONResponse({"error": f"unknown: {name}"}, 422)
            setattr(self._timing, name, float(seconds))
        return JSONResponse({name: getattr(self._timing, name) for name in Timing.__slots__})


def credential_scope(scope: Scope) -> tuple[str, str]:
    """Which service a request was signed for and with which access key."""
    headers = dict(scope["headers"])
    signed = headers.get(b"authorization", b"").decode("latin-1")
    found = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request", signed)
    return (found[2], found[1]) if found else ("sts", "")


class Commented:
    """Reads the comment of a command ahead of the fault that is to strike this very command."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, whole, with its comment beside it."""
        if scope["type"] != "http" or not _target(scope).endswith(".SendCommand"):
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        unread = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive_again() -> Message:
            return next(unread, None) or await receive()

        noted = {**scope, _COMMENT: _comment(body)}
        await self._app(noted, receive_again, send)


def _comment(body: bytes) -> str:
    try:
        return str(json.loads(body).get("Comment", ""))
    except (ValueError, AttributeError):
        return ""  # what this is, the service itself will say


def _target(scope: Scope) -> str:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    return headers.get(b"x-amz-target", b"").decode("latin-1")


def label(scope: Scope) -> str:
    """`METHOD /path comment AmazonSSM.Action service`: what the `match` of a fault sees."""
    service, _ = credential_scope(scope)
    comment = f"{scope[_COMMENT]} " if scope.get(_COMMENT) else ""
    return f"{scope['method']} {scope['path']} {comment}{_target(scope)} {service}"


def build(settings: LabSettings) -> ASGIApp:
    """The service of one lab; its agents are spared by faults that do not name `/_agent/`."""
    aws = Aws(
        settings.home / "aws",
        region=settings.region,
        access_key_id=settings.aws_access_key_id,
    )
    return Commented(Faulty(aws.app(), AwsVoice(), label=label, spares=("/_agent/",)))
