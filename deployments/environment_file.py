"""The file of an environment: ``deployments/environments/NAME.yaml``, validated once.

It says everything about an environment but its secrets, so it belongs into git. Those
come from the process environment (``deployments.credentials``). Its keys are the fields of
the ``Environment`` block, with their defaults, and a section for each door that needs more
than a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, create_model

from blocks.environment import Environment
from delivery.errors import ConfigurationError
from delivery.policies import Policy
from delivery.redaction import redact
from deployments.credentials import SECRET_VARIABLES
from deployments.substitution import (
    broken_references,
    missing_variables,
    strings_in,
    substitute,
    variables_in,
)

ENVIRONMENTS = Path(__file__).parent / "environments"


class AwsAccount(Policy):
    """How the worker reaches AWS."""

    region: str = Field(description="The region of the hosts.")
    endpoint_url: str = Field(default="", description="Another address than AWS's own.")
    profile: str = Field(default="", description="A profile of the worker's AWS configuration.")


class DopplerConfig(Policy):
    """Where the environment's secrets are kept."""

    project: str = Field(description="Doppler project.")
    config: str = Field(description="Doppler config.")
    api_url: str = Field(default="", description="Another address than Doppler's own.")


class BuildEngine(Policy):
    """The Docker engine that builds images."""

    url: str = Field(default="", description="Its address; empty: the worker's own engine.")


class SlackChannel(Policy):
    """How deploys are announced; the webhook itself is a secret."""

    allow_private_urls: bool = Field(
        default=False, description="Whether the webhook may lead to a private address."
    )


class SlackBotChannel(Policy):
    """Where a bot announces deploys instead; its token is a secret."""

    channel: str = Field(default="", description="The channel's id; needed if there is a token.")
    api_url: str = Field(default="", description="Another address than Slack's own Web API.")


class Doors(Policy):
    """The sections of the file that say how a door is reached."""

    aws: AwsAccount
    doppler: DopplerConfig
    docker_host: BuildEngine = Field(default_factory=BuildEngine)
    slack: SlackChannel = Field(default_factory=SlackChannel)
    slack_bot: SlackBotChannel = Field(default_factory=SlackBotChannel)


_MADE_OTHERWISE = {
    "name",
    "aws",
    "github",
    "registry",
    "docker_host",
    "doppler",
    "slack",
    "slack_bot",
}
_OWN_FIELDS: dict[str, Any] = {
    name: (field.annotation, field)
    for name, field in Environment.model_fields.items()
    if name not in _MADE_OTHERWISE
}
# Out of the block itself: a new field of the block can be set in the file at once.
Settings = create_model("Settings", __base__=Policy, **_OWN_FIELDS)


@dataclass(frozen=True, slots=True)
class EnvironmentFile:
    """What a file says: how the doors are reached, and the block's own fields that it sets."""

    doors: Doors
    settings: dict[str, Any]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "EnvironmentFile":
        """Validate what the file says; ValidationError for what it must not, or must, say."""
        doors = {name: value for name, value in said.items() if name in Doors.model_fields}
        rest = {name: value for name, value in said.items() if name not in doors}
        settings = Settings.model_validate(rest)
        return cls(
            doors=Doors.model_validate(doors),
            settings={name: getattr(settings, name) for name in settings.model_fields_set},
        )


def load_file(path: Path, environment: Mapping[str, str]) -> EnvironmentFile:
    """The file at ``path`` with its variables replaced by those of ``environment``.

    Raises ConfigurationError, with everything that is wrong, if it cannot be read, lacks
    a variable, holds a credential, or does not say what it must.
    """
    written = _read(path)
    _refuse_secrets(path, written)
    _refuse_gaps(path, written, environment)
    filled = {key: substitute(value, environment) for key, value in written.items()}
    try:
        return EnvironmentFile.of(filled)
    except ValidationError as error:
        raise ConfigurationError(
            f"The environment file is wrong: {problems_of(error)}", where=str(path)
        ) from None


def problems_of(error: ValidationError) -> str:
    """What is wrong with which field, without any value: a value might be a secret."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found)


def _read(path: Path) -> dict[str, Any]:
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(each.stem for each in ENVIRONMENTS.glob("*.yaml")))
        raise ConfigurationError(
            f"There is no environment file; there are: {known}.", where=str(path)
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"The environment file cannot be read: {error.strerror}.", where=str(path)
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(
            "The environment file is not YAML.", where=f"{path}{line}"
        ) from None
    if not isinstance(written, dict):
        raise ConfigurationError("The environment file is not a YAML mapping.", where=str(path))
    return written


def _refuse_secrets(path: Path, written: dict[str, Any]) -> None:
    asked = sorted(SECRET_VARIABLES & variables_in(written))
    if asked:
        raise ConfigurationError(
            f"The environment file refers to a secret: {', '.join(asked)}. Secrets are read "
            "from the process environment, never through the file.",
            where=str(path),
        )
    if any(redact(text, personal=False) != text for text in strings_in(written)):
        raise ConfigurationError(
            "The environment file holds something that looks like a credential.",
            where=str(path),
            next_command="Take it out of the file and of git's history, and revoke it.",
        )


def _refuse_gaps(path: Path, written: dict[str, Any], environment: Mapping[str, str]) -> None:
    if broken := broken_references(written):
        raise ConfigurationError(
            f"The environment file has a reference that does not read as ${{NAME}} or "
            f"${{NAME:-default}}: {', '.join(broken)}",
            where=str(path),
        )
    if missing := missing_variables(written, environment):
        raise ConfigurationError(
            f"The environment file needs variables that are not set: {', '.join(missing)}.",
            where=str(path),
            next_command=" ".join(["export", *(f"{name}=..." for name in missing)]),
        )
