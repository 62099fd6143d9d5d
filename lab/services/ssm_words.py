"""Commands, invocations and agents in the shapes that Systems Manager answers with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lab.services.ssm_model import Command, Invocation
from lab.services.ssm_store import Agent

PLUGIN = "aws:runShellScript"
LISTED_OUTPUT_LIMIT = 2_400
"""ListCommandInvocations shows this much of both streams together; ask for one to see more."""

Reply = dict[str, Any]


def command_reply(command: Command, *, fresh: bool = False) -> Reply:
    """A command as ListCommands shows it, and SendCommand when it is fresh."""
    status, details = ("Pending", "Pending") if fresh else command.status()
    over = [i for i in command.invocations.values() if i.is_over]
    expires = command.requested_at + command.delivery_seconds + command.execution_seconds
    return {
        **_common(command),
        "ExpiresAfter": expires,
        "Parameters": command.parameters,
        "InstanceIds": command.instance_ids,
        "Targets": command.targets,
        "Status": status,
        "StatusDetails": details,
        "OutputS3BucketName": "",
        "OutputS3KeyPrefix": "",
        "MaxConcurrency": command.max_concurrency,
        "MaxErrors": command.max_errors,
        # The real service resolves tags later; a fresh command has counted none of them.
        "TargetCount": 0 if fresh and command.targets else len(command.invocations),
        "CompletedCount": 0 if fresh else len(over),
        "ErrorCount": command.errors,
        "DeliveryTimedOutCount": sum(i.details == "DeliveryTimedOut" for i in over),
        "TimeoutSeconds": command.delivery_seconds,
    }


def invocation_reply(command: Command, invocation: Invocation, *, detailed: bool) -> Reply:
    """An invocation as ListCommandInvocations shows it, with its plugin if wanted."""
    return {
        **_common(command),
        "InstanceId": invocation.instance_id,
        "InstanceName": "",
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "CommandPlugins": [_plugin(invocation)] if detailed else [],
    }


def details_reply(command: Command, invocation: Invocation) -> Reply:
    """An invocation as GetCommandInvocation shows it: the only place with the whole output."""
    return {
        "CommandId": command.command_id,
        "InstanceId": invocation.instance_id,
        "Comment": command.comment,
        "DocumentName": command.document,
        "DocumentVersion": "$DEFAULT",
        "PluginName": PLUGIN,
        "ResponseCode": invocation.exit_code,
        "ExecutionStartDateTime": _iso(invocation.started_at),
        "ExecutionElapsedTime": _elapsed(invocation),
        "ExecutionEndDateTime": _iso(invocation.ended_at if invocation.started_at else None),
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "StandardOutputContent": invocation.stdout,
        "StandardOutputUrl": "",
        "StandardErrorContent": invocation.stderr,
        "StandardErrorUrl": "",
        "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": False},
    }


def instance_reply(agent: Agent, *, online: bool) -> Reply:
    """An agent as DescribeInstanceInformation shows it."""
    return {
        "InstanceId": agent.instance_id,
        "PingStatus": "Online" if online else "ConnectionLost",
        "LastPingDateTime": agent.last_ping_at,
        "AgentVersion": agent.version,
        "IsLatestVersion": True,
        "PlatformType": "Linux",
        "PlatformName": agent.platform_name,
        "PlatformVersion": agent.platform_version,
        "ResourceType": "EC2Instance",
        "IPAddress": agent.ip_address,
        "ComputerName": agent.computer_name,
        "SourceId": agent.instance_id,
        "SourceType": "AWS::EC2::Instance",
    }


def _common(command: Command) -> Reply:
    return {
        "CommandId": command.command_id,
        "DocumentName": command.document,
        "DocumentVersion": "$DEFAULT",
        "Comment": command.comment,
        "RequestedDateTime": command.requested_at,
        "ServiceRole": "",
        "NotificationConfig": {
            "NotificationArn": "",
            "NotificationEvents": [],
            "NotificationType": "",
        },
        "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": False},
    }


def _plugin(invocation: Invocation) -> Reply:
    plugin: Reply = {
        "Name": PLUGIN,
        "Status": invocation.status,
        "StatusDetails": invocation.details,
        "ResponseCode": invocation.exit_code,
        "Output": _listed_output(invocation),
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "OutputS3Region": "",
        "OutputS3BucketName": "",
        "OutputS3KeyPrefix": "",
    }
    if invocation.started_at is not None:
        plugin["ResponseStartDateTime"] = invocation.started_at
    if invocation.ended_at is not None:
        plugin["ResponseFinishDateTime"] = invocation.ended_at
    return plugin


def _listed_output(invocation: Invocation) -> str:
    title = "\n----------ERROR-------\n" if invocation.stderr else ""
    space = LISTED_OUTPUT_LIMIT - len(title)
    if len(invocation.stdout) + len(invocation.stderr) < space:
        return invocation.stdout + title + invocation.stderr
    cut = "\n---Output truncated---"
    errors = invocation.stderr[: (space - len(cut)) // 2]
    return invocation.stdout[: space - len(cut) - len(errors)] + cut + title + errors


def _iso(moment: float | None) -> str:
    if moment is None:
        return ""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _elapsed(invocation: Invocation) -> str:
    if invocation.started_at is None or invocation.ended_at is None:
        return ""
    return f"PT{invocation.ended_at - invocation.started_at:.3f}S"
