"""Scripts for a host: how they are put together, and how their answer is read.

A script travels whole over Systems Manager. Its inputs are ``export`` lines, quoted by
``shlex``; nothing is ever pasted into script text, and no input may be a secret, since
SSM keeps the command. The answer is the last line ``TT_RESULT {json}`` of its output.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from delivery.errors import BadRequest, HostAnswerMalformed, HostScriptFailed, HostScriptInterrupted
from delivery.redaction import redact

RESULT_MARK = "TT_RESULT "
_INPUT_NAME = re.compile(r"TT_[A-Z0-9_]+")
_TAIL_CHARACTERS = 4000

Answer = TypeVar("Answer", bound="HostAnswer")


class HostAnswer(BaseModel):
    """The fields that every script answers with; each script's own answer extends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ok: bool
    step: str
    failed: str = ""
    next: str = ""
    seconds: float = 0.0


def compose_script(parts: Sequence[str], inputs: Mapping[str, str]) -> str:
    """The text that SSM runs: shebang first (else it would be ``sh``), inputs, then the parts.

    Raises BadRequest for an input that is not named ``TT_...`` or holds a NUL character.
    """
    lines = ["#!/bin/bash"]
    for name, value in sorted(inputs.items()):
        if not _INPUT_NAME.fullmatch(name) or "\0" in value:
            raise BadRequest(f"{name!r} cannot be an input of a host script.")
        lines.append(f"export {name}={shlex.quote(value)}")
    return "\n".join([*lines, *(_without_shebang(part) for part in parts), ""])


def _without_shebang(text: str) -> str:
    first, _, rest = text.partition("\n")
    return rest if first.startswith("#!") else text


def read_answer(kind: type[Answer], output: str, *, host: str, noise: str = "") -> Answer:
    """The script's answer, out of what it printed.

    Raises HostScriptFailed if the script says that it failed, HostAnswerMalformed if its
    result line is missing or unreadable. ``noise`` is its standard error.
    """
    said, line = split_output(output)
    last_words = last_words_of(said, noise)
    if line is None:
        raise HostAnswerMalformed(
            "The host's script ended without a result.", where=host, last_words=last_words
        )
    fields = _parse(line, host=host, last_words=last_words)
    if fields.get("ok") is not True:
        step = str(fields.get("step", "script"))
        failed = redact(str(fields.get("failed", ""))) or "it did not say why"
        kind_of_failure = HostScriptInterrupted if fields.get("transient") else HostScriptFailed
        raise kind_of_failure(
            f"The step '{step}' failed on the host: {failed}",
            where=host,
            last_words=last_words,
            next_command=str(fields.get("next", "")),
        )
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise HostAnswerMalformed(
            f"The host's answer does not read as {kind.__name__}: "
            f"{error.error_count()} field(s) wrong, first {error.errors()[0]['loc']}.",
            where=host,
            last_words=last_words,
        ) from None


def split_output(output: str) -> tuple[str, str | None]:
    """What the script said, and the JSON of its last result line (None: there is none)."""
    # Not splitlines(): it also splits at characters that may stand inside the JSON.
    lines = [line.rstrip("\r") for line in output.split("\n")]
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].startswith(RESULT_MARK):
            return "\n".join(lines[:index]), lines[index].removeprefix(RESULT_MARK)
    return output, None


def last_words_of(output: str, noise: str = "") -> str:
    """The end of what a script said, free of secrets and short enough to read."""
    text = "\n".join(part for part in (output.strip(), noise.strip()) if part)
    return redact(text)[-_TAIL_CHARACTERS:]


def _parse(line: str, *, host: str, last_words: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise HostAnswerMalformed(
            "The host's result line is not a JSON object.", where=host, last_words=last_words
        )
    return fields
