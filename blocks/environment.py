"""Everything that one environment is, as one form in the Prefect UI."""

import logging
import re
from collections.abc import Callable
from typing import Any, Self

from prefect.blocks.core import Block
from prefect.blocks.notifications import SlackWebhook
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect_aws import AwsCredentials
from prefect_docker import DockerHost, DockerRegistryCredentials
from prefect_github import GitHubCredentials
from pydantic import Field, PrivateAttr, field_validator, model_validator

from blocks.aws_hosts import AwsHosts, Translated
from blocks.buildx import Buildx
from blocks.doppler import DopplerSecrets
from blocks.github import GitHubRepository
from blocks.github_api import GitHubApi
from blocks.github_deployments import GitHubDeployments
from blocks.registry import Registry
from blocks.schemas import kept_schema
from blocks.slack import Channel, SlackBot, WebhookChannel
from delivery.errors import BadRequest, ConfigurationError
from delivery.image import ImageRepository
from delivery.notification import NotificationPolicy
from delivery.policies import (
    ApprovalPolicy,
    HealthPolicy,
    HostLayout,
    ReleasePages,
    RolloutPolicy,
    SoakPolicy,
    StageTimeouts,
    VerificationPolicy,
)
from delivery.preflight_policy import PreflightPolicy
from delivery.redaction import redact

ENVIRONMENT_NAME = re.compile(r"^[a-z0-9]+(?:-[a-z0-9]+)*$")


class _WithoutWebhooks(logging.Filter):
    """Keeps webhooks out of the log.

    SlackWebhook hands its URL to apprise, which logs every URL that is not at Slack's own
    address (the lab's is not), secret path and all, whenever the block is loaded.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return not record.msg.startswith("Unparseable URL")


logging.getLogger("apprise").addFilter(_WithoutWebhooks())


class Environment(Block):
    """A place that releases go to: its hosts, its image, its branch, its policies.

    The credentials are blocks of their own, nested here.

    Example:
        ```python
        from blocks.environment import Environment

        production = Environment.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "TT Environment"
    _block_type_slug = "tt-environment"
    _logo_url = "https://www.docker.com/favicon.ico"  # type: ignore[assignment]
    _documentation_url = "https://docs.docker.com/compose/"  # type: ignore[assignment]

    name: str = Field(
        default=..., description="Lower case, digits, dashes.", examples=["production"]
    )
    repository: str = Field(
        default=..., description="The application's repository on GitHub, owner/name."
    )
    branch: str = Field(default="develop", description="The branch that deploys by default.")
    git_url: str = Field(
        default="", title="Git URL", description="Where to clone from; empty: GitHub itself."
    )
    github_api_url: str = Field(
        default="https://api.github.com", title="GitHub API URL", description="GitHub's REST API."
    )
    tag_prefix: str = Field(default="v", description="What release tags begin with.")
    image: str = Field(
        default=..., description="Image repository without a tag: ghcr.io/owner/name."
    )
    dockerfile: str = Field(default="Dockerfile", description="Inside the repository.")
    platform: str = Field(
        default="", description="Platform to build for, such as linux/amd64; empty: the engine's."
    )
    tag_key: str = Field(default="Name", description="The EC2 tag that finds the hosts.")
    tag_value: str = Field(default=..., description="That tag's value.", examples=["TT-ec2-1"])
    expected_hosts: int = Field(
        default=1, ge=1, le=50, description="How many running instances there must be."
    )
    layout: HostLayout = Field(
        default_factory=HostLayout, description="Where things lie on a host."
    )
    rollout: RolloutPolicy = Field(
        default_factory=RolloutPolicy, description="How one release takes over from another."
    )
    health: HealthPolicy = Field(
        default_factory=HealthPolicy, description="When a deploy counts as healthy."
    )
    soak: SoakPolicy = Field(
        default_factory=SoakPolicy, description="When a new release is worse than the one before."
    )
    verification: VerificationPolicy = Field(
        default_factory=VerificationPolicy, description="How its watchers are verified."
    )
    releases: ReleasePages = Field(
        default_factory=ReleasePages, description="How releases show on GitHub."
    )
    timeouts: StageTimeouts = Field(
        default_factory=StageTimeouts, description="How long each stage may take."
    )
    approval: ApprovalPolicy = Field(
        default_factory=ApprovalPolicy, description="Whether a person must agree first."
    )
    notifications: NotificationPolicy = Field(
        default_factory=NotificationPolicy, description="What is announced, and when."
    )
    preflight: PreflightPolicy = Field(
        default_factory=PreflightPolicy, description="What must hold before a deploy may begin."
    )
    aws: AwsCredentials = Field(default=..., title="AWS", description="Reaches EC2 and SSM.")
    github: GitHubCredentials = Field(
        default=..., title="GitHub", description="May read code and write tags and releases."
    )
    registry: DockerRegistryCredentials = Field(
        default=..., description="May push images (GHCR: packages:write)."
    )
    docker_host: DockerHost = Field(default=..., description="The engine that builds images.")
    doppler: DopplerSecrets = Field(default=..., description="The secrets' project and config.")
    slack: SlackWebhook | None = Field(default=None, description="Where to announce deploys.")
    slack_bot: SlackBot | None = Field(
        default=None,
        title="Slack bot",
        description="Instead of the webhook: a bot, whose message shows how the deploy stands.",
    )

    _hosts_door: AwsHosts | None = PrivateAttr(default=None)

    @classmethod
    def model_json_schema(cls, *asked: Any, **named: Any) -> dict[str, Any]:
        """The block's schema, made once a process; the caller's own, to change at will.

        Whenever it stores a block, Prefect asks for the schema for every field and every nested
        one, to see whether it is secret: 50 times 25 ms for this one.
        """
        return kept_schema(super().model_json_schema, cls, asked, named)

    @field_validator("name")
    @classmethod
    def _name_reads(cls, name: str) -> str:
        if not ENVIRONMENT_NAME.fullmatch(name):
            raise ValueError("use lower-case letters, digits and single dashes")
        return name

    @field_validator("repository")
    @classmethod
    def _repository_reads(cls, repository: str) -> str:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise ValueError("write it as owner/name")
        return repository

    @field_validator("image")
    @classmethod
    def _image_reads(cls, image: str) -> str:
        try:
            ImageRepository.parse(image)
        except BadRequest as error:
            raise ValueError(error.message) from None
        return image

    @model_validator(mode="after")
    def _takeovers_have_time(self) -> Self:
        longest, given = self.rollout.longest_seconds, self.timeouts.start
        if longest > given:
            raise ValueError(
                f"timeouts.start gives a takeover {given} s, the rollout policy up to {longest} s "
                "(gate, drain twice, soak, stop): raise the one or lower the others"
            )
        return self

    @property
    def lock(self) -> str:
        """The name of the concurrency limit that deploys and rollbacks share."""
        return f"deploy-{self.name}"

    @property
    def clone_url(self) -> str:
        """Where the worker clones the application from."""
        return self.git_url or f"https://github.com/{self.repository}.git"

    @property
    def repository_url(self) -> str:
        """The repository's page; links in notes start with it."""
        return self.clone_url.removesuffix(".git")

    def hosts_door(self) -> AwsHosts:
        """EC2 and SSM with this environment's credentials; always the same door."""
        if self._hosts_door is None:
            options = self.aws.aws_client_parameters.get_params_override()
            with Translated("reading the AWS settings"):
                session = self.aws.get_boto3_session()
            self._hosts_door = AwsHosts(session, options)
        return self._hosts_door

    def github_door(self, *, on_wait: Callable[[float], None] | None = None) -> GitHubRepository:
        """GitHub's REST API for the application's repository.

        ``on_wait`` hears of each wait for a rate limit, in seconds, before it begins.
        """
        return GitHubRepository(self.github_api(on_wait=on_wait))

    def deployments_door(self) -> GitHubDeployments:
        """What GitHub shows of deploys; it waits for no rate limit, nothing depends on it."""
        return GitHubDeployments(self.github_api(patience_seconds=0.0, timeout_seconds=5.0))

    def github_api(self, **manner: Any) -> GitHubApi:
        """Calls to GitHub about the application's repository, in ``GitHubApi``'s manner."""
        return GitHubApi(
            api_url=self.github_api_url,
            repository=self.repository,
            token=self.github_token(),
            **manner,
        )

    def github_token(self) -> str:
        """The token itself, for git; hand it on by environment, never by argument."""
        if self.github.token is None:
            raise ConfigurationError(
                "The environment's GitHub block has no token.",
                where=self.name,
                next_command=f"python -m deployments.register {self.name}",
            )
        return str(self.github.token.get_secret_value())

    def channel(self) -> Channel | None:
        """Where deploys are announced: the bot's channel, else the webhook's; None if neither."""
        if self.slack_bot is not None:
            return self.slack_bot.get_client()
        return WebhookChannel(self.slack) if self.slack is not None else None

    def registry_door(self) -> Registry:
        """The image repository's HTTP API."""
        return Registry(
            ImageRepository.parse(self.image),
            username=self.registry.username,
            password=self.registry.password.get_secret_value(),
        )

    def builder_door(self) -> Buildx:
        """The builder, logged in to the registry."""
        return Buildx(
            engine_url=self.docker_host.base_url or "",
            registry=ImageRepository.parse(self.image).registry,
            username=self.registry.username,
            password=self.registry.password.get_secret_value(),
        )


def load_environment(name: str) -> Environment:
    """The registered environment ``name``.

    Raises ConfigurationError with the command that registers it if there is none.
    """
    try:
        loaded = Environment.load(name)
    except (ValueError, RuntimeError) as error:  # RuntimeError: Prefect's word for invalid
        missing = isinstance(error.__cause__, ObjectNotFound)
        problem = "is not registered on" if missing else "cannot be read from"
        raise ConfigurationError(
            f"The environment {name!r} {problem} this Prefect server.",
            where=str(PREFECT_API_URL.value() or "a temporary server of this process"),
            next_command=f"python -m deployments.register {name}",
        ) from None
    if not isinstance(loaded, Environment):
        raise ConfigurationError("Environments are loaded from synchronous code.")
    return loaded
