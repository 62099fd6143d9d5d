"""What must hold before a deploy may begin, as far as an environment's owner may say."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from delivery.policies import AbsolutePath, Policy

Endpoint = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*:\d{1,5}$")]
VersionText = Annotated[str, StringConstraints(pattern=r"^\d+(?:\.\d+){0,2}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class PreflightPolicy(Policy):
    """The limits of ``preflight`` and ``drift``."""

    free_disk_gb: float = Field(
        default=10.0, ge=0, description="Gigabytes (10^9 bytes) that must be free on a host."
    )
    image_growth: float = Field(
        default=3.0,
        ge=1,
        le=20,
        description="How much larger an image is unpacked than in the registry; so much must be "
        "free for it if that is more.",
    )
    free_inodes_percent: float = Field(
        default=5.0, ge=0, le=100, description="Free inodes of a file system, in percent."
    )
    free_memory_mb: int = Field(
        default=1024, ge=0, description="Available memory: two releases overlap for a while."
    )
    clock_skew_seconds: float = Field(
        default=5.0, gt=0, description="How far a host's clock may be from the worker's."
    )
    docker_version: VersionText = Field(default="25.0", description="The oldest Docker engine.")
    compose_version: VersionText = Field(default="2.24", description="The oldest Docker Compose.")
    agent_silence_minutes: float = Field(
        default=10.0, gt=0, description="How old the SSM agent's last ping may be (it pings in 5)."
    )
    agent_patience_seconds: float = Field(
        default=15.0, ge=0, le=300, description="How long an agent may take to be online: a reboot."
    )
    expiry_days: float = Field(
        default=14.0, ge=0, description="Warn so many days before a token or certificate ends."
    )
    tls_endpoints: tuple[Endpoint, ...] = Field(
        default=(),
        description="Addresses, host:port, whose certificate the worker looks at.",
    )
    certificate_files: tuple[AbsolutePath, ...] = Field(
        default=(), description="Certificates on the hosts, in PEM."
    )
    edited_files: Literal["warn", "fail"] = Field(
        default="warn",
        description="What files that were edited on a host mean: a deploy puts them back.",
    )
    schema_variables: tuple[VariableName, ...] = Field(
        default=("DDL_AUTO", "SPRING_JPA_HIBERNATE_DDL_AUTO"),
        description="What tells Hibernate to make the schema; 'create' and its like are refused "
        "where there are tables.",
    )
    only_warn: tuple[str, ...] = Field(
        default=(),
        description="Checks, by the name in the table, that may fail without stopping a deploy.",
    )
