"""What is wrong with containers: one that dies, that is not healthy, that is slow, that is gone."""

import datetime
import json
import re
from collections.abc import Iterator

from delivery.diagnosis_stores import POSTGRES, REDIS_NODE
from delivery.findings import Action, Cause, Confidence, Finding, Remedy
from delivery.host_facts import (
    ContainerFacts,
    Event,
    HostFacts,
    actuators,
    compose_view,
    events,
    log_of,
)
from delivery.scene import Scene

TROUBLE = re.compile(r"\b(?:ERROR|FATAL|Exception|Caused by|panic)\b")
_STARTING_SECONDS = 120
_STORES = ("db", "redis")


def container_crashes(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """A container that dies at every start."""
    for container in facts.containers:
        deaths = sum(_died_badly(event, container) for event in events(facts))
        again = container.state == "running" and not container.well and deaths > 1
        if _is_seen_to(scene, container) or not (container.state == "restarting" or again):
            continue
        log = log_of(facts, container.called)
        yield Finding(
            Cause.CONTAINER_CRASHES,
            scene.host,
            f"{container.called} does not start: it dies again and again.",
            Confidence.CERTAIN if log else Confidence.LIKELY,
            (container.in_words, *_telling(log)),
            Remedy(
                scene.compose(f"logs --tail 100 {container.service}"), container=container.called
            ),
        )


def _died_badly(event: Event, container: ContainerFacts) -> bool:
    """Whether it ended by itself, and not for a stop or a kill."""
    ended = event.action == "die" and event.container == container.called
    return ended and event.exit_code not in ("0", "137", "143")


def _telling(log: list[str]) -> list[str]:
    """The lines of trouble if there are any, and the end of the log."""
    return [*[line for line in log if TROUBLE.search(line)][:3], *log[-4:]]


def release_unhealthy(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """The application runs and says itself that it is not UP, for no fault of a data store."""
    for answer in actuators(facts):
        container = _called(facts, answer.container)
        if container is None or answer.status in (0, 200):
            continue
        down = components_down(answer.body)
        if down and set(down) <= set(_STORES):
            continue
        log = log_of(facts, container.called)
        yield Finding(
            Cause.RELEASE_UNHEALTHY,
            scene.host,
            f"{container.called} answers, and is not healthy: {', '.join(down) or 'no reason'}.",
            Confidence.CERTAIN if down else Confidence.LIKELY,
            (f"HTTP {answer.status} {answer.body}", container.in_words, *_telling(log)),
            Remedy(
                f"python -m flows.rollback --environment {scene.environment}"
                "   # if it began with a deploy",
                container=container.called,
            ),
        )


def components_down(body: str) -> list[str]:
    """The components of a health answer that are not UP; empty if it does not read."""
    try:
        parts = json.loads(body).get("components", {}).items()
        return sorted(str(name) for name, part in parts if part.get("status") != "UP")
    except (ValueError, AttributeError, RecursionError):
        return []


def _called(facts: HostFacts, name: str) -> ContainerFacts | None:
    return next((c for c in facts.containers if c.called == name), None)


def slow_start(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """The application's process runs and does not answer: not yet, or not any more."""
    answered = {answer.container: answer.status for answer in actuators(facts)}
    for container in facts.containers:
        if container.service != scene.layout.app_service or container.state != "running":
            continue
        if answered.get(container.called, 200) == 0:
            yield _silent(scene, facts, container)


def _silent(scene: Scene, facts: HostFacts, container: ContainerFacts) -> Finding:
    log = log_of(facts, container.called)
    trouble = [line for line in log if TROUBLE.search(line)]
    up = _seconds_up(facts, container)
    starting = container.health == "starting" and not trouble
    return Finding(
        Cause.SLOW_START if starting else Cause.CONTAINER_UNHEALTHY,
        scene.host,
        f"{container.called} {'is still starting' if starting else 'does not answer'} "
        f"after {up} s.",
        Confidence.LIKELY if up > _STARTING_SECONDS or not starting else Confidence.POSSIBLE,
        (container.in_words, f"{container.called}: no answer", *(trouble[:3] or log[-3:])),
        Remedy(scene.compose(f"logs --follow {container.service}"), None, container.called)
        if starting
        else Remedy(f"docker restart {container.called}", Action.RESTART, container.called),
    )


def _seconds_up(facts: HostFacts, container: ContainerFacts) -> int:
    try:
        started = datetime.datetime.fromisoformat(container.started)
    except ValueError:
        return 0
    return max(0, facts.now - int(started.replace(tzinfo=datetime.UTC).timestamp()))


def container_stopped(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """A container that somebody stopped, or a service that has none."""
    for container in facts.containers:
        if container.state in ("running", "restarting") or _is_seen_to(scene, container):
            continue
        yield Finding(
            Cause.CONTAINER_STOPPED,
            scene.host,
            f"{container.called} does not run.",
            Confidence.CERTAIN,
            (container.in_words, *log_of(facts, container.called)[-3:]),
            Remedy(f"docker start {container.called}", Action.RESTART, container.called),
        )
    for service in compose_view(facts).without_container if facts.containers else ():
        if service != POSTGRES:
            yield Finding(
                Cause.CONTAINER_STOPPED,
                scene.host,
                f"The service {service} has no container.",
                Confidence.CERTAIN,
                (scene.compose(f"ps --all {service}") + ": nothing",),
                Remedy(f"{scene.deploy}   # starts what is missing", container=service),
            )


def _is_seen_to(scene: Scene, container: ContainerFacts) -> bool:
    """Whether the data stores' rules speak of it."""
    store = container.service in (POSTGRES, scene.layout.init_service)
    return store or REDIS_NODE.fullmatch(container.service) is not None


def container_unhealthy(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """A container, not the application's, that runs and fails its health check."""
    for container in facts.containers:
        if container.state != "running" or container.service == scene.layout.app_service:
            continue
        if container.health == "unhealthy":
            yield Finding(
                Cause.CONTAINER_UNHEALTHY,
                scene.host,
                f"{container.called} runs and fails its health check.",
                Confidence.CERTAIN,
                (container.in_words, *_telling(log_of(facts, container.called))),
                Remedy(f"docker restart {container.called}", Action.RESTART, container.called),
            )


def nothing_serves(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """The application is well and the public port answers otherwise: a matter of the gateway."""
    answers = {answer.container: answer.status for answer in actuators(facts)}
    public = answers.pop("public", 200)
    if public != 200 and 200 in answers.values():
        yield Finding(
            Cause.NOTHING_SERVES,
            scene.host,
            f"The application is healthy, but port {scene.layout.app_port} does not serve it.",
            Confidence.CERTAIN,
            (f"http://127.0.0.1:{scene.layout.app_port}/actuator/health: HTTP {public}",),
            Remedy(f"{scene.deploy}   # brings the gateway in line"),
        )
