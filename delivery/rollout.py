"""A rollout as a decision: what shall run, what runs, and the way back."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from delivery.errors import Refused
from delivery.host_state import HealthyRelease, HostState
from delivery.image import Image
from delivery.receipt import Receipt

Named = TypeVar("Named")


@dataclass(frozen=True, slots=True)
class Bundle:
    """All that makes a release run: the image by digest and the revision of its files.

    ``configuration`` is the hash that the host recorded of the rendered configuration; it
    tells whether going back brings the same one back, and is no part of which bundle it is.
    """

    version: str
    tag: str
    revision: str
    image: str
    configuration: str = field(default="", compare=False)

    @classmethod
    def of_record(cls, release: HealthyRelease) -> "Bundle":
        """The bundle that a host once ran healthily."""
        return cls(
            release.version, release.tag, release.revision, release.image, release.configuration
        )

    @classmethod
    def of_image(cls, image: Image, *, version: str, revision: str) -> "Bundle":
        """The bundle of a freshly built or found image."""
        return cls(version, image.tag, revision, image.reference)


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What to run on every host of an environment, and where each goes back to.

    ``ways_back`` has, by host, what last proved healthy there; a new host is not in it.
    ``ways_back_after`` are the tags that can be gone back to once the target runs.
    ``going_back``: the target is itself a way back that somebody asked for.
    """

    target: Bundle
    ways_back: Mapping[str, Bundle]
    generation: int
    reason: str
    allow_data_stores: bool = False
    ways_back_after: tuple[str, ...] = ()
    going_back: bool = False

    def is_unproved(self, hosts: Iterable[str]) -> bool:
        """Whether the target is not what last proved healthy on all of these hosts.

        If it runs there all the same, whoever let it take over died before its verdict.
        """
        return any(self.ways_back.get(host) != self.target for host in hosts)

    def way_back_of(self, host: str, outcome: "HostOutcome | None") -> Bundle | None:
        """Where a host that was touched goes back to; None if there is nothing but the target.

        The target itself is a way back as long as its configuration was another one, or what
        became of it (``outcome``) is not known: the same image may run with bad values.
        """
        before = self.ways_back.get(host)
        if before is None or before != self.target:
            return before
        if outcome is None or outcome.failure or outcome.configuration != before.configuration:
            return before
        return None


@dataclass(frozen=True, slots=True)
class HostOutcome:
    """What a rollout did on one host; ``warm`` and ``since_switch`` as the host said them.

    ``answered_at`` is when it said so, by the worker's clock that only grows; 0: not known.
    ``touched`` is False for a host that a rollout never came to.
    """

    host: str
    changed: tuple[str, ...]
    configuration: str
    note: str = ""
    receipt: Receipt | None = None
    failure: str = ""
    warm: bool = False
    since_switch: float = 0.0
    answered_at: float = field(default=0.0, compare=False)
    touched: bool = True


@dataclass(frozen=True, slots=True)
class Rollout:
    """What a rollout did, host by host."""

    bundle: Bundle
    hosts: tuple[HostOutcome, ...]

    @property
    def changed_services(self) -> tuple[str, ...]:
        """Every service that any host runs in another container than before, sorted."""
        return changed_services(self.hosts)

    @property
    def reached(self) -> tuple[HostOutcome, ...]:
        """The hosts that run the release now; the others kept the one before."""
        return tuple(host for host in self.hosts if not host.failure)


def changed_services(hosts: Sequence[HostOutcome]) -> tuple[str, ...]:
    """Every service that any of the hosts runs in another container than before, sorted."""
    return tuple(sorted({service for host in hosts for service in host.changed}))


def waves(hosts: Sequence[Named], *, canary: int, size: int) -> list[Sequence[Named]]:
    """The order in which a fleet is rolled out: ``canary`` hosts, then ``size`` at a time."""
    first, rest = hosts[:canary], hosts[canary:]
    return [first, *(rest[at : at + size] for at in range(0, len(rest), size))]


def plan_rollout(
    states: Sequence[HostState],
    target: Bundle,
    *,
    generation: int,
    allow_data_stores: bool = False,
    going_back: bool = False,
) -> RolloutPlan:
    """Decide what to run and where to go back to.

    ``generation`` grows from deploy to deploy (milliseconds since 1970 when the deploy
    began). Raises Refused if a host has already seen a newer one: a deploy that slept
    must not undo the work of a later one. ``allow_data_stores`` holds for the way back too.
    """
    for state in states:
        if state.generation > generation:
            raise Refused(
                f"A newer deploy (generation {state.generation}) has already reached this "
                f"host; this one is {generation}.",
                where=state.host,
                next_command="Start a new deploy if this release is still wanted.",
            )
    return RolloutPlan(
        target=target,
        ways_back={s.host: Bundle.of_record(s.last_healthy) for s in states if s.last_healthy},
        generation=generation,
        reason=_reason(states, target),
        allow_data_stores=allow_data_stores,
        ways_back_after=tuple(bundle.tag for bundle in _common_ways_back(states, target.image)),
        going_back=going_back,
    )


def running_release(states: Sequence[HostState]) -> HealthyRelease | None:
    """The release that proved healthy last on any of the hosts; None if none did."""
    proved = [state.last_healthy for state in states if state.last_healthy]
    return max(proved, key=lambda release: release.at, default=None)


def running_tag(states: Sequence[HostState]) -> str:
    """The same by its tag; empty if there is none."""
    release = running_release(states)
    return release.tag if release else ""


def ways_back_now(states: Sequence[HostState]) -> tuple[str, ...]:
    """The tags that every host can go back to from what runs now, newest first."""
    return tuple(bundle.tag for bundle in _common_ways_back(states)) if states else ()


def choose_way_back(
    states: Sequence[HostState], wanted: str | None, *, environment: str, tag_prefix: str
) -> Bundle:
    """The retained release to go back to: by version or tag, else the one before the running.

    Raises Refused, naming what there is and how to deploy what there is not, unless every host
    has it in its own record.
    """
    common = _common_ways_back(states)
    for bundle in common:
        if wanted is None or wanted in (bundle.version, bundle.tag):
            return bundle
    there = ", ".join(bundle.tag for bundle in common) or "nothing"
    raise Refused(
        f"There is no way back to {wanted or 'an earlier release'}; there is: {there}.",
        where=", ".join(state.host for state in states),
        next_command=_instead_of_a_way_back(wanted, environment, tag_prefix),
    )


def _instead_of_a_way_back(wanted: str | None, environment: str, tag_prefix: str) -> str:
    """The command that deploys what was wanted, or that shows what could be."""
    if not wanted:
        return f"python -m flows.history --environment {environment}"
    tag = tag_prefix + wanted.removeprefix(tag_prefix)
    return f"python -m flows.deploy --environment {environment} --revision {shlex.quote(tag)}"


def _common_ways_back(states: Sequence[HostState], running: str | None = None) -> list[Bundle]:
    """What every host can go back to, newest first, now or once the image ``running`` runs."""
    ways = [ways_back(state, running) for state in states]
    return [bundle for bundle in ways[0] if all(bundle in each for each in ways)]


def ways_back(state: HostState, running: str | None = None) -> list[Bundle]:
    """What this host can go back to, newest first: proved healthy here, and not ``running``.

    Without a word about it, what runs now.
    """
    runs = state.running_image if running is None else running
    found: list[Bundle] = []
    for release in reversed(state.record):
        bundle = Bundle.of_record(release)
        if bundle.image != runs and bundle not in found:
            found.append(bundle)
    return found


def _reason(states: Sequence[HostState], target: Bundle) -> str:
    if all(state.running_image == target.image for state in states):
        return "the image already runs; files and configuration are brought up to date"
    if not any(state.running_image for state in states):
        return "nothing runs yet"
    return "another image runs"
