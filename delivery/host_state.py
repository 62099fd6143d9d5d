"""What a host answers about itself: the answers of ``host/*.sh`` and its own record.

``/var/lib/tt-deploy/releases.jsonl`` on the host has one line a release that proved
healthy, newest last. A way back trusts that file, nobody's memory.
"""

import datetime
import json
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from delivery.host_script import HostAnswer
from delivery.receipt import Receipt
from delivery.stack_plan import ServiceChange


class HealthyRelease(BaseModel):
    """One line of the host's record: everything that is needed to run it again."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: str
    tag: str
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    image: str
    configuration: str = ""
    generation: int = 0
    at: datetime.datetime


class RunningContainer(BaseModel):
    """One container of the Compose project as ``docker inspect`` shows it.

    ``definition`` is the hash of the service's definition that it was made from.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    service: str
    name: str
    image: str
    state: str
    health: str = ""
    exit_code: int = 0
    started: str = ""
    definition: str = ""


class ObservedHost(HostAnswer):
    """The answer of ``observe.sh``: what is there before anything is touched."""

    revision: str = ""
    generation: int = 0
    app_image: str = ""
    app_health: str = ""
    containers: tuple[RunningContainer, ...] = ()
    record: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    under_way: str = ""


class AwaitedRollout(HostAnswer):
    """The answer of ``await.sh``: the job that was waited for, empty if there was none."""

    waited_for: str = ""


class SyncedSource(HostAnswer):
    """The answer of ``sync.sh``."""

    revision: str
    was: str = ""
    discarded: int = 0


class RenderedConfiguration(HostAnswer):
    """The answer of ``render.sh``; ``sha256`` is of the template, never of the secrets."""

    path: str
    variables: tuple[str, ...] = ()
    sha256: str


class PulledImages(HostAnswer):
    """The answer of ``pull.sh``: what came, and how each service compares to its definition."""

    pulled: tuple[str, ...] = ()
    present: int = 0
    services: tuple[ServiceChange, ...] = ()


class PlannedStack(HostAnswer):
    """The answer of ``plan.sh``; ``unknown`` says why there is no telling."""

    services: tuple[ServiceChange, ...] = ()
    unknown: str = ""


class StartedContainers(HostAnswer):
    """The answer of ``rollout.sh`` and ``recreate.sh``.

    ``changed`` are the services whose container is another one than before, ``note`` is
    what the gate let pass and why, ``receipt`` what a takeover cost those who were served.
    ``warm`` says that the release still ran and only took the traffic back, ``since_switch``
    how many seconds before the answer the traffic moved (0: it did not).
    """

    changed: tuple[str, ...] = ()
    configuration: str = ""
    note: str = ""
    warm: bool = False
    since_switch: float = 0.0
    receipt: Receipt | None = None


class PrunedImages(HostAnswer):
    """The answer of ``prune.sh``; ``retired`` is the container that had been kept warm."""

    removed: int
    freed_bytes: int
    retired: str = ""


class ListedContainers(HostAnswer):
    """The answer of ``ps.sh``."""

    containers: tuple[RunningContainer, ...] = ()


class RecordedRelease(HostAnswer):
    """The answer of ``record.sh``."""

    releases: int


@dataclass(frozen=True, slots=True)
class HostState:
    """What a deploy needs to know of a host before it touches it.

    ``under_way`` names the rollout's job that still runs there: its worker may be long dead.
    """

    host: str
    running_image: str
    running_healthy: bool
    revision: str
    generation: int
    record: tuple[HealthyRelease, ...]
    images: frozenset[str]
    under_way: str = ""

    @property
    def last_healthy(self) -> HealthyRelease | None:
        """The release that last proved healthy here."""
        return self.record[-1] if self.record else None

    @property
    def version(self) -> str:
        """The version that last proved healthy here; empty on a new host."""
        return self.last_healthy.version if self.last_healthy else ""


def host_state(host: str, observed: ObservedHost) -> HostState:
    """The state of ``host`` out of its answer; unreadable record lines count as absent."""
    record = read_record(observed.record)
    return HostState(
        host=host,
        running_image=observed.app_image,
        running_healthy=observed.app_health == "healthy",
        revision=observed.revision,
        generation=observed.generation,
        record=tuple(record),
        images=frozenset(observed.images),
        under_way=observed.under_way,
    )


def read_record(lines: Iterable[str]) -> list[HealthyRelease]:
    """The releases of the record, oldest first.

    A power cut may leave half a line at the end; such a line is passed over, since the
    ones before it are still true.
    """
    releases = []
    for line in lines:
        try:
            releases.append(HealthyRelease.model_validate(json.loads(line)))
        except (ValueError, ValidationError):
            continue
    return releases
