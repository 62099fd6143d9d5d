import pytest

from delivery.findings import Action, Confidence
from tests.delivery.facts import causes, container, findings

APP = container("app")


def node(
    name: str, state: str = "ok", assigned: int = 16384, known: int = 6, more: str = ""
) -> str:
    return (
        f"node {name}\ncluster_state:{state}\ncluster_slots_assigned:{assigned}\n"
        f"cluster_known_nodes:{known}\nrole:slave\n{more}"
    )


def test_postgres_that_was_stopped_is_found_and_may_be_started() -> None:
    (found,) = findings(
        containers=[container("postgres", state="exited", health="unhealthy"), APP], postgres="",
        logs="=== tt-postgres-1\nreceived fast shutdown request\ndatabase system is shut down",
    )  # fmt: skip
    assert (found.cause, found.confidence) == ("database-stopped", Confidence.CERTAIN)
    assert found.evidence[-1] == "database system is shut down"
    assert (found.remedy.action, found.remedy.container) == (Action.RESTART, "tt-postgres-1")


def test_postgres_that_dies_again_and_again_is_not_restarted() -> None:
    (found,) = findings(containers=[container("postgres", state="restarting")], postgres="")
    assert found.remedy.action is None
    assert found.remedy.command == "docker compose -p tt logs --tail 50 postgres"


def test_postgres_without_a_container_is_found() -> None:
    (found,) = findings(compose=["service postgres"], postgres="")
    assert (found.cause, found.remedy.action) == ("database-stopped", None)


@pytest.mark.parametrize(
    ("said", "confidence", "why"),
    [
        ("FATAL: password authentication failed for user", Confidence.CERTAIN, "not the database"),
        ("FATAL: sorry, too many clients already", Confidence.CERTAIN, "Every connection"),
        ("FATAL: something new", Confidence.CERTAIN, ""),
        ("", Confidence.LIKELY, ""),
    ],
)
def test_postgres_that_refuses_says_why(said: str, confidence: Confidence, why: str) -> None:
    (found,) = findings(
        containers=[container("postgres")], actuator=["public 200"], postgres=f"answer {said}"
    )
    assert (found.cause, found.confidence) == ("database-refuses", confidence)
    assert any(why in line for line in found.evidence)


def test_what_the_application_says_of_a_store_follows_from_the_store() -> None:
    down = '{"components":{"db":{"status":"DOWN"},"ping":{"status":"UP"}}}'
    found = causes(
        containers=[container("postgres"), container("app", health="unhealthy")],
        postgres="ready rejecting connections", actuator=["public 503", f"tt-app-1 503 {down}"],
    )  # fmt: skip
    assert found == ["database-refuses"]


def test_a_redis_node_that_is_just_starting_is_no_finding_of_its_own() -> None:
    assert causes(containers=[container("redis-node-6", health="starting"), APP]) == []


def test_a_stopped_redis_node_is_found_and_may_be_started() -> None:
    six = container("redis-node-6", state="exited")
    found = findings(containers=[six, APP], redis=node("redis-node-1") + "node redis-node-6\n")
    assert [each.cause for each in found] == ["redis-node-down", "redis-not-initialised"]
    assert found[0].remedy.action is Action.RESTART
    assert (found[1].because, found[1].remedy.action) == ("redis-node-down", None)


@pytest.mark.parametrize("state", ["restarting", "running"])
def test_a_corrupt_nodes_conf_is_told_and_never_touched(state: str) -> None:
    log = '=== tt-redis-node-6-1\nUnrecoverable error: corrupted cluster config file "x".'
    six = container("redis-node-6", state=state, health="starting", exit_code=1)
    (found,) = findings(containers=[six, APP], logs=log)
    assert (found.cause, found.remedy.action) == ("redis-node-down", None)
    assert "nodes.conf" in found.summary
    assert "never without a backup" in found.remedy.command


def test_a_cluster_that_was_never_made_is_told_as_such() -> None:
    virgins = "".join(node(f"redis-node-{n}", "fail", 0, 1) for n in range(1, 7))
    (found,) = findings(redis=virgins)
    assert (found.cause, found.remedy.action) == ("redis-not-initialised", Action.INIT_CLUSTER)
    assert found.summary == "The Redis Cluster was never initialised."


@pytest.mark.parametrize(
    "broken",
    [
        node("redis-node-6", "fail"),
        node("redis-node-6", assigned=10923),
        node("redis-node-6", known=5),
        node("redis-node-6", more="master_link_status:down\n"),
    ],
)
def test_a_node_that_is_not_part_of_a_whole_cluster_is_named(broken: str) -> None:
    init = container("redis-cluster-init", state="exited", health="", exit_code=1)
    found = findings(
        redis=node("redis-node-1") + broken, containers=[APP, init],
        logs="=== tt-redis-cluster-init-1\nthe nodes do not find each other",
    )  # fmt: skip
    assert "not whole: redis-node-6." in found[0].summary
    assert "the nodes do not find each other" in found[0].evidence


def test_an_environment_without_an_initialisation_has_nothing_to_run() -> None:
    import dataclasses

    from delivery.diagnosis_stores import redis_not_initialised
    from delivery.policies import HostLayout
    from tests.delivery.facts import SCENE, facts

    scene = dataclasses.replace(SCENE, layout=HostLayout(init_service=""))
    (found,) = redis_not_initialised(scene, facts(redis=node("redis-node-1", "fail")))
    assert found.remedy.action is None


def test_stores_that_are_well_are_no_finding() -> None:
    assert causes(containers=[APP, container("postgres"), container("redis-node-1")]) == []


def test_the_initialisation_is_typed_so_that_it_gets_the_secrets_of_today() -> None:
    (found,) = findings(redis="node redis-node-1\ncluster_state:fail\n")
    command, _, _ = found.remedy.command.partition("   #")
    assert command == (
        "sudo bash -c 'cd /dockerProjects/tt-src/WEB7_9_B2ST_BE/docker; "
        "APP_IMAGE=unchanged ALERTMANAGER_CONFIG=unchanged "
        'DOPPLER_TOKEN=$(tr -d "\\r\\n" < /etc/tt-secrets/doppler-token) '
        "doppler run -p tt -c prd -- docker compose -p tt -f docker-compose.yml "
        "up --detach --no-deps --force-recreate redis-cluster-init'"
    )


def test_a_redis_node_that_is_too_slow_to_answer_is_not_seen_and_not_called_broken() -> None:
    running = [APP, container("redis-node-1"), container("redis-node-6")]
    slow = node("redis-node-1") + "node redis-node-6\n"
    (found,) = findings(containers=running, redis=slow)
    assert (found.cause.value, found.unseen) == ("not-seen", frozenset({"redis"}))


def test_a_silent_redis_node_that_the_others_call_failed_is_broken() -> None:
    running = [APP, container("redis-node-1"), container("redis-node-6")]
    member = "member 9670c363 172.16.77.16:7005@17005 slave,fail d2fb7aaf connected"
    (found,) = findings(
        containers=running, redis=f"{node('redis-node-1')}node redis-node-6\n{member}"
    )
    assert found.cause == "redis-not-initialised"
    assert "redis-node-6: does not answer" in found.evidence


@pytest.mark.parametrize("answer", ["", "psql: error: connection: timeout expired"])
def test_a_database_that_accepts_and_is_too_slow_to_answer_is_not_seen(answer: str) -> None:
    ready = "ready 127.0.0.1:5432 - accepting connections"
    (found,) = findings(
        containers=[APP, container("postgres")], postgres=f"{ready}\nanswer {answer}"
    )
    assert (found.cause.value, found.unseen) == ("not-seen", frozenset({"postgres"}))


def test_a_database_that_accepts_nobody_and_does_not_answer_is_found() -> None:
    silent = "ready 127.0.0.1:5432 - no response\nanswer "
    assert causes(containers=[APP, container("postgres")], postgres=silent) == ["database-refuses"]
