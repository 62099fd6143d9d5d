"""Drift: what runs against what was deployed, and how to tell one state of it from another."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from delivery.checks import Check, Level
from delivery.host_checks import judged
from delivery.host_state import HealthyRelease, HostState, RunningContainer
from delivery.preflight_facts import PreflightHost

_CONCERNED = frozenset(
    {
        "instance",
        "ssm agent",
        "aws rights",
        "preflight script",
        "engine",
        "token file",
        "doppler",
        "doppler (worker)",
        "variables",
        "variables without a value",
        "git clone",
    }
)
_REPAIR = (
    "python -m flows.deploy --environment {} --revision {}   # puts it right, or shows why not"
)


def drift_checks(
    environment: str, state: HostState, facts: PreflightHost, *, app: str, one_shot: str
) -> Iterator[Check]:
    """The host's record against what really runs there; nothing on a host without a record.

    Nor while a deploy holds the host's lock: half of the change is no drift. ``app`` is the
    application's service, ``one_shot`` the one that is meant to have ended.
    """
    last = state.last_healthy
    if last is None or facts.busy or not facts.engine_answers:
        return
    repair = _REPAIR.format(environment, last.tag)
    by_service = _by_service(facts.containers)
    yield judged(
        "drift: containers", state.host, f"{len(facts.containers)} as defined", warn=True,
        problem="; ".join(_wrong(by_service, facts.defined, app=app, one_shot=one_shot)),
        remedy=repair,
    )  # fmt: skip
    yield _image(state, last, repair)
    yield _files(facts, state.host, last, repair)
    yield _definitions(facts, state.host, by_service, repair)


def branch_check(release: HealthyRelease, branch: str, behind: int | None) -> Check:
    """The record against the branch; ``behind`` commits, None if it is not in its history."""
    lag = f"{behind} commit(s) behind {branch}" if behind else f"the head of {branch}"
    return judged(
        "drift: branch", "", f"{release.tag} is {lag}", warn=True,
        problem=f"{release.tag} ({release.revision[:12]}) is not in the history of {branch}"
        if behind is None else "",
        remedy=f"git log --oneline {branch}..{release.revision[:12]}   # was the branch rewritten?",
    )  # fmt: skip


def concerns_drift(check: Check) -> bool:
    """Whether a check of a host says something of drift, or why there is nothing to say."""
    return check.name.startswith("drift: ") or check.name in _CONCERNED


def drift_fingerprint(checks: Iterable[Check]) -> str:
    """What is not as it should be, as a short text; the same for the same findings in any order.

    Empty if everything passed.
    """
    found = sorted(
        [c.host, c.name, c.level.value, c.evidence] for c in checks if c.level is not Level.PASS
    )
    if not found:
        return ""
    return hashlib.sha256(json.dumps(found, ensure_ascii=False).encode()).hexdigest()[:16]


def _by_service(containers: Sequence[RunningContainer]) -> dict[str, list[RunningContainer]]:
    found: dict[str, list[RunningContainer]] = {}
    for each in containers:
        found.setdefault(each.service, []).append(each)
    return found


def _wrong(
    found: Mapping[str, list[RunningContainer]],
    defined: Mapping[str, str],
    *,
    app: str,
    one_shot: str,
) -> Iterator[str]:
    for service in sorted(defined.keys() - found.keys()):
        yield f"{service} is missing"
    for service, containers in sorted(found.items()):
        if defined and service not in defined:
            yield f"{service} is not in the compose file"
        elif service == one_shot:
            yield from (f"{service} ended with {c.exit_code}" for c in containers if c.exit_code)
        else:
            yield from (f"{c.name.lstrip('/')} is {_state(c)}" for c in containers if _state(c))
            if service == app and len(containers) > 1:
                yield f"{len(containers)} containers of {app}"


def _state(container: RunningContainer) -> str:
    """What is wrong with a container that should run; empty if nothing is."""
    if container.state != "running":
        return f"{container.state} ({container.exit_code})"
    return "unhealthy" if container.health == "unhealthy" else ""


def _image(state: HostState, last: HealthyRelease, repair: str) -> Check:
    running = state.running_image
    return judged(
        "drift: image", state.host, f"{last.tag} by digest", warn=True,
        problem="" if running == last.image else
        f"the application runs {running or 'nothing'}, the record has {last.tag} ({last.image})",
        remedy=repair,
    )  # fmt: skip


def _files(facts: PreflightHost, host: str, last: HealthyRelease, repair: str) -> Check:
    there = facts.revision
    return judged(
        "drift: files", host, f"the clone is at {last.revision[:12]}", warn=True,
        problem="" if there == last.revision else
        f"the clone is at {there[:12] or 'no revision'}, the record has {last.revision[:12]}",
        remedy=repair,
    )  # fmt: skip


def _definitions(
    facts: PreflightHost, host: str, found: Mapping[str, list[RunningContainer]], repair: str
) -> Check:
    if not facts.defined:
        why = facts.secrets.undefined if facts.secrets else ""
        return judged(
            "drift: definitions", host, "", warn=True, remedy=repair,
            problem=f"the compose file cannot be filled in: {why or 'Doppler gave nothing'}",
        )  # fmt: skip
    other = sorted(
        service
        for service, containers in found.items()
        if any(c.definition != facts.defined.get(service, c.definition) for c in containers)
    )
    return judged(
        "drift: definitions", host, "the files and values of now", warn=True, remedy=repair,
        problem=f"made from another definition than files and values give now: {', '.join(other)}"
        if other else "",
    )  # fmt: skip
