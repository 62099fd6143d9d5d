"""What the facts of a host mean: machine, Docker, clone, ports. One check each."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from delivery.checks import Check, Level
from delivery.preflight_facts import CloneSight, EngineSight, PreflightHost
from delivery.preflight_policy import PreflightPolicy

_GB, _MB = 1e9, 1e6
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class ImageSight:
    """What the registry says of an image: its layers' bytes (0: unknown) and ``linux/amd64``."""

    reference: str
    compressed_bytes: int = 0
    platform: str = ""


def judged(
    name: str, host: str, evidence: str, *, problem: str = "", remedy: str = "", warn: bool = False
) -> Check:
    """A check that passed with its evidence, or did not for the problem."""
    if not problem:
        return Check(name, Level.PASS, evidence, host=host)
    return Check(name, Level.WARN if warn else Level.FAIL, problem, remedy, host)


def machine_checks(
    host: str,
    facts: PreflightHost,
    policy: PreflightPolicy,
    *,
    image: ImageSight | None,
    environment: str,
) -> Iterator[Check]:
    """The disk first: a full one stops the engine, and that everything else."""
    engine = facts.engine
    if engine is not None:
        mend = f"python -m flows.diagnose --environment {environment} --fix"
        yield from _disks(host, engine, policy, image, has_it=_has(facts, image), mend=mend)
    if engine is None or not engine.version:
        yield judged(
            "engine", host, "", problem="the Docker engine does not answer",
            remedy="sudo systemctl status docker; sudo systemctl restart docker",
        )  # fmt: skip
    else:
        yield judged("engine", host, f"Docker {engine.version} answers")
        yield _oldest("docker version", host, engine.version, policy.docker_version)
        yield _oldest("compose version", host, engine.compose, policy.compose_version)
        yield from _platform(host, engine, image)
    if facts.tools is not None:
        yield _tools(host, facts.tools)
    if facts.memory is not None:
        yield _memory(host, facts.memory, policy)


def _oldest(name: str, host: str, found: str, oldest: str) -> Check:
    return judged(
        name, host, found,
        problem="" if _numbers(found) >= _numbers(oldest) else
        f"{found or 'not installed'}; the stack needs {oldest} or later",
        remedy="sudo apt-get install docker-ce docker-compose-plugin   # Docker's own packages",
    )  # fmt: skip


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _platform(host: str, engine: EngineSight, image: ImageSight | None) -> Iterator[Check]:
    own = f"linux/{_ARCHITECTURES.get(engine.architecture, engine.architecture)}"
    if image is None or not image.platform:
        return
    same = image.platform.split("/")[:2] == own.split("/")[:2]
    yield judged(
        "platform", host, own,
        problem="" if same else f"the image is for {image.platform}, the host is {own}",
        remedy=f"Set 'platform: {own}' in the environment's file, and register it again.",
    )  # fmt: skip


def _tools(host: str, missing: Iterable[str]) -> Check:
    listed = " ".join(missing)
    return judged(
        "tools", host, "all there", problem=f"not installed: {listed}" if listed else "",
        remedy="docs/preflight.md says which package has which",
    )  # fmt: skip


def _has(facts: PreflightHost, image: ImageSight | None) -> bool:
    return image is not None and image.reference in facts.images


def _disks(
    host: str,
    engine: EngineSight,
    policy: PreflightPolicy,
    image: ImageSight | None,
    *,
    has_it: bool,
    mend: str,
) -> Iterator[Check]:
    places = [line.split() for line in engine.disks or ()]
    if not places:
        return
    mount, free, *_ = min(places, key=lambda place: int(place[1]))
    size = 0 if image is None or has_it else image.compressed_bytes * policy.image_growth
    needed = max(policy.free_disk_gb * _GB, size)
    why = "" if needed > size else f" (the image, {size / policy.image_growth / _MB:.0f} MB packed)"
    yield judged(
        "disk", host, f"{int(free) / _GB:.1f} GB free on {mount}",
        problem="" if int(free) >= needed else
        f"{int(free) / _GB:.2f} GB free on {mount}, {needed / _GB:.1f} GB needed{why}",
        remedy=f"{mend}   # runbook: DiskFilling",
    )  # fmt: skip
    yield _inodes(host, places, policy)


def _inodes(host: str, places: list[list[str]], policy: PreflightPolicy) -> Check:
    shares = [
        (100 * int(free) / int(all_), mount) for mount, _, _, free, all_ in places if int(all_)
    ]
    share, mount = min(shares, default=(100.0, "any file system"))
    return judged(
        "inodes", host, f"{share:.0f} % free on {mount}",
        problem="" if share >= policy.free_inodes_percent else
        f"{share:.1f} % of the inodes of {mount} are free",
        remedy=f"sudo du --inodes -x -d 3 {mount} | sort -n | tail",
    )  # fmt: skip


def _memory(host: str, available: int, policy: PreflightPolicy) -> Check:
    return judged(
        "memory", host, f"{available / _MB:.0f} MB available",
        problem="" if available >= policy.free_memory_mb * _MB else
        f"{available / _MB:.0f} MB available, {policy.free_memory_mb} MB needed for two releases",
        remedy="ps aux --sort -rss | head; docker stats --no-stream",
    )  # fmt: skip


def clock_check(host: str, clock: float, *, sent: float, answered: float, limit: float) -> Check:
    """The host's clock against the worker's, which brackets it by when it asked and heard."""
    skew = max(sent - clock, clock - answered, 0.0)
    return judged(
        "clock", host, "as the worker's",
        problem="" if skew <= limit else f"{skew:.0f} s off the worker's clock",
        remedy="timedatectl status; sudo systemctl restart chronyd",
    )  # fmt: skip


def clone_checks(
    host: str, clone: CloneSight, path: str, policy: PreflightPolicy, *, url: str
) -> Iterator[Check]:
    """Is the clone there, as git left it, and is its remote to be reached?"""
    if not clone.exists:
        yield judged(
            "git clone", host, "", problem=f"there is no git clone at {path}",
            remedy=f"sudo git clone {url} {path}",
        )  # fmt: skip
        return
    edited = ", ".join(clone.edited[:10])
    yield judged(
        "git clone", host, f"clean, at {clone.revision[:12]}",
        problem=f"edited on the host: {edited}; a deploy puts them back" if edited else "",
        remedy=f"git -C {path} diff   # keep what matters, then: git -C {path} checkout .",
        warn=policy.edited_files == "warn",
    )  # fmt: skip
    yield judged(
        "git remote", host, "reachable",
        problem="" if clone.reachable else f"the clone's remote does not answer: {clone.said}",
        remedy=f"sudo git -C {path} ls-remote origin",
    )  # fmt: skip


def port_check(host: str, facts: PreflightHost, ports: Iterable[int]) -> Check:
    """The ports of the revision's compose file are free, or held by the project itself."""
    held = facts.held_ports
    taken = [f"{port} by {held[port]}" for port in ports if held.get(port, "ours") != "ours"]
    first = taken[0].partition(" ")[0] if taken else ""
    return judged(
        "ports", host, "free, or held by the project's own containers",
        problem=f"taken: {', '.join(taken)}" if taken else "",
        remedy=f"sudo ss -ltnp 'sport = :{first}'   # stop it, or change the port",
    )  # fmt: skip
