"""What a failed deploy itself said: a release that was taken back has left nothing else behind.

This is the one place that reads words: those of programs that have no other way to say it, and
those of ``host/*.sh``.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from delivery.diagnosis_access import MISSING_VARIABLE
from delivery.diagnosis_containers import TROUBLE
from delivery.findings import Cause, Confidence, Finding, Remedy
from delivery.host_facts import HostFacts, last_failure
from delivery.scene import Scene


@dataclass(frozen=True, slots=True)
class Told:
    """How a deploy failed; ``since`` is when it began, in seconds since 1970."""

    stage: str
    message: str
    last_words: str = ""
    since: int = 0
    host: str = ""


def lines_told(told: Told, facts: HostFacts | None) -> list[str]:
    """Everything that was said, the reason first; what the host kept only if it is as recent."""
    kept = last_failure(facts) if facts else None
    host = [kept.failed, *kept.tail.split("\n")] if kept and kept.at >= told.since else []
    lines = [*told.message.split("\n"), *host, *told.last_words.split("\n")]
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


@dataclass(frozen=True, slots=True)
class Words:
    """A cause, how it is worded, and what is then said to an operator."""

    cause: Cause
    pattern: re.Pattern[str]
    summary: str
    remedy: Callable[[Scene], str]


def _doppler(scene: Scene) -> str:
    return f"{scene.ask_doppler}; {scene.new_token}"


def _token(scene: Scene) -> str:
    scope = f"-p {scene.doppler_project} -c {scene.doppler_config}"
    return f"doppler secrets set GITHUB_TOKEN {scope}   # one that may read packages"


_WORDS = (
    Words(
        Cause.DISK_FULL,
        re.compile(r"no space left on device|disk quota exceeded", re.I),
        "The disk is full.",
        lambda scene: f"df -h; docker system df; {scene.mend}",
    ),
    Words(
        Cause.OUT_OF_MEMORY,
        re.compile(r"OutOfMemoryError|OOMKilled|out of memory|cannot allocate memory", re.I),
        "Something was killed for want of memory.",
        lambda _: "free -m; dmesg | grep -i oom",
    ),
    Words(
        Cause.PORT_TAKEN,
        re.compile(r"address already in use|port is already allocated", re.I),
        "A port is taken by something else.",
        lambda _: "sudo ss -ltnp",
    ),
    Words(
        Cause.NAME_UNRESOLVED,
        re.compile(r"could not resolve host|no such host|name resolution|name or service", re.I),
        "A name does not resolve.",
        lambda _: "cat /etc/resolv.conf; resolvectl status",
    ),
    Words(
        Cause.DOPPLER_REFUSES,
        re.compile(
            r"invalid auth token|unable to (?:fetch|download) secrets|doppler refused", re.I
        ),
        "Doppler refuses the host's token.",
        _doppler,
    ),
    Words(
        Cause.TOKEN_FILE,
        re.compile(r"token\S*: (?:permission denied|no such file)", re.I),
        "The Doppler token file cannot be read.",
        lambda s: f"sudo ls -l {s.layout.token_file}",
    ),
    Words(
        Cause.VARIABLE_MISSING,
        MISSING_VARIABLE,
        "Doppler lacks a variable that the stack needs.",
        lambda s: f"doppler secrets --only-names -p {s.doppler_project} -c {s.doppler_config}",
    ),
    Words(
        Cause.REGISTRY_REFUSES,
        re.compile(r"\bunauthorized\b|login to \S+ was refused|denied: |GITHUB_TOKEN is not", re.I),
        "The image registry refuses the login.",
        _token,
    ),
    Words(
        Cause.IMAGE_MISSING,
        re.compile(
            r"manifest unknown|no such image|pull access denied|reference .*not found", re.I
        ),
        "An image is not where it is looked for.",
        lambda s: f"{s.deploy}   # builds what is missing",
    ),
    Words(
        Cause.DATABASE_REFUSES,
        re.compile(
            r"password authentication failed|too many clients|:5432\S* refused"
            r"|the database system is",
            re.I,
        ),
        "Postgres refuses connections.",
        lambda s: s.compose("logs --tail 50 postgres"),
    ),
    Words(
        Cause.REDIS_NOT_INITIALISED,
        re.compile(r"CLUSTERDOWN|redis-cluster-init ended with status", re.I),
        "The Redis Cluster does not serve.",
        lambda s: s.compose(f"logs {s.layout.init_service}"),
    ),
)


def causes_told(scene: Scene, told: Told, facts: HostFacts | None) -> Iterator[Finding]:
    """What the words of a failed deploy point to."""
    lines = lines_told(told, facts)
    for words in _WORDS:
        evidence = [line for line in lines if words.pattern.search(line)]
        if evidence:
            confidence = Confidence.LIKELY
            yield _told(scene, words.cause, words.summary, confidence, evidence[:4], words.remedy)
    yield from _release(scene, lines)


_NOT_READY = re.compile(r"was not ready within (\d+) s(?:; not UP: (.*))?")
_CRASHED = re.compile(r"crashed while it (?:started|was watched)|stopped answering while")
_ERRORS = re.compile(r"\d+ of \d+ requests failed at the gateway")
_DOWN = re.compile(r"\(([\w, ]+) not UP\)")
# Spring Boot's own words once it serves: "Started Application in 3.2 seconds".
_STARTED = re.compile(r"\bstarted\b.* in [\d.]+ ?(?:ms|s|seconds)\b", re.I)


def _release(scene: Scene, lines: list[str]) -> Iterator[Finding]:
    """The release itself: dead, unhealthy, or slow."""
    text = "\n".join(lines)
    trouble = [line for line in lines if TROUBLE.search(line)][:4]
    if crashed := _CRASHED.search(text):
        evidence = [_line(lines, crashed[0]), *(trouble or lines[-5:])]
        summary = "The new release's process dies."
        yield _told(scene, Cause.CONTAINER_CRASHES, summary, Confidence.CERTAIN, evidence, _fix)
    elif errors := _ERRORS.search(text):
        evidence = [_line(lines, errors[0]), *trouble]
        summary = "The new release answers with errors."
        yield _told(scene, Cause.RELEASE_UNHEALTHY, summary, Confidence.CERTAIN, evidence, _fix)
    elif late := _NOT_READY.search(text):
        yield _late(scene, lines, late, trouble)
    elif down := _DOWN.search(text):
        yield _down(scene, [_line(lines, down[0])], down[1].split(", "))


def _late(scene: Scene, lines: list[str], late: re.Match[str], trouble: list[str]) -> Finding:
    """Not ready in time: by what it says itself, by an error in its log, or only slow."""
    first = _line(lines, late[0])
    down = (late[2] or "").split()
    if down and down != ["readiness"]:
        return _down(scene, [first, *trouble], down)
    started = [line for line in lines if _STARTED.search(line)][-1:]
    if started or trouble:
        summary = "The new release runs and does not get ready: it is broken, not slow."
        evidence = [first, *started, *trouble]
        return _told(scene, Cause.RELEASE_UNHEALTHY, summary, Confidence.LIKELY, evidence, _fix)
    return _told(
        scene,
        Cause.SLOW_START,
        f"The new release starts more slowly than the {late[1]} s it is given; nothing failed.",
        Confidence.LIKELY,
        [first, "no error in its log; its end:", *lines[-4:]],
        lambda s: (
            f"raise rollout.gate_seconds in deployments/environments/{s.environment}.yaml, "
            f"python -m deployments.register {s.environment}, then {s.deploy}"
        ),
    )


def _down(scene: Scene, evidence: list[str], down: list[str]) -> Finding:
    """A component says that it is not UP; a data store's is the store's matter first."""
    own = [name for name in down if name not in ("db", "redis")]
    if own or not down:
        summary = f"The new release runs and says that it is not healthy: {', '.join(own)}."
        return _told(scene, Cause.RELEASE_UNHEALTHY, summary, Confidence.CERTAIN, evidence, _fix)
    cause = Cause.DATABASE_REFUSES if "db" in down else Cause.REDIS_NOT_INITIALISED
    store = "Postgres" if "db" in down else "the Redis Cluster"
    return _told(
        scene,
        cause,
        f"The application did not reach {store}.",
        Confidence.POSSIBLE,
        evidence,
        lambda s: f"python -m flows.healthcheck --environment {s.environment}",
    )


def _fix(scene: Scene) -> str:
    return f"mend the commit, then {scene.deploy}"


def _line(lines: list[str], part: str) -> str:
    return next((line for line in lines if part in line), part)


def _told(
    scene: Scene,
    cause: Cause,
    summary: str,
    confidence: Confidence,
    evidence: list[str],
    remedy: Callable[[Scene], str],
) -> Finding:
    return Finding(cause, scene.host, summary, confidence, tuple(evidence), Remedy(remedy(scene)))
