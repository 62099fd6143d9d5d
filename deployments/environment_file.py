"""The file of an environment: ``deployments/environments/NAME.yaml``, validated once.

It says everything about an environment but its secrets, so it belongs into git. Those
come from the process environment (``deployments.credentials``). What the file leaves out
has the default of the ``Environment`` block: a default is written down in one place.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from delivery.errors import ConfigurationError
from delivery.policies import HealthPolicy, HostLayout, Policy, StageTimeouts
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


class EnvironmentFile(Policy):
    """Everything about an environment that is no secret; unknown keys are refused."""

    repository: str
    image: str
    tag_value: str
    branch: str | None = None
    git_url: str | None = None
    github_api_url: str | None = None
    tag_prefix: str | None = None
    dockerfile: str | None = None
    platform: str | None = None
    tag_key: str | None = None
    expected_hosts: int | None = None
    layout: HostLayout | None = None
    health: HealthPolicy | None = None
    timeouts: StageTimeouts | None = None
    aws: AwsAccount
    doppler: DopplerConfig
    docker_host: BuildEngine = Field(default_factory=BuildEngine)
    slack: SlackChannel = Field(default_factory=SlackChannel)

    def settings(self) -> dict[str, Any]:
        """What the file says of the ``Environment`` block's own fields, and no defaults."""
        doors = {"aws", "doppler", "docker_host", "slack"}
        said = {name: getattr(self, name) for name in self.model_fields_set - doors}
        return {name: value for name, value in said.items() if value is not None}


def load_file(path: Path, environment: Mapping[str, str]) -> EnvironmentFile:
    """The file at ``path`` with its variables replaced by those of ``environment``.

    Raises ConfigurationError, with everything that is wrong, if it cannot be read, lacks
    a variable, holds a credential, or does not say what it must.
    """
    written = _read(path)
    _refuse_secrets(path, written)
    _refuse_gaps(path, written, environment)
    filled = substitute(written, environment)
    try:
        return EnvironmentFile.model_validate(filled)
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
    if any(redact(text) != text for text in strings_in(written)):
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
