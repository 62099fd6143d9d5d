"""What is wrong with the data stores: Postgres and the Redis Cluster."""

import re
from collections.abc import Iterator, Sequence

from delivery.findings import Action, Cause, Confidence, Finding, Remedy
from delivery.host_facts import (
    ContainerFacts,
    HostFacts,
    RedisNode,
    compose_view,
    keyed,
    log_of,
    redis_nodes,
    unheard_nodes,
)
from delivery.redis_health import REDIS_SLOTS
from delivery.scene import Scene

POSTGRES = "postgres"
REDIS_NODE = re.compile(r"redis-node-\d+")
_NOT_OURS = "CLUSTER RESET and removing a volume lose data: never without a backup"


def database_stopped(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """Postgres does not run."""
    for container in facts.containers:
        if container.service == POSTGRES and container.state != "running":
            yield _down(scene, facts, container, Cause.DATABASE_STOPPED, "Postgres does not run.")
    if POSTGRES in compose_view(facts).without_container:
        yield Finding(
            Cause.DATABASE_STOPPED,
            scene.host,
            "Postgres has no container.",
            Confidence.CERTAIN,
            (scene.compose("ps --all postgres") + ": nothing",),
            Remedy(f"{scene.deploy}   # starts what is missing"),
        )


def _down(
    scene: Scene, facts: HostFacts, container: ContainerFacts, cause: Cause, summary: str
) -> Finding:
    """A store's container that is not running; only one that ended is worth starting again."""
    logs = scene.compose(f"logs --tail 50 {container.service}")
    ended = container.state in ("exited", "created")
    return Finding(
        cause,
        scene.host,
        summary,
        Confidence.CERTAIN,
        (container.in_words, *log_of(facts, container.called)[-4:]),
        Remedy(
            f"docker start {container.called}   # then: {logs}" if ended else logs,
            Action.RESTART if ended else None,
            container.called,
        ),
    )


_REFUSALS = (
    ("password authentication failed", "The password in Doppler is not the database's."),
    ("too many clients", "Every connection is taken: SELECT * FROM pg_stat_activity."),
    ("remaining connection slots", "Every connection is taken: SELECT * FROM pg_stat_activity."),
    ("starting up", "It is starting; look again in a minute."),
    ("recovery", "It is recovering after a crash; look again in a minute."),
    ("shutting down", "It is shutting down."),
    ("does not exist", "The user or the database that Doppler names does not exist."),
)


def database_refuses(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """Postgres runs and lets nobody in, or not the application's user."""
    said = dict(keyed(facts.postgres.split("\n")))
    ready, answer = said.get("ready", ""), said.get("answer", "")
    running = any(c.service == POSTGRES and c.state == "running" for c in facts.containers)
    if not running or answer == "1" or did_not_come_to_answer(facts):
        return
    why = next((told for words, told in _REFUSALS if words in f"{ready} {answer}"), "")
    yield Finding(
        Cause.DATABASE_REFUSES,
        scene.host,
        "Postgres runs and refuses connections.",
        Confidence.CERTAIN if why or "FATAL" in answer else Confidence.LIKELY,
        (f"pg_isready: {ready or 'no answer'}", f"SELECT 1: {answer or 'no answer'}", why),
        Remedy(scene.compose("logs --tail 50 postgres")),
    )


def did_not_come_to_answer(facts: HostFacts) -> bool:
    """Whether Postgres accepts connections and the question itself took too long."""
    said = dict(keyed(facts.postgres.split("\n")))
    accepts = said.get("ready", "").endswith("- accepting connections")
    answer = said.get("answer", "")
    return accepts and (not answer or "timeout expired" in answer)


def redis_node_down(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """A node of the Redis Cluster that does not run, or dies at every start."""
    for container in facts.containers:
        if not REDIS_NODE.fullmatch(container.service) or container.well:
            continue
        # Between two deaths it runs for a moment.
        log = " ".join(log_of(facts, container.called))
        if re.search(r"corrupted cluster config|Unrecoverable error", log, re.I):
            yield _corrupt(scene, facts, container)
        elif container.state != "running":
            summary = f"{container.service} does not run."
            yield _down(scene, facts, container, Cause.REDIS_NODE_DOWN, summary)


def _corrupt(scene: Scene, facts: HostFacts, container: ContainerFacts) -> Finding:
    volume = f"{scene.layout.project}_{container.service}-data"
    return Finding(
        Cause.REDIS_NODE_DOWN,
        scene.host,
        f"{container.service} cannot read its nodes.conf and dies at every start.",
        Confidence.CERTAIN,
        (container.in_words, *log_of(facts, container.called)[-6:]),
        Remedy(
            f"docker stop {container.called}; put nodes.conf of the volume {volume} back from a "
            f"backup, or aside; docker start {container.called}; then the initialisation. "
            f"{_NOT_OURS}",
            container=container.called,
        ),
    )


def redis_not_initialised(scene: Scene, facts: HostFacts) -> Iterator[Finding]:
    """The nodes run, and are not one whole cluster."""
    unheard = unheard_nodes(facts)
    nodes = [node for node in redis_nodes(facts) if node.name not in unheard]
    broken = [node for node in nodes if _problem(node, scene.redis_nodes)]
    if not broken:
        return
    never = all(node.assigned == 0 for node in nodes)
    yield Finding(
        Cause.REDIS_NOT_INITIALISED,
        scene.host,
        "The Redis Cluster was never initialised."
        if never
        else f"The Redis Cluster is not whole: {', '.join(node.name for node in broken)}.",
        Confidence.CERTAIN,
        (*(node.in_words for node in broken), *_initialisation(scene, facts)),
        Remedy(
            f"{scene.compose_up(f'--force-recreate {scene.layout.init_service}')}"
            f"   # looks, mends, never resets. {_NOT_OURS}",
            Action.INIT_CLUSTER if scene.layout.init_service else None,
        ),
    )


def _problem(node: RedisNode, expected: int) -> bool:
    return (
        node.state != "ok"
        or node.assigned != REDIS_SLOTS
        or node.known != expected
        or node.link == "down"
    )


def _initialisation(scene: Scene, facts: HostFacts) -> Sequence[str]:
    for container in facts.containers:
        if container.service == scene.layout.init_service:
            return (container.in_words, *log_of(facts, container.called)[-3:])
    return ()
