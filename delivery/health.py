"""Health as a value: what a probe saw, and the verdict on it.

A probe takes a few samples in a row. It passes when each of them holds; a sample that
does not hold says why in the operator's words.
"""

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from delivery.host_script import HostAnswer
from delivery.redaction import redact

REDIS_SLOTS = 16384


class Verdict(enum.StrEnum):
    """Whether the thing looked at may count as serving."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: it held, or the reason why it did not."""

    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Probe:
    """The outcome of one probe on one host after all its looks."""

    name: str
    host: str
    verdict: Verdict
    detail: str
    looks: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the probe held for as many looks in a row as the policy asks."""
        return self.verdict is Verdict.HEALTHY


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on an environment: healthy only if every probe is."""

    probes: tuple[Probe, ...]

    @property
    def verdict(self) -> Verdict:
        """HEALTHY if there is a probe and all of them passed."""
        passed = bool(self.probes) and all(probe.passed for probe in self.probes)
        return Verdict.HEALTHY if passed else Verdict.UNHEALTHY

    @property
    def first_failure(self) -> Probe | None:
        """The probe to look at first."""
        return next((probe for probe in self.probes if not probe.passed), None)


class ActuatorSight(BaseModel):
    """One answer of ``/actuator/health``; status 0 means that nothing answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int
    body: str = ""
    error: str = ""


class RedisNodeSight(BaseModel):
    """What one Redis node says about the cluster and itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    node: str
    state: str = ""
    assigned: int = 0
    ok: int = 0
    known: int = 0
    id: str = ""
    role: str = ""
    master_id: str = ""
    link: str = ""
    slots: int = 0
    error: str = ""


class PostgresSight(BaseModel):
    """One ``SELECT 1, pg_is_in_recovery()`` as the application's user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: str = ""
    error: str = ""


class ActuatorSamples(HostAnswer):
    """The answer of ``probe_actuator.sh``."""

    samples: list[ActuatorSight]


class RedisSamples(HostAnswer):
    """The answer of ``probe_redis.sh``: a list of nodes a sample."""

    samples: list[list[RedisNodeSight]]


class PostgresSamples(HostAnswer):
    """The answer of ``probe_postgres.sh``."""

    samples: list[PostgresSight]


def _does_not_hold(detail: str) -> Sample:
    """A sample that did not hold; why is often said by others, and shown to everybody."""
    return Sample(False, redact(detail))


def judge_actuator(sight: ActuatorSight) -> Sample:
    """HTTP 200 **and** ``"status": "UP"`` in a JSON object; anything else does not hold."""
    if sight.error or not sight.status:
        return _does_not_hold(f"no answer: {sight.error or 'connection failed'}")
    try:
        body = json.loads(sight.body)
    except (ValueError, RecursionError):
        return _does_not_hold(f"HTTP {sight.status}, but the body is not JSON")
    status = body.get("status") if isinstance(body, dict) else None
    if sight.status == 200 and status == "UP":
        return Sample(True, "HTTP 200, status UP")
    down = _components_down(body) if isinstance(body, dict) else ""
    return _does_not_hold(f"HTTP {sight.status}, status {status}{down}")


def _components_down(body: dict[str, object]) -> str:
    components = body.get("components")
    if not isinstance(components, dict):
        return ""
    down = [
        name
        for name, part in components.items()
        if isinstance(part, dict) and part.get("status") != "UP"
    ]
    return f" ({', '.join(sorted(down))} not UP)" if down else ""


def judge_redis(nodes: Sequence[RedisNodeSight], *, expected: int) -> Sample:
    """A Redis Cluster that can lose a master: state, slots, members and replica links.

    Every node must answer, report ``cluster_state:ok`` with all 16384 slots assigned and
    ok, and know ``expected`` nodes; every master must own slots and have a replica whose
    link to it is up. Half of the nodes are expected to be masters.
    """
    for node in nodes:
        if problem := _node_problem(node, expected):
            return _does_not_hold(f"{node.node}: {problem}")
    if len(nodes) != expected:
        return _does_not_hold(f"{len(nodes)} of {expected} nodes answered")
    masters = [node for node in nodes if node.role == "master" and node.slots]
    if len(masters) != expected // 2:
        return _does_not_hold(f"{len(masters)} masters with slots, expected {expected // 2}")
    if sum(node.slots for node in masters) != REDIS_SLOTS:
        return _does_not_hold(f"the masters own {sum(n.slots for n in masters)} slots together")
    followed = {n.master_id for n in nodes if n.role == "slave" and n.link == "up"}
    alone = [master.node for master in masters if master.id not in followed]
    if alone:
        return _does_not_hold(f"no replica linked to {', '.join(alone)}")
    return Sample(True, f"state ok, {REDIS_SLOTS} slots, {len(masters)} masters with replicas")


def _node_problem(node: RedisNodeSight, expected: int) -> str:
    if node.error:
        return node.error
    if node.state != "ok":
        return f"cluster_state:{node.state or 'unknown'}"
    if (node.assigned, node.ok) != (REDIS_SLOTS, REDIS_SLOTS):
        return f"{node.assigned} slots assigned, {node.ok} ok, expected {REDIS_SLOTS}"
    if node.known != expected:
        return f"knows {node.known} nodes, expected {expected}"
    return ""


def judge_postgres(sight: PostgresSight) -> Sample:
    """Accepts connections, answers ``SELECT 1``, and is not in recovery."""
    if sight.error:
        return _does_not_hold(sight.error)
    if sight.answer == "1|t":
        return _does_not_hold("answers, but is in recovery (read-only)")
    if sight.answer != "1|f":
        return _does_not_hold(f"unexpected answer {sight.answer!r}")
    return Sample(True, "SELECT 1 answered, not in recovery")


def passes_in_a_row(samples: Sequence[Sample]) -> int:
    """How many of the newest samples held without a break."""
    count = 0
    for sample in reversed(samples):
        if not sample.passed:
            break
        count += 1
    return count
