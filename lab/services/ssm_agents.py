"""The door for the agents: they register, wait for messages, and report.

Standing in for AWS's private message service, so this protocol is ours: JSON under
`/_agent/`. The agent of an instance is `lab/agent/ssm_agent.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.services.ssm_api import Timing
from lab.services.ssm_model import Command, Result
from lab.services.ssm_store import Agent, SsmStore

LONGEST_WAIT_SECONDS = 20.0
A_WHILE_SECONDS = 1.0
"""How often an idle long poll looks whether time itself has changed something."""
Message = dict[str, Any]


class AgentDoor:
    """What agents may ask; `is_instance` tells whether EC2 knows an id."""

    def __init__(
        self,
        store: SsmStore,
        is_instance: Callable[[str], bool],
        *,
        timing: Timing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._is_instance = is_instance
        self._timing = timing
        self._clock = clock
        self._news: dict[str, asyncio.Event] = {}

    @property
    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("/_agent/register", self.register, methods=["POST"]),
            Route("/_agent/ping", self.ping, methods=["POST"]),
            Route("/_agent/messages", self.messages),
            Route("/_agent/accept", self.accept, methods=["POST"]),
            Route("/_agent/result", self.result, methods=["POST"]),
        ]

    def announce(self, instance_id: str) -> None:
        """Something may be waiting for this agent: wake its long poll."""
        self._event(instance_id).set()

    async def register(self, request: Request) -> Response:
        """An agent starts: it may be new, or come back."""
        body = await request.json()
        instance_id = body["instance_id"]
        if not self._is_instance(instance_id):
            raise HTTPException(404, f"EC2 knows no instance {instance_id}")
        now = self._clock()
        known = self._store.agents.get(instance_id)
        registered_at = known.registered_at if known else now
        fields = {**body, "registered_at": registered_at, "last_ping_at": now}
        self._store.save_agent(Agent(**fields))
        return JSONResponse({})

    async def ping(self, request: Request) -> Response:
        """The agent lives."""
        agent = self._agent((await request.json())["instance_id"])
        agent.last_ping_at = self._clock()
        self._store.save_agent(agent)
        return JSONResponse({})

    async def messages(self, request: Request) -> Response:
        """What the agent should start or cancel; held open until there is something."""
        agent = self._agent(request.query_params["instance_id"])
        holds = set(filter(None, request.query_params.get("holds", "").split(",")))
        due = time.monotonic() + min(
            float(request.query_params.get("wait", "0")), LONGEST_WAIT_SECONDS
        )
        event = self._event(agent.instance_id)
        while True:
            event.clear()
            waiting = list(self._waiting(agent.instance_id, holds))
            left = due - time.monotonic()
            if waiting or left <= 0:
                return JSONResponse({"messages": waiting})
            try:
                await asyncio.wait_for(event.wait(), min(left, self._next_look(agent.instance_id)))
            except TimeoutError:
                continue

    async def accept(self, request: Request) -> Response:
        """The agent takes a command: may it still run?"""
        body = await request.json()
        command = self._command(body)
        now = self._clock()
        command.advance(now)
        may_run = command.accept(body["instance_id"], now)
        self._store.save_command(command)
        return JSONResponse({"run": may_run})

    async def result(self, request: Request) -> Response:
        """The agent reports how a command ended."""
        body = await request.json()
        command = self._command(body)
        result = Result(body["status"], body["exit_code"], body["stdout"], body["stderr"])
        command.report(body["instance_id"], result, self._clock())
        self._store.save_command(command)
        for instance_id in command.invocations:
            self.announce(instance_id)
        return JSONResponse({})

    def _waiting(self, instance_id: str, holds: set[str]) -> Iterator[Message]:
        now = self._clock()
        self._store.advance(now)
        for command in self._store.open_commands():
            invocation = command.invocations.get(instance_id)
            if invocation is None or invocation.is_over:
                continue
            held = command.command_id in holds
            delivered = now - command.requested_at >= self._timing.delivered_after_seconds
            if invocation.status == "Pending" and invocation.released and delivered and not held:
                yield _run_message(command)
            elif invocation.status == "Cancelling" and held:
                yield {"kind": "cancel", "command_id": command.command_id}

    def _next_look(self, instance_id: str) -> float:
        """How long to sleep, unless woken: less if a command is on its way to this agent."""
        on_its_way = any(
            command.invocations[instance_id].status == "Pending"
            for command in self._store.open_commands()
            if instance_id in command.invocations
        )
        return max(self._timing.delivered_after_seconds, 0.02) if on_its_way else A_WHILE_SECONDS

    def _event(self, instance_id: str) -> asyncio.Event:
        return self._news.setdefault(instance_id, asyncio.Event())

    def _agent(self, instance_id: str) -> Agent:
        agent = self._store.agents.get(instance_id)
        if agent is None:
            raise HTTPException(404, f"no agent registered for {instance_id}")
        return agent

    def _command(self, body: Mapping[str, str]) -> Command:
        command = self._store.commands.get(body["command_id"])
        if command is None or body["instance_id"] not in command.invocations:
            raise HTTPException(404, "no such command for this instance")
        return command


def _run_message(command: Command) -> Message:
    directory = command.parameters.get("workingDirectory") or [""]
    return {
        "kind": "run",
        "command_id": command.command_id,
        "commands": command.parameters["commands"],
        "working_directory": directory[0],
        "execution_seconds": command.execution_seconds,
    }
