"""What an environment's owner may tune: validated where it comes in, frozen afterwards.

These are the nested forms of the ``Environment`` block, so titles and descriptions are
what a person reads in the Prefect UI.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# One part of a path, never "." or "..". Pydantic's patterns know no look-around.
_PART = r"\.?[\w-][\w.-]*"
AbsolutePath = Annotated[str, StringConstraints(pattern=rf"^(?:/{_PART})+$")]
RelativePath = Annotated[str, StringConstraints(pattern=rf"^{_PART}(?:/{_PART})*$")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$")]


class Policy(BaseModel):
    """A group of settings: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HostLayout(Policy):
    """Where things lie on a host."""

    clone: AbsolutePath = Field(
        default="/dockerProjects/tt-src/WEB7_9_B2ST_BE",
        description="The git clone of the application's repository.",
    )
    compose_file: RelativePath = Field(
        default="docker/docker-compose.yml", description="The Compose file, inside the clone."
    )
    project: Word = Field(default="tt", description="The Compose project's name.")
    app_service: Word = Field(default="app", description="The service that a deploy replaces.")
    data_stores: tuple[Word, ...] = Field(
        default=(
            "postgres",
            *(f"redis-node-{number}" for number in range(1, 7)),
        ),
        description="Services that an app deploy starts if they are missing and never recreates.",
    )
    gateway: str = Field(
        default="gateway",
        description="The service that holds the public port; started if missing, never recreated.",
    )
    init_service: str = Field(
        default="redis-cluster-init",
        description="A one-shot service that must end well before the application starts.",
    )
    alertmanager_template: RelativePath | Literal[""] = Field(
        default="monitoring/alertmanager/alertmanager.yml",
        description="Alertmanager's configuration with ${NAMES}, inside the clone; empty: none.",
    )
    token_file: AbsolutePath = Field(
        default="/etc/tt-secrets/doppler-token",
        description="The only secret file on the host: Doppler's service token, mode 400.",
    )
    app_port: int = Field(default=8080, ge=1, le=65535, description="The application's port.")
    redis_service: Word = Field(
        default="redis-node-",
        description="What the Redis nodes' services begin with; 1, 2, ... follow.",
    )
    redis_first_port: int = Field(
        default=7000, ge=1, le=65435, description="The port of node 1; the others count on."
    )

    def redis_addresses(self, nodes: int) -> tuple[str, ...]:
        """Where so many nodes answer, as ``service:port``."""
        return tuple(
            f"{self.redis_service}{number}:{self.redis_first_port + number - 1}"
            for number in range(1, nodes + 1)
        )


class RolloutPolicy(Policy):
    """How one release takes over from another."""

    strategy: Literal["rolling", "recreate"] = Field(
        default="rolling",
        description="rolling: start beside, gate, switch, watch, retire; no request is lost. "
        "recreate: replace in place, for releases that cannot run side by side.",
    )
    canary_hosts: int = Field(
        default=1, ge=1, le=50, description="Hosts of a fleet that go first, alone."
    )
    wave_size: int = Field(
        default=5, ge=1, le=50, description="Hosts of a fleet that then go side by side."
    )
    failure_budget: int = Field(
        default=0,
        ge=0,
        le=50,
        description="Hosts of one wave that may fail (they keep the old release) before the "
        "rollout stops and every touched host goes back. No canary may, nor all of a wave; with "
        "recreate none may.",
    )
    gate_passes: int = Field(
        default=3, ge=1, le=50, description="Passes in a row before the new container gets traffic."
    )
    gate_seconds: int = Field(
        default=180, ge=5, le=3600, description="How long the new container may take to be ready."
    )
    drain_seconds: int = Field(
        default=30, ge=0, le=3600, description="How long open requests of the old one may take."
    )
    soak_seconds: int = Field(
        default=10,
        ge=0,
        le=3600,
        description="How long the new one is watched while the old one stays warm.",
    )
    warm_seconds: int = Field(
        default=600,
        ge=0,
        le=7200,
        description="How long the old one stays warm, as a quick way back, if no health check "
        "says before that it may go. 0: it goes as soon as the new one has passed its watch.",
    )
    soak_error_percent: int = Field(
        default=5, ge=0, le=100, description="Failed requests at the gateway that end the soak."
    )
    retained_releases: int = Field(
        default=5, ge=1, le=50, description="Releases whose images a host keeps as ways back."
    )
    stop_seconds: int = Field(
        default=45, ge=1, le=600, description="Grace of the old one; longer than the app's own."
    )

    @property
    def longest_seconds(self) -> int:
        """What a takeover on one host may take: gate, drain, watch, and the end of what failed."""
        return self.gate_seconds + 2 * self.drain_seconds + self.soak_seconds + self.stop_seconds

    def tolerated_failures(self, hosts: int, *, canary: bool = False) -> int:
        """How many of so many hosts that go side by side may fail.

        Never all of them: what a health check then says would be said of the old release. For
        the same reason no canary; and none by a strategy that leaves such a host without one.
        """
        if canary or self.strategy != "rolling":
            return 0
        return min(self.failure_budget, hosts - 1)


class HealthPolicy(Policy):
    """When a deploy counts as healthy."""

    passes: int = Field(
        default=3, ge=1, le=20, description="Passes in a row that a probe must show."
    )
    interval_seconds: float = Field(
        default=1.0, ge=0.1, le=60, description="Seconds between two looks of one probe."
    )
    span_seconds: float = Field(
        default=6.0,
        ge=0,
        le=300,
        description="How far apart the first and the last of those passes lie at least; more than "
        "the Redis Cluster's node timeout (5 s), within which a lost node is not noticed.",
    )
    deadline_seconds: float = Field(
        default=180.0,
        ge=1,
        le=3600,
        description="Seconds until a probe that never held is unhealthy.",
    )
    redis_nodes: int = Field(
        default=6, ge=0, le=100, description="Nodes of the Redis Cluster; 0 if there is none."
    )
    lag_bytes: int = Field(
        default=1_048_576, ge=0, description="How far a replica may be behind, Redis' or Postgres'."
    )
    overlapping_pools: int = Field(
        default=2,
        ge=0,
        le=20,
        description="Connection pools of the application that Postgres must have room for: two "
        "releases overlap in a rollout.",
    )
    actuator_over: Literal["ssm", "network"] = Field(
        default="ssm",
        description="Ask the actuator on the host through SSM, or straight over the network.",
    )
    actuator_url: str = Field(
        default="",
        description="The health endpoint as the worker reaches it; only for 'network'.",
    )

    @property
    def pause_seconds(self) -> float:
        """Seconds between two passes, so that all of them span ``span_seconds``."""
        pauses = self.passes - 1
        return max(self.interval_seconds, self.span_seconds / pauses if pauses else 0)


class SoakPolicy(Policy):
    """When a release that took over is worse than the one before it, as Prometheus sees it.

    Worse by the factor and by the absolute amount, in enough requests: all must be met.
    """

    watch_seconds: int = Field(
        default=60,
        ge=0,
        le=3600,
        description="How long after its start a new release is compared with the time before it; "
        "1: one look. 0: Prometheus is not asked.",
    )
    interval_seconds: float = Field(
        default=10.0,
        ge=0.1,
        le=600,
        description="Seconds between two looks; sooner than Prometheus scrapes they see the same.",
    )
    warm_up_seconds: int = Field(
        default=25,
        ge=0,
        le=3600,
        description="For so long after its start its latency is not counted: a new JVM is slow.",
    )
    before_minutes: int = Field(
        default=30, ge=1, le=1440, description="How much of the time before it is compared with."
    )
    least_requests: int = Field(
        default=100, ge=1, description="Fewer before or after it, and nothing is judged."
    )
    least_errors: int = Field(default=5, ge=1, description="Fewer failed requests never count.")
    error_factor: float = Field(default=3.0, ge=1, description="So many times the share of errors,")
    error_percent: float = Field(
        default=1.0, ge=0, le=100, description="and so many percent points more, are worse."
    )
    latency_factor: float = Field(default=2.0, ge=1, description="So many times the p95 latency,")
    latency_ms: float = Field(
        default=250.0, ge=0, description="and so many milliseconds more, are worse."
    )


class VerificationPolicy(Policy):
    """How the watchers of an environment are verified."""

    patience_seconds: float = Field(
        default=30.0,
        ge=0,
        le=600,
        description="How long what fails is looked at again: after a start, Prometheus needs a "
        "scrape or two.",
    )
    drill_every_hours: float = Field(
        default=20.0,
        ge=0,
        le=720,
        description="A drill that is not asked for by name is left out if the last one is younger; "
        "a little less than a day, so that a daily one is never late by a minute.",
    )
    drill_seconds: int = Field(
        default=120,
        ge=10,
        le=900,
        description="How long the drill's alert may take to Slack, and so long again to resolve.",
    )


class ReleasePages(Policy):
    """How releases show on GitHub."""

    draft: bool = Field(
        default=False, description="Leave a new release a draft, for a person to publish."
    )
    prerelease: Literal["by version", "never"] = Field(
        default="by version",
        description="Mark v1.2.0-develop.3 as a pre-release, or (as create-release did) none.",
    )


class StageTimeouts(Policy):
    """How long each stage may take, in seconds."""

    build: int = Field(default=1800, ge=10, description="Building and pushing the image.")
    sync: int = Field(default=120, ge=5, description="Syncing the clone on the host.")
    pull: int = Field(default=600, ge=10, description="Pulling the images on the host.")
    start: int = Field(default=600, ge=10, description="Starting the containers on the host.")
    look: int = Field(default=60, ge=5, description="A script that only looks, or tidies up.")
    delivery: int = Field(
        default=60, ge=30, description="SSM delivering a command to the host (at least 30)."
    )


class ApprovalPolicy(Policy):
    """Whether a person must agree before the first change."""

    required: bool = Field(
        default=False, description="A deploy pauses with its plan until somebody approves it."
    )
    deadline_minutes: float = Field(
        default=60.0, gt=0, le=10_080, description="Unanswered for so long, it is refused."
    )
