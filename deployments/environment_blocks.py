"""The blocks of one environment, out of its file and its secrets; nothing is saved here."""

from dataclasses import dataclass
from typing import Any

from prefect.blocks.core import Block
from prefect.blocks.notifications import SlackWebhook
from prefect_aws import AwsCredentials
from prefect_aws.client_parameters import AwsClientParameters
from prefect_docker import DockerHost, DockerRegistryCredentials
from prefect_github import GitHubCredentials
from pydantic import SecretStr, ValidationError

from blocks.doppler import DopplerSecrets
from blocks.environment import Environment
from blocks.slack import SlackBot
from delivery.errors import ConfigurationError
from deployments.credentials import Credentials
from deployments.environment_file import (
    AwsAccount,
    DopplerConfig,
    EnvironmentFile,
    SlackBotChannel,
    SlackChannel,
    problems_of,
)


@dataclass(frozen=True, slots=True)
class EnvironmentBlocks:
    """The doors of an environment, by their field's name, and what the file says besides.

    Each door is a document of its own, which the environment's document only refers to: a
    credential that changes is stored once, in that one document.
    """

    name: str
    settings: dict[str, Any]
    doors: dict[str, Block]

    def document(self, field: str) -> str:
        """What the document of a door is called: ``production-docker-host``."""
        return f"{self.name}-{field.replace('_', '-')}"

    def environment(self, doors: dict[str, Block]) -> Environment:
        """The environment's own block, with these doors (stored ones become references).

        Raises ConfigurationError if the settings do not read.
        """
        try:
            return Environment(name=self.name, **self.settings, **doors)
        except ValidationError as error:
            raise ConfigurationError(
                f"The environment file is wrong: {problems_of(error)}"
            ) from None


def environment_blocks(
    name: str, file: EnvironmentFile, credentials: Credentials
) -> EnvironmentBlocks:
    """All blocks of the environment ``name``; ConfigurationError if they cannot be made."""
    doors: dict[str, Block] = {
        "aws": _aws(file.doors.aws, credentials),
        "github": GitHubCredentials(token=SecretStr(credentials.github_token)),
        "registry": _registry(file.settings["image"], credentials),
        "docker_host": DockerHost(base_url=file.doors.docker_host.url or None),
        "doppler": _doppler(file.doors.doppler, credentials),
    }
    if credentials.slack_webhook_url:
        doors["slack"] = _slack(file.doors.slack, credentials)
    if credentials.slack_bot_token:
        doors["slack_bot"] = _slack_bot(file.doors.slack_bot, credentials)
    blocks = EnvironmentBlocks(name, file.settings, doors)
    blocks.environment(doors)
    return blocks


def _aws(account: AwsAccount, credentials: Credentials) -> AwsCredentials:
    key = credentials.aws_access_key_id
    return AwsCredentials(
        aws_access_key_id=key or None,
        aws_secret_access_key=SecretStr(credentials.aws_secret_access_key) if key else None,
        profile_name=account.profile or None,
        region_name=account.region,
        aws_client_parameters=AwsClientParameters(endpoint_url=account.endpoint_url or None),
    )


def _registry(image: str, credentials: Credentials) -> DockerRegistryCredentials:
    return DockerRegistryCredentials(
        username=credentials.registry_username,
        password=SecretStr(credentials.registry_password),
        registry_url=image.partition("/")[0],
    )


def _doppler(config: DopplerConfig, credentials: Credentials) -> DopplerSecrets:
    address = {"api_url": config.api_url} if config.api_url else {}
    return DopplerSecrets(
        project=config.project,
        config=config.config,
        service_token=SecretStr(credentials.doppler_token),
        **address,
    )


def _slack(channel: SlackChannel, credentials: Credentials) -> SlackWebhook:
    url = credentials.slack_webhook_url
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError("TT_SLACK_WEBHOOK_URL is not an http(s) URL.")
    return SlackWebhook(url=SecretStr(url), allow_private_urls=channel.allow_private_urls)


def _slack_bot(channel: SlackBotChannel, credentials: Credentials) -> SlackBot:
    if not channel.channel:
        raise ConfigurationError(
            "TT_SLACK_BOT_TOKEN is set, but the environment file names no channel for the bot.",
            next_command="Write `slack_bot: {channel: C0123456789}` into the environment file.",
        )
    address = {"api_url": channel.api_url} if channel.api_url else {}
    return SlackBot(
        token=SecretStr(credentials.slack_bot_token), channel=channel.channel, **address
    )
