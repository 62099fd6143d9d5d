"""What a diagnosis could not see: silence about a part is not the same as nothing being wrong."""

from collections.abc import Callable, Iterator

from delivery.diagnosis_stores import did_not_come_to_answer
from delivery.findings import Cause, Confidence, Finding, Remedy
from delivery.host_facts import PARTS, HostFacts, token_file, unheard_nodes
from delivery.scene import Scene

_LOOK: dict[str, Callable[[Scene], str]] = {
    "disks": lambda _: "df -h; df -i",
    "memory": lambda _: "free -m",
    "containers": lambda s: s.compose("ps --all"),
    "token": lambda s: f"sudo ls -lL {s.layout.token_file}",
    "registry": lambda s: f"curl -sS https://{s.registry}/v2/",
    "compose": lambda s: f"doppler run -- {s.compose('config --quiet')}",
    "names": lambda s: f"getent hosts {s.registry}; resolvectl status",
    "postgres": lambda s: s.compose("exec postgres pg_isready"),
    "redis": lambda s: s.compose("exec redis-node-1 sh /usr/local/etc/redis/ask.sh cluster info"),
    "ports": lambda _: "sudo ss -ltnp",
    "kernel": lambda _: "sudo dmesg | grep -i oom",
    "actuator": lambda s: f"curl -sS http://127.0.0.1:{s.layout.app_port}/actuator/health",
    "events": lambda _: "docker events --since 15m --until 0s",
    "logs": lambda s: s.compose("logs --tail 50"),
}
"""What an operator types to see a part with their own eyes."""


def not_seen(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """Parts that the host did not come to read, or that had no room in its answer."""
    cut = frozenset(facts.left_out.split()) & PARTS
    unread = (frozenset(facts.unseen) | _never_empty(facts)) & PARTS - cut
    unseen = [part for part in _LOOK if part in unread | cut]
    if not unseen or not facts.engine:
        return
    yield Finding(
        Cause.NOT_SEEN,
        scene.host,
        f"Not everything could be seen: {', '.join(unseen)}.",
        Confidence.POSSIBLE,
        (
            f"no answer in time: {', '.join(p for p in _LOOK if p in unread)}" if unread else "",
            f"no room in the answer: {', '.join(p for p in _LOOK if p in cut)}" if cut else "",
        ),
        Remedy("\n".join(_LOOK[part](scene) for part in unseen)),
        unseen=frozenset(unseen),
    )


def _never_empty(facts: HostFacts) -> frozenset[str]:
    """The parts that always say something, or do if they are asked, and say nothing here."""
    said = {
        "disks": facts.disks,
        "memory": facts.memory,
        "actuator": facts.actuator,
        "token": token_file(facts),
        "redis": not unheard_nodes(facts),
        "postgres": not did_not_come_to_answer(facts),
    }
    return frozenset(part for part, words in said.items() if not words)
