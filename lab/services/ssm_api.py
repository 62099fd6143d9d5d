"""The calls of Systems Manager that TT Deploy makes, with the real service's semantics.

Run Command and the instance inventory are here; whatever else is asked goes to moto.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.services.aws_errors import SsmError
from lab.services.ssm_model import Command, Invocation
from lab.services.ssm_store import Agent, SsmStore
from lab.services.ssm_validation import SendCommand
from lab.services.ssm_words import command_reply, details_reply, instance_reply, invocation_reply

ACCOUNT = "123456789012"
Reply = dict[str, Any]
Tags = Mapping[str, str]


@dataclass(slots=True)
class Timing:
    """How the service lags behind itself; small by default, larger to resemble a bad day."""

    visible_after_seconds: float = 0.1
    """A command younger than this does not exist yet for those who ask."""
    delivered_after_seconds: float = 0.05
    """A command younger than this has not reached the agent yet."""
    offline_after_seconds: float = 10.0
    """An agent silent for this long has lost its connection."""


class RunCommand:
    """The API, over a store; `tags_of` tells the tags of every instance that EC2 knows."""

    def __init__(
        self,
        store: SsmStore,
        tags_of: Callable[[], Mapping[str, Tags]],
        *,
        timing: Timing,
        announce: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._tags_of = tags_of
        self._timing = timing
        self._announce = announce
        self._clock = clock
        self._actions: dict[str, Callable[[Reply], Reply]] = {
            "SendCommand": self.send_command,
            "ListCommands": self.list_commands,
            "ListCommandInvocations": self.list_command_invocations,
            "GetCommandInvocation": self.get_command_invocation,
            "CancelCommand": self.cancel_command,
            "DescribeInstanceInformation": self.describe_instance_information,
        }

    def knows(self, action: str) -> bool:
        """Whether this action is answered here rather than by moto."""
        return action in self._actions

    def call(self, action: str, body: Reply) -> Reply:
        """Answer one call; raise `SsmError` to refuse it."""
        self._store.advance(self._clock())
        return self._actions[action](body)

    def send_command(self, body: Reply) -> Reply:
        """Take a command for the agents of the instances that it names or targets."""
        wanted = SendCommand.parse(body)
        instance_ids = self._resolve(wanted)
        command = Command(
            command_id=str(uuid.uuid4()),
            requested_at=self._clock(),
            document=wanted.document,
            parameters=wanted.parameters,
            comment=wanted.comment,
            instance_ids=wanted.instance_ids,
            targets=wanted.targets,
            delivery_seconds=wanted.delivery_seconds,
            execution_seconds=wanted.execution_seconds,
            max_concurrency=wanted.max_concurrency,
            max_errors=wanted.max_errors,
            invocations={instance_id: Invocation(instance_id) for instance_id in instance_ids},
        )
        reply = command_reply(command, fresh=True)
        command.advance(self._clock())
        self._save(command)
        return {"Command": reply}

    def list_commands(self, body: Reply) -> Reply:
        """The commands that are visible by now, newest first."""
        instance_id = body.get("InstanceId")
        rows = [
            command_reply(command)
            for command in self._visible(body)
            if instance_id is None or instance_id in command.invocations
        ]
        return _page("Commands", _filtered(rows, body.get("Filters", [])), body)

    def list_command_invocations(self, body: Reply) -> Reply:
        """The invocations of the visible commands; of a fresh command there are none yet."""
        instance_id = body.get("InstanceId")
        rows = [
            invocation_reply(command, invocation, detailed=bool(body.get("Details")))
            for command in self._visible(body)
            for invocation in command.invocations.values()
            if instance_id in (None, invocation.instance_id)
        ]
        return _page("CommandInvocations", _filtered(rows, body.get("Filters", [])), body)

    def get_command_invocation(self, body: Reply) -> Reply:
        """One invocation with its output; raise InvocationDoesNotExist if it is not visible."""
        plugin = body.get("PluginName", "aws:runShellScript")
        if plugin != "aws:runShellScript":
            raise SsmError("InvalidPluginName")
        command = self._store.commands.get(body["CommandId"])
        if command is None or not self._is_visible(command):
            raise SsmError("InvocationDoesNotExist")
        invocation = command.invocations.get(body["InstanceId"])
        if invocation is None:
            raise SsmError("InvocationDoesNotExist")
        return details_reply(command, invocation)

    def cancel_command(self, body: Reply) -> Reply:
        """Ask for an end; what has not begun is cancelled at once."""
        command = self._store.commands.get(body["CommandId"])
        if command is None:
            raise SsmError("InvalidCommandId")
        instance_ids = body.get("InstanceIds") or []
        if unknown := [i for i in instance_ids if i not in command.invocations]:
            raise SsmError("InvalidInstanceId", f"Invalid instance ids: {unknown}")
        command.cancel(instance_ids, self._clock())
        self._save(command)
        return {}

    def describe_instance_information(self, body: Reply) -> Reply:
        """The agents that ever registered, online or not."""
        now, tags = self._clock(), self._tags_of()
        agents = [agent for agent in self._store.agents.values() if agent.instance_id in tags]
        rows = [instance_reply(agent, online=self.is_online(agent, now)) for agent in agents]
        filters = [(f["Key"], f["Values"]) for f in body.get("Filters", [])]
        old = body.get("InstanceInformationFilterList", [])
        filters += [(f["key"], f["valueSet"]) for f in old]
        for key, values in filters:
            rows = [r for r in rows if _described_by(r, tags[r["InstanceId"]], key, values)]
        return _page("InstanceInformationList", rows, body, default=50)

    def is_online(self, agent: Agent, now: float) -> bool:
        """Whether the agent was heard of lately."""
        return now - agent.last_ping_at < self._timing.offline_after_seconds

    def _resolve(self, wanted: SendCommand) -> list[str]:
        tags = self._tags_of()
        managed = [i for i in self._store.agents if i in tags]
        if wanted.instance_ids:
            if strangers := [i for i in wanted.instance_ids if i not in managed]:
                listed = f"[{', '.join(strangers)}]"
                raise SsmError(
                    "InvalidInstanceId",
                    f"Instances [{listed}] not in a valid state for account {ACCOUNT}",
                )
            return wanted.instance_ids
        return [i for i in managed if all(_targets(i, tags[i], t) for t in wanted.targets)]

    def _visible(self, body: Reply) -> list[Command]:
        wanted = body.get("CommandId")
        commands = [c for c in self._store.commands.values() if wanted in (None, c.command_id)]
        return [c for c in reversed(commands) if self._is_visible(c)]

    def _is_visible(self, command: Command) -> bool:
        return self._clock() - command.requested_at >= self._timing.visible_after_seconds

    def _save(self, command: Command) -> None:
        self._store.save_command(command)
        for instance_id in command.invocations:
            self._announce(instance_id)


def _targets(instance_id: str, tags: Tags, target: Reply) -> bool:
    key, values = target["Key"], target["Values"]
    if key == "InstanceIds":
        return instance_id in values
    return key.startswith("tag:") and tags.get(key.removeprefix("tag:")) in values


def _described_by(row: Reply, tags: Tags, key: str, values: Sequence[str]) -> bool:
    fields = {
        "InstanceIds": "InstanceId",
        "PingStatus": "PingStatus",
        "AgentVersion": "AgentVersion",
        "PlatformTypes": "PlatformType",
        "ResourceType": "ResourceType",
    }
    if key.startswith("tag:"):
        return tags.get(key.removeprefix("tag:")) in values
    if key == "tag-key":
        return any(value in tags for value in values)
    if key not in fields:
        raise SsmError("InvalidFilterKey", f"The specified key is not valid: {key}")
    return row[fields[key]] in values


def _filtered(rows: list[Reply], filters: Sequence[Mapping[str, str]]) -> list[Reply]:
    for wish in filters:
        key, value = wish["key"], wish["value"]
        if key == "Status":
            rows = [r for r in rows if value in (r["Status"], r["StatusDetails"])]
        elif key == "DocumentName":
            rows = [r for r in rows if r["DocumentName"] == value]
        else:
            raise SsmError("InvalidFilterKey", f"The specified key is not valid: {key}")
    return rows


def _page(name: str, rows: list[Reply], body: Reply, default: int = 50) -> Reply:
    """One page of at most MaxResults rows, and the token of the next."""
    token = body.get("NextToken") or "0"
    if not token.isdigit():
        raise SsmError("InvalidNextToken", "The specified token is not valid.")
    start, size = int(token), body.get("MaxResults") or default
    page: Reply = {name: rows[start : start + size]}
    if start + size < len(rows):
        page["NextToken"] = str(start + size)
    return page
