"""What is wrong with the machine itself: disk, engine, memory, ports."""

import re
from collections.abc import Iterator

from delivery.findings import Action, Cause, Confidence, Finding, Remedy
from delivery.host_facts import (
    PARTS,
    ContainerFacts,
    Disk,
    HostFacts,
    disks,
    events,
    keyed,
    number,
)
from delivery.scene import Scene

_FULL_KIB = 200 * 1024
_EMPTY_SHARE = 0.01
_PORT_ERROR = re.compile(r"address already in use|port is already allocated", re.I)


def disk_full(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """A file system without room or inodes: nearly everything else follows from it."""
    for disk in disks(facts):
        what = _lacks(disk)
        if not what:
            continue
        yield Finding(
            Cause.DISK_FULL,
            scene.host,
            f"The disk is full: {disk.mount} has no {what} left.",
            Confidence.CERTAIN,
            (
                f"{disk.mount}: {_mib(disk.free)} of {_mib(disk.size)} free, "
                f"{disk.inodes_free} of {disk.inodes} inodes free",
            ),
            Remedy(f"docker system df; {scene.mend}", Action.PRUNE),
        )


def _lacks(disk: Disk) -> str:
    if disk.size and disk.free < min(_FULL_KIB, disk.size * 0.05):
        return "room"
    if disk.inodes and disk.inodes_free < disk.inodes * _EMPTY_SHARE:
        return "inodes"
    return ""


def _mib(kib: int) -> str:
    return f"{kib / 1024:.0f} MiB"


def engine_down(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """No Docker engine: there is nothing to look at."""
    if not facts.engine:
        yield Finding(
            Cause.ENGINE_DOWN,
            scene.host,
            "The Docker engine does not answer.",
            Confidence.CERTAIN,
            ("docker version: no answer of a server within 10 s",),
            Remedy("sudo systemctl status docker; sudo systemctl restart docker"),
            unseen=PARTS - {"disks"},
        )


def out_of_memory(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """A container that the kernel killed for its memory, or a machine without any left."""
    for container in facts.containers:
        kills = _kills(facts, container)
        if container.oom or (kills and not container.well):
            yield _killed(scene, facts, container, kills)
    said = {key: number(rest) for key, rest in keyed(facts.memory)}
    total, left = said.get("MemTotal", 0), said.get("MemAvailable", 0)
    if total and left < total * 0.02:
        yield Finding(
            Cause.OUT_OF_MEMORY,
            scene.host,
            "The host has no memory left.",
            Confidence.LIKELY,
            (f"{_mib(left)} of {_mib(total)} available",),
            Remedy("ps aux --sort=-rss | head"),
        )


def _kills(facts: HostFacts, container: ContainerFacts) -> int:
    return sum(e.action == "oom" and e.container == container.called for e in events(facts))


def _killed(scene: Scene, facts: HostFacts, container: ContainerFacts, kills: int) -> Finding:
    limit = f" of {container.memory // 2**20} MiB" if container.memory else ""
    kernel = [line for line in facts.kernel if container.id and container.id in line]
    often = f"{container.called}: killed {kills} times lately" if kills else ""
    name = f"{container.service.upper().replace('-', '_')}_MEMORY_LIMIT"
    return Finding(
        Cause.OUT_OF_MEMORY,
        scene.host,
        f"{container.called} was killed for want of memory: its limit{limit} is too low.",
        Confidence.CERTAIN,
        (container.in_words, often, *kernel),
        Remedy(
            f"doppler secrets set {name}=...   # higher, then deploy; "
            f"until then: docker update --memory ... {container.called}"
        ),
    )


def port_taken(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """A container that did not start because somebody else listens on its port."""
    holders = {key: rest for key, rest in keyed(facts.ports, "|") if "docker-proxy" not in rest}
    for container in facts.containers:
        if container.state == "running":
            continue
        held = [f"port {p}: held by {holders[p]}" for p in container.ports.split() if p in holders]
        refused = container.error if _PORT_ERROR.search(container.error) else ""
        if held or refused:
            yield _port_taken(scene, container, (*held, refused, container.in_words))


def _port_taken(scene: Scene, container: ContainerFacts, evidence: tuple[str, ...]) -> Finding:
    wanted = container.ports.split()
    return Finding(
        Cause.PORT_TAKEN,
        scene.host,
        f"{container.called} cannot start: something else has its port.",
        Confidence.CERTAIN,
        evidence,
        Remedy(
            f"sudo ss -ltnp '( sport = :{' or sport = :'.join(wanted)} )'   # end what listens, "
            f"then: docker start {container.called}"
        ),
    )
