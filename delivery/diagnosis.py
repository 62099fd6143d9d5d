"""Why something failed: facts in, ranked findings out, what brings others about first."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from delivery import (
    diagnosis_access,
    diagnosis_containers,
    diagnosis_machine,
    diagnosis_stores,
    diagnosis_unseen,
)
from delivery.diagnosis_words import Told, causes_told, lines_told
from delivery.findings import RANKING, Cause, Confidence, Finding, Remedy
from delivery.host_facts import PARTS, HostFacts
from delivery.scene import Scene

Rule = Callable[[Scene, HostFacts], Iterable[Finding]]
RULES: tuple[Rule, ...] = (
    diagnosis_machine.disk_full,
    diagnosis_machine.engine_down,
    diagnosis_machine.out_of_memory,
    diagnosis_machine.port_taken,
    diagnosis_stores.database_stopped,
    diagnosis_stores.database_refuses,
    diagnosis_stores.redis_node_down,
    diagnosis_stores.redis_not_initialised,
    diagnosis_access.name_unresolved,
    diagnosis_access.doppler_refuses,
    diagnosis_access.variable_missing,
    diagnosis_access.registry_refuses,
    diagnosis_access.image_missing,
    diagnosis_access.token_exposed,
    diagnosis_containers.container_crashes,
    diagnosis_containers.release_unhealthy,
    diagnosis_containers.slow_start,
    diagnosis_containers.container_stopped,
    diagnosis_containers.container_unhealthy,
    diagnosis_containers.nothing_serves,
    diagnosis_unseen.not_seen,
)

_APPLICATION = frozenset(
    {
        Cause.CONTAINER_CRASHES,
        Cause.RELEASE_UNHEALTHY,
        Cause.SLOW_START,
        Cause.CONTAINER_STOPPED,
        Cause.CONTAINER_UNHEALTHY,
        Cause.NOTHING_SERVES,
        Cause.HEALTH_TIMED_OUT,
    }
)
_DATABASE = frozenset({Cause.DATABASE_STOPPED, Cause.DATABASE_REFUSES})
_REDIS = frozenset({Cause.REDIS_NODE_DOWN, Cause.REDIS_NOT_INITIALISED})
_DOPPLER = frozenset({Cause.DOPPLER_REFUSES, Cause.DOPPLER_AWAY, Cause.VARIABLE_MISSING})
_REGISTRY = frozenset({Cause.REGISTRY_REFUSES, Cause.REGISTRY_AWAY, Cause.IMAGE_MISSING})
_ALL = frozenset(Cause)

BRINGS_ABOUT: dict[Cause, frozenset[Cause]] = {
    Cause.HOST_UNREACHABLE: _ALL,
    Cause.DISK_FULL: _ALL - {Cause.HOST_UNREACHABLE, Cause.TOKEN_FILE},
    Cause.ENGINE_DOWN: _DATABASE | _REDIS | _APPLICATION,
    Cause.OUT_OF_MEMORY: _DATABASE | _REDIS | _APPLICATION,
    Cause.PORT_TAKEN: _APPLICATION | _DATABASE | {Cause.REDIS_NODE_DOWN},
    Cause.DATABASE_STOPPED: _APPLICATION | {Cause.DATABASE_REFUSES},
    Cause.DATABASE_REFUSES: _APPLICATION - {Cause.CONTAINER_STOPPED},
    Cause.REDIS_NODE_DOWN: _APPLICATION | {Cause.REDIS_NOT_INITIALISED},
    Cause.REDIS_NOT_INITIALISED: _APPLICATION - {Cause.CONTAINER_STOPPED},
    Cause.NAME_UNRESOLVED: _DOPPLER | _REGISTRY,
    Cause.DOPPLER_REFUSES: _DOPPLER | _REGISTRY,
    Cause.DOPPLER_AWAY: _REGISTRY,
    Cause.REGISTRY_REFUSES: frozenset({Cause.IMAGE_MISSING}),
    Cause.REGISTRY_AWAY: frozenset({Cause.IMAGE_MISSING}),
    Cause.IMAGE_MISSING: frozenset({Cause.CONTAINER_STOPPED}),
    Cause.CONTAINER_CRASHES: frozenset({Cause.NOTHING_SERVES, Cause.HEALTH_TIMED_OUT}),
    Cause.RELEASE_UNHEALTHY: frozenset({Cause.NOTHING_SERVES, Cause.HEALTH_TIMED_OUT}),
    Cause.CONTAINER_STOPPED: frozenset({Cause.NOTHING_SERVES, Cause.HEALTH_TIMED_OUT}),
}
"""What each cause can bring about on the same host."""

_SUREST = tuple(Confidence)


def diagnose(scene: Scene, facts: HostFacts, told: Told | None = None) -> list[Finding]:
    """The findings on one host, the one to look at first in front; empty on a host that is well
    and could be seen.

    ``told`` is how a deploy failed: what explains that comes before anything else, and there is
    at least one finding then.
    """
    seen = [finding for rule in RULES for finding in rule(scene, facts)]
    if not facts.engine:
        seen = [f for f in seen if f.cause in (Cause.DISK_FULL, Cause.ENGINE_DOWN)]
    heard = list(causes_told(scene, told, facts)) if told else []
    findings = _merged(seen, heard)
    if told and all(f.cause in (Cause.TOKEN_FILE, Cause.NOT_SEEN) for f in findings):
        findings.append(_unexplained(scene, told, facts))
    return explained(sorted(findings, key=lambda f: _rank(f, heard)))


def unreachable(
    scene: Scene, evidence: Sequence[str], told: Told | None = None, *, first: str = ""
) -> list[Finding]:
    """The findings on a host that answers nothing: that, and what its last words point to.

    ``first`` is what to do before anything else, where that is known.
    """
    heard = list(causes_told(scene, told, None)) if told else []
    look = (
        "aws ssm describe-instance-information; on the host: "
        "sudo systemctl status amazon-ssm-agent; df -h; its role needs "
        "AmazonSSMManagedInstanceCore; if it hangs: aws ec2 reboot-instances"
    )
    silent = Finding(
        Cause.HOST_UNREACHABLE,
        scene.host,
        "Systems Manager does not reach the host.",
        Confidence.CERTAIN,
        tuple(evidence),
        Remedy(f"{first}\n{look}" if first else look),
        unseen=PARTS,
    )
    return [silent, *heard]


def unread(scene: Scene, answer: Told, told: Told | None = None) -> list[Finding]:
    """The findings on a host whose answer to the diagnosis itself cannot be used."""
    heard = [*causes_told(scene, answer, None), *(causes_told(scene, told, None) if told else ())]
    findings = _merged([], heard) or [_unexplained(scene, answer, None)]
    findings = [dataclasses.replace(finding, unseen=PARTS) for finding in findings]
    return explained(sorted(findings, key=lambda f: RANKING.index(f.cause)))


def explained(findings: Sequence[Finding]) -> list[Finding]:
    """Each finding that an earlier one on its host brings about says so, and is not acted upon."""
    done: list[Finding] = []
    for finding in findings:
        root = next((each for each in done if _brings_about(each, finding)), None)
        if root is not None:
            remedy = Remedy(f"mend '{root.cause}' first", container=finding.remedy.container)
            finding = dataclasses.replace(finding, because=root.cause.value, remedy=remedy)
        done.append(finding)
    return done


def _brings_about(root: Finding, other: Finding) -> bool:
    same = root.cause is other.cause
    return root.host == other.host and not same and other.cause in BRINGS_ABOUT.get(root.cause, ())


def _merged(seen: Sequence[Finding], heard: Sequence[Finding]) -> list[Finding]:
    """What was heard joins what was seen of the same cause, and stands alone otherwise."""
    merged = list(seen)
    for finding in heard:
        at = next((n for n, each in enumerate(merged) if each.cause is finding.cause), None)
        if at is None:
            merged.append(finding)
        else:
            both = (*merged[at].evidence[:8], *finding.evidence)
            sure = min(merged[at].confidence, finding.confidence, key=_SUREST.index)
            merged[at] = dataclasses.replace(merged[at], evidence=both, confidence=sure)
    return merged


def _explains(finding: Finding, heard: Iterable[Finding]) -> bool:
    told = {each.cause for each in heard}
    return finding.cause in told or not told.isdisjoint(BRINGS_ABOUT.get(finding.cause, ()))


def _rank(finding: Finding, heard: Sequence[Finding]) -> tuple[bool, int]:
    return bool(heard) and not _explains(finding, heard), RANKING.index(finding.cause)


def _unexplained(scene: Scene, told: Told, facts: HostFacts | None) -> Finding:
    """Nothing explains it: what it said itself, and where to look."""
    healthcheck = told.stage.startswith("healthcheck")
    return Finding(
        Cause.HEALTH_TIMED_OUT if healthcheck else Cause.COMMAND_FAILED,
        scene.host,
        "The health check's time ran out, and nothing on the host says why."
        if healthcheck
        else f"The step '{told.stage}' failed, and nothing on the host says why.",
        Confidence.POSSIBLE,
        tuple(_ends(lines_told(told, facts))),
        Remedy(
            f"python -m flows.healthcheck --environment {scene.environment}; on the host: "
            "ls -lt /var/log/tt-deploy"
        ),
    )


def _ends(lines: list[str]) -> Iterator[str]:
    yield from lines[:3]
    yield from lines[3:][-5:]
