"""A Redis Cluster's health: what its nodes say of it and of themselves, and the verdict."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from delivery.health import Sample, does_not_hold
from delivery.host_script import HostAnswer

REDIS_SLOTS = 16384


class RedisNodeSight(BaseModel):
    """What one Redis node says about the cluster and itself.

    ``slot_map`` is a checksum of who owns which slot as this node sees it, ``failing`` the
    nodes that it flags. Of a master with slots: ``lag_bytes`` by which its slowest replica is
    behind, and ``written``, "ok" once a key of its own slots was written, confirmed by a
    replica and read back; else what it answered.
    """

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
    slot_map: str = ""
    failing: str = ""
    lag_bytes: int = 0
    written: str = ""
    error: str = ""

    @property
    def serves(self) -> bool:
        """Whether it is a master that owns slots."""
        return self.role == "master" and self.slots > 0


class RedisSamples(HostAnswer):
    """The answer of ``probe_redis.sh``: a list of nodes a sample."""

    samples: list[list[RedisNodeSight]]


def judge_redis(nodes: Sequence[RedisNodeSight], *, expected: int, lag_bytes: int) -> Sample:
    """A Redis Cluster that takes writes and can lose a master.

    Every node must answer, report ``cluster_state:ok`` with all 16384 slots assigned and
    ok, know ``expected`` nodes, flag none of them and see the same slot map as the others.
    Every master must own slots, take a write that a replica confirms, and have a replica
    whose link to it is up, at most ``lag_bytes`` behind. Half of the nodes are expected to be
    masters.
    """
    problem = _nodes_problem(nodes, expected) or _masters_problem(nodes, expected, lag_bytes)
    if problem:
        return does_not_hold(problem)
    masters = [node for node in nodes if node.serves]
    return Sample(
        True,
        f"state ok, {REDIS_SLOTS} slots, {len(masters)} masters written and read through, "
        f"each followed by a replica, at most {max(m.lag_bytes for m in masters)} bytes behind",
    )


def _node_problem(node: RedisNodeSight, expected: int) -> str:
    if node.error:
        return node.error
    if node.state != "ok":
        return f"cluster_state:{node.state or 'unknown'}"
    if (node.assigned, node.ok) != (REDIS_SLOTS, REDIS_SLOTS):
        return f"{node.assigned} slots assigned, {node.ok} ok, expected {REDIS_SLOTS}"
    if node.known != expected:
        return f"knows {node.known} nodes, expected {expected}"
    return f"sees failing nodes: {node.failing}" if node.failing else ""


def _nodes_problem(nodes: Sequence[RedisNodeSight], expected: int) -> str:
    """What is wrong with a single node, or with what they see together.

    A node that does not answer comes first: the others only tell what follows from it.
    """
    for node in sorted(nodes, key=lambda node: not node.error):
        if problem := _node_problem(node, expected):
            return f"{node.node}: {problem}"
    if len(nodes) != expected:
        return f"{len(nodes)} of {expected} nodes answered"
    seen = [node.slot_map for node in nodes]
    odd = [node.node for node in nodes if node.slot_map != max(seen, key=seen.count)]
    return f"{', '.join(odd)}: another slot map than the other nodes" if odd else ""


def _masters_problem(nodes: Sequence[RedisNodeSight], expected: int, lag_bytes: int) -> str:
    masters = [node for node in nodes if node.serves]
    if len(masters) != expected // 2:
        return f"{len(masters)} masters with slots, expected {expected // 2}"
    if sum(master.slots for master in masters) != REDIS_SLOTS:
        return f"the masters own {sum(master.slots for master in masters)} slots together"
    followed = {n.master_id for n in nodes if n.role == "slave" and n.link == "up"}
    if alone := [master.node for master in masters if master.id not in followed]:
        return f"no replica linked to {', '.join(alone)}"
    for master in masters:
        if master.written != "ok":
            return f"{master.node} was not written and read through: {master.written}"
        if master.lag_bytes > lag_bytes:
            return f"a replica of {master.node} is {master.lag_bytes} bytes behind it"
    return ""
