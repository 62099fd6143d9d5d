"""An environment's secrets, as they come in: by the process environment and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from delivery.errors import ConfigurationError

_NEEDED = ("TT_GITHUB_TOKEN", "TT_REGISTRY_USERNAME", "TT_REGISTRY_PASSWORD", "TT_DOPPLER_TOKEN")
_OPTIONAL = (
    "TT_SLACK_WEBHOOK_URL",
    "TT_SLACK_BOT_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)
SECRET_VARIABLES = frozenset({*_NEEDED, *_OPTIONAL, "AWS_SESSION_TOKEN"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets of one environment; none of them shows in ``repr``.

    Without AWS keys the worker's own role or profile is used; without a Slack webhook and
    without a bot's token nothing is announced.
    """

    registry_username: str
    github_token: str = field(repr=False)
    registry_password: str = field(repr=False)
    doppler_token: str = field(repr=False)
    slack_webhook_url: str = field(default="", repr=False)
    slack_bot_token: str = field(default="", repr=False)
    aws_access_key_id: str = field(default="", repr=False)
    aws_secret_access_key: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read them; ConfigurationError names every variable that is missing."""
        # A trailing newline is what "export X=$(cat file)" on Windows, or a paste, leaves.
        given = {
            name: value.strip() for name in SECRET_VARIABLES if (value := environment.get(name))
        }
        _refuse_gaps(given)
        _refuse_half_an_account(given)
        return cls(
            registry_username=given["TT_REGISTRY_USERNAME"],
            github_token=given["TT_GITHUB_TOKEN"],
            registry_password=given["TT_REGISTRY_PASSWORD"],
            doppler_token=given["TT_DOPPLER_TOKEN"],
            slack_webhook_url=given.get("TT_SLACK_WEBHOOK_URL", ""),
            slack_bot_token=given.get("TT_SLACK_BOT_TOKEN", ""),
            aws_access_key_id=given.get("AWS_ACCESS_KEY_ID", ""),
            aws_secret_access_key=given.get("AWS_SECRET_ACCESS_KEY", ""),
        )


def _refuse_gaps(given: Mapping[str, str]) -> None:
    missing = [name for name in _NEEDED if not given.get(name)]
    if missing:
        raise ConfigurationError(
            f"Secrets are missing from the process environment: {', '.join(missing)}.",
            next_command=" ".join(["export", *(f"{name}=..." for name in missing)]),
        )


def _refuse_half_an_account(given: Mapping[str, str]) -> None:
    if given.get("AWS_SESSION_TOKEN"):
        raise ConfigurationError(
            "AWS_SESSION_TOKEN is set: temporary credentials would be stored, and expire.",
            next_command="unset AWS_SESSION_TOKEN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"
            "   # then the worker's role serves",
        )
    if bool(given.get("AWS_ACCESS_KEY_ID")) != bool(given.get("AWS_SECRET_ACCESS_KEY")):
        raise ConfigurationError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together; one is missing."
        )
