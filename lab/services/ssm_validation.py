"""What SendCommand accepts, refused in the real service's words otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from lab.services.aws_errors import SsmError

MAX_INSTANCE_IDS = 50
MAX_TARGETS = 5
LONGEST_COMMENT = 100
MAX_EXECUTION_SECONDS = 172_800
DEFAULT_DELIVERY_SECONDS = 3_600
DEFAULT_EXECUTION_SECONDS = 3_600
DOCUMENT = "AWS-RunShellScript"
PARAMETERS = frozenset({"commands", "executionTimeout", "workingDirectory"})


@dataclass(frozen=True, slots=True)
class SendCommand:
    """A valid request to run something."""

    document: str
    parameters: dict[str, list[str]]
    comment: str
    instance_ids: list[str]
    targets: list[dict[str, Any]]
    delivery_seconds: int
    execution_seconds: int
    max_concurrency: str
    max_errors: str

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Check a request as the service does; raise `SsmError`."""
        if body["DocumentName"] != DOCUMENT:
            raise SsmError("InvalidDocument", f"Document {body['DocumentName']} does not exist.")
        comment = body.get("Comment", "")
        if len(comment) > LONGEST_COMMENT:
            raise _violates(comment, "comment", _at_most(LONGEST_COMMENT))
        instance_ids, targets = body.get("InstanceIds") or [], body.get("Targets") or []
        _check_aim(instance_ids, targets)
        parameters = body.get("Parameters") or {}
        return cls(
            document=DOCUMENT,
            parameters=parameters,
            comment=comment,
            instance_ids=list(dict.fromkeys(instance_ids)),
            targets=targets,
            delivery_seconds=body.get("TimeoutSeconds") or DEFAULT_DELIVERY_SECONDS,
            execution_seconds=_execution_seconds(parameters),
            max_concurrency=_rate(body, "MaxConcurrency", "50"),
            max_errors=_rate(body, "MaxErrors", "0"),
        )


def _check_aim(instance_ids: list[str], targets: list[dict[str, Any]]) -> None:
    if bool(instance_ids) == bool(targets):
        raise SsmError(
            "ValidationException", "Specify either instance IDs or targets, and not both."
        )
    if len(instance_ids) > MAX_INSTANCE_IDS:
        raise _violates(
            f"[{', '.join(instance_ids)}]",
            "instanceIds",
            _at_most(MAX_INSTANCE_IDS),
        )
    if len(targets) > MAX_TARGETS:
        raise _violates(str(targets), "targets", _at_most(MAX_TARGETS))
    for instance_id in instance_ids:
        if not re.fullmatch(r"i-(\w{8}|\w{17})|mi-\w{17}", instance_id):
            raise SsmError(
                "InvalidInstanceId", f"The specified instance ID is not valid: {instance_id}"
            )
    for number, target in enumerate(targets, start=1):
        if len(target["Values"]) > MAX_INSTANCE_IDS:
            field = f"targets.{number}.member.values"
            raise _violates(str(target["Values"]), field, _at_most(MAX_INSTANCE_IDS))


def _execution_seconds(parameters: Mapping[str, list[str]]) -> int:
    if unknown := set(parameters) - PARAMETERS:
        names = ", ".join(sorted(unknown))
        raise SsmError("InvalidParameters", f"Parameter(s) not defined in the document: {names}")
    if not parameters.get("commands"):
        raise SsmError("InvalidParameters", "Missing required parameter: commands")
    text = (parameters.get("executionTimeout") or [str(DEFAULT_EXECUTION_SECONDS)])[0]
    if not text.isdigit() or not 1 <= int(text) <= MAX_EXECUTION_SECONDS:
        raise SsmError(
            "InvalidParameters", f"Parameter 'executionTimeout' has an invalid value: {text!r}"
        )
    return int(text)


def _rate(body: Mapping[str, Any], name: str, default: str) -> str:
    text = str(body.get(name) or default)
    least = 0 if name == "MaxErrors" else 1
    if not re.fullmatch(r"\d{1,7}|(100|\d{1,2})%", text) or int(text.rstrip("%")) < least:
        field = name[0].lower() + name[1:]
        raise _violates(text, field, "Member must satisfy regular expression pattern")
    return text


def _at_most(number: int) -> str:
    return f"Member must have length less than or equal to {number}"


def _violates(value: str, field: str, rule: str) -> SsmError:
    return SsmError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{field}' "
        f"failed to satisfy constraint: {rule}",
    )
