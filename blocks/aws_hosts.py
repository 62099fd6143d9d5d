"""EC2 and Systems Manager: which hosts there are, and running a script on them."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError

from delivery.errors import ConfigurationError, DeliveryError, HostError, HostUnreachable

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient

MOST_IDS_PER_COMMAND = 50
_NO_COMMAND = "00000000-0000-0000-0000-000000000000"
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_FINAL = {"Success", "Failed", "TimedOut", "Cancelled"}
_PASSING = {
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "InternalServerError",
    "InternalError",
    "ServiceUnavailable",
    "InvocationDoesNotExist",
    "RequestTimeout",
    "500",
    "502",
    "503",
}
_INCOMPLETE = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "NoRegionError",
    "ProfileNotFound",
}
_REFUSED_CREDENTIALS = {
    "AuthFailure",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "ExpiredToken",
    "ExpiredTokenException",
}


@dataclass(frozen=True, slots=True)
class Host:
    """One running EC2 instance, under the name that its ``Name`` tag gives it."""

    instance_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Agent:
    """A host's SSM agent: ``ping`` is ``Online``, ``ConnectionLost`` or ``Inactive``."""

    instance_id: str
    ping: str
    last_ping: datetime.datetime
    version: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """How far one command is on one host.

    ``status`` is SSM's detailed one: ``Success``, ``Failed``, ``Execution Timed Out``,
    ``Delivery Timed Out``, ``Cancelled``, ``Undeliverable``, ...
    """

    instance_id: str
    status: str
    final: bool


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed: the first 24,000 and 8,000 characters that SSM keeps."""

    said: str
    noise: str


@cache
def _models(data_path: str | None) -> Loader:
    """The descriptions of AWS's services, read once for all sessions of the process.

    EC2's alone takes a third of a second of processor time, and each session reads it anew.
    """
    return create_loader(data_path)


class AwsHosts:
    """The door to EC2 and SSM of one account and region. One call a method, no loops."""

    def __init__(self, session: boto3.Session, client_options: Mapping[str, Any]) -> None:
        options = dict(client_options)
        config = Config(
            connect_timeout=5, read_timeout=20, retries={"mode": "standard", "max_attempts": 3}
        )
        earlier = options.pop("config", None)
        options["config"] = earlier.merge(config) if earlier else config
        with Translated("reading the AWS settings"):
            # `boto3` offers no way to the session below it.
            below = session._session
            below.register_component("data_loader", _models(below.get_config_variable("data_path")))
            self._ec2: EC2Client = session.client("ec2", **options)
            self._ssm: SSMClient = session.client("ssm", **options)

    def running(self, tag: str, value: str) -> list[Host]:
        """The running instances whose ``tag`` has the ``value``, sorted by name."""
        running = {"Name": "instance-state-name", "Values": ["running"]}
        hosts = [Host(i["InstanceId"], _name_of(i)) for i in self._instances(tag, value, running)]
        return sorted(hosts, key=lambda host: (host.name, host.instance_id))

    def states(self, tag: str, value: str) -> dict[str, str]:
        """The state of every instance with the tag, running or not, by instance id."""
        found = self._instances(tag, value)
        return {instance["InstanceId"]: str(instance["State"]["Name"]) for instance in found}

    def _instances(self, tag: str, value: str, *more: Mapping[str, Any]) -> list[Any]:
        filters: Any = [{"Name": f"tag:{tag}", "Values": [value]}, *more]
        with Translated("looking for instances"):
            pages = self._ec2.get_paginator("describe_instances").paginate(Filters=filters)
            return [
                instance
                for page in pages
                for reservation in page.get("Reservations", [])
                for instance in reservation.get("Instances", [])
            ]

    def agents(self, hosts: Sequence[Host]) -> list[Agent]:
        """The agents of at most 50 hosts; a host whose agent never registered has none."""
        wanted: Any = [{"Key": "InstanceIds", "Values": [host.instance_id for host in hosts]}]
        with Translated("asking about the agents"):
            pages = self._ssm.get_paginator("describe_instance_information").paginate(
                Filters=wanted
            )
            rows = [row for page in pages for row in page.get("InstanceInformationList", [])]
            return [_agent(row) for row in rows]

    def may_cancel(self) -> bool:
        """Whether the role may cancel commands: one that does not exist is asked to be."""
        try:
            self._ssm.cancel_command(CommandId=_NO_COMMAND)
        except ClientError as error:
            return error.response.get("Error", {}).get("Code", "") not in _DENIED
        except BotoCoreError as error:
            raise translate(error, "asking whether commands may be cancelled") from None
        return True

    def send(
        self, hosts: Sequence[Host], script: str, *, comment: str, delivery: int, execution: int
    ) -> str:
        """Start ``script`` on at most 50 hosts at once, whatever becomes of it on any; its id.

        ``delivery`` bounds the seconds until it starts, ``execution`` those that it runs.
        Raises HostError, and sends nothing, for more hosts than one command may have.
        """
        if len(hosts) > MOST_IDS_PER_COMMAND:
            raise HostError(
                f"One command reaches at most {MOST_IDS_PER_COMMAND} hosts, not {len(hosts)}.",
                where=f"{hosts[0].name} to {hosts[-1].name}",
                next_command="Give the hosts to several environments, each with a tag of its own.",
            )
        with Translated("sending a command"):
            reply = self._ssm.send_command(
                InstanceIds=[host.instance_id for host in hosts],
                DocumentName="AWS-RunShellScript",
                Comment=comment[:100],
                TimeoutSeconds=max(30, delivery),
                # Of itself it stops where one host failed, and how the others are is not known.
                MaxConcurrency=str(len(hosts)),
                MaxErrors=str(len(hosts)),
                Parameters={
                    # Not splitlines(): it would also split inside a quoted input.
                    "commands": script.split("\n"),
                    "executionTimeout": [str(execution)],
                },
            )
            return str(reply["Command"]["CommandId"])

    def invocations(self, command_id: str) -> list[Invocation]:
        """How far the command is on every host; empty while SSM does not know it yet."""
        with Translated("asking how far a command is"):
            pages = self._ssm.get_paginator("list_command_invocations").paginate(
                CommandId=command_id
            )
            rows = [row for page in pages for row in page.get("CommandInvocations", [])]
            return [_invocation(row) for row in rows]

    def output(self, command_id: str, instance_id: str) -> Output:
        """What the command printed on one host (the listing keeps 2,500 characters only)."""
        with Translated("reading a command's output"):
            reply = self._ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
            return Output(reply["StandardOutputContent"], reply["StandardErrorContent"])

    def cancel(self, command_id: str) -> None:
        """Ask SSM to stop the command; what already ran is not undone."""
        with Translated("cancelling a command"):
            self._ssm.cancel_command(CommandId=command_id)


def _name_of(instance: Any) -> str:
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
    return str(tags.get("Name", instance["InstanceId"]))


def _agent(row: Any) -> Agent:
    return Agent(
        instance_id=row["InstanceId"],
        ping=row["PingStatus"],
        last_ping=row["LastPingDateTime"],
        version=row.get("AgentVersion", ""),
    )


def _invocation(row: Any) -> Invocation:
    return Invocation(
        instance_id=row["InstanceId"],
        status=row.get("StatusDetails") or row["Status"],
        final=row["Status"] in _FINAL,
    )


class Translated:
    """Turns AWS's errors into ours: transient ones apart from those that stay."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ClientError | BotoCoreError):
            raise translate(error, self._doing) from None
        if isinstance(error, ResponseParserError | KeyError):
            raise HostUnreachable(f"AWS's answer does not read while {self._doing}.") from None


def translate(error: ClientError | BotoCoreError, doing: str) -> DeliveryError:
    """The error of our own that says the same as ``error``."""
    if isinstance(error, BotoCoreError):
        kind = type(error).__name__
        if kind in _INCOMPLETE:
            return ConfigurationError(
                f"The AWS settings are incomplete ({kind}) while {doing}.",
                next_command="Complete them in the environment's file, and register it again.",
            )
        if isinstance(error, HTTPClientError | ConnectionError | IncompleteReadError):
            return HostUnreachable(f"AWS did not answer while {doing}: {kind}.")
        return HostError(f"AWS cannot be asked that, while {doing}: {error}")
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _PASSING or status >= 500:
        return HostUnreachable(f"AWS answered {code or status} while {doing}: {message}")
    if code in _REFUSED_CREDENTIALS:
        return ConfigurationError(
            f"AWS does not accept the credentials ({code}) while {doing}.",
            next_command="aws sts get-caller-identity   # with the environment's credentials",
        )
    if code in _DENIED:
        return ConfigurationError(
            f"The AWS role lacks a right for {doing}: {message}",
            next_command="Compare the role with the policy in README.md.",
        )
    if code == "InvalidInstanceId":
        return HostUnreachable(
            "Systems Manager does not know the instance, or its agent is not registered.",
            last_words=message,
            next_command="aws ssm describe-instance-information",
        )
    return HostError(f"AWS refused ({code}) while {doing}: {message}")
