import json
from dataclasses import replace

import pytest

from delivery.health import (
    ActuatorSight,
    Health,
    PostgresSight,
    Probe,
    RedisNodeSight,
    Sample,
    Verdict,
    judge_actuator,
    judge_postgres,
    judge_redis,
    passes_in_a_row,
)


def sight(status: int, body: object, error: str = "") -> ActuatorSight:
    text = body if isinstance(body, str) else json.dumps(body)
    return ActuatorSight(status=status, body=text, error=error)


def cluster(**changes: dict[str, object]) -> list[RedisNodeSight]:
    """Six healthy nodes, three masters and a replica each; ``changes`` by node's name."""
    slots = {1: 5461, 2: 5462, 3: 5461}
    nodes = []
    for number in range(1, 7):
        fields: dict[str, object] = {
            "node": f"redis-node-{number}",
            "state": "ok",
            "assigned": 16384,
            "ok": 16384,
            "known": 6,
            "id": f"id{number}",
            "role": "master" if number <= 3 else "slave",
            "master_id": "" if number <= 3 else f"id{number - 3}",
            "link": "" if number <= 3 else "up",
            "slots": slots.get(number, 0),
        }
        nodes.append(RedisNodeSight.model_validate({**fields, **changes.get(f"node{number}", {})}))
    return nodes


def test_200_and_up_holds() -> None:
    assert judge_actuator(sight(200, {"status": "UP"})) == Sample(True, "HTTP 200, status UP")


@pytest.mark.parametrize(
    ("seen", "detail"),
    [
        (sight(0, "", "Connection refused"), "no answer: Connection refused"),
        (sight(0, ""), "no answer: connection failed"),
        (sight(200, "<html>UP</html>"), "HTTP 200, but the body is not JSON"),
        (sight(200, "[" * 2000), "HTTP 200, but the body is not JSON"),
        (sight(200, ["UP"]), "HTTP 200, status None"),
        (sight(200, {"status": "DOWN"}), "HTTP 200, status DOWN"),
        (sight(503, {"status": "UP"}), "HTTP 503, status UP"),
        (sight(503, {"status": "DOWN", "components": []}), "HTTP 503, status DOWN"),
        (
            sight(
                503,
                {
                    "status": "DOWN",
                    "components": {
                        "redis": {"status": "DOWN"},
                        "db": {"status": "UNKNOWN"},
                        "ping": {"status": "UP"},
                        "odd": 1,
                    },
                },
            ),
            "HTTP 503, status DOWN (db, redis not UP)",
        ),
        (
            sight(503, {"status": "DOWN", "components": {"ping": {"status": "UP"}}}),
            "HTTP 503, status DOWN",
        ),
    ],
)
def test_anything_else_of_the_actuator_does_not_hold(seen: ActuatorSight, detail: str) -> None:
    assert judge_actuator(seen) == Sample(False, detail)


def test_a_cluster_that_can_lose_a_master_holds() -> None:
    seen = judge_redis(cluster(), expected=6)
    assert seen == Sample(True, "state ok, 16384 slots, 3 masters with replicas")


@pytest.mark.parametrize(
    ("node", "change", "detail"),
    [
        ("node2", {"error": "does not answer"}, "redis-node-2: does not answer"),
        ("node4", {"state": "fail"}, "redis-node-4: cluster_state:fail"),
        ("node4", {"state": ""}, "redis-node-4: cluster_state:unknown"),
        (
            "node1",
            {"assigned": 16383},
            "redis-node-1: 16383 slots assigned, 16384 ok, expected 16384",
        ),
        ("node1", {"ok": 0}, "redis-node-1: 16384 slots assigned, 0 ok, expected 16384"),
        ("node6", {"known": 7}, "redis-node-6: knows 7 nodes, expected 6"),
        ("node3", {"role": "slave"}, "2 masters with slots, expected 3"),
        ("node3", {"slots": 0}, "2 masters with slots, expected 3"),
        ("node3", {"slots": 5460}, "the masters own 16383 slots together"),
        ("node5", {"link": "down"}, "no replica linked to redis-node-2"),
        ("node5", {"master_id": "id1"}, "no replica linked to redis-node-2"),
    ],
)
def test_a_cluster_with_one_flaw_does_not_hold(
    node: str, change: dict[str, object], detail: str
) -> None:
    assert judge_redis(cluster(**{node: change}), expected=6) == Sample(False, detail)


def test_a_node_that_is_not_there_is_missed() -> None:
    seen = judge_redis(cluster()[:5], expected=6)
    assert seen == Sample(False, "5 of 6 nodes answered")


def test_postgres_holds_if_it_answers_and_may_write() -> None:
    assert judge_postgres(PostgresSight(answer="1|f")).passed


@pytest.mark.parametrize(
    ("seen", "detail"),
    [
        (PostgresSight(error="FATAL: no such role"), "FATAL: no such role"),
        (PostgresSight(answer="1|t"), "answers, but is in recovery (read-only)"),
        (PostgresSight(answer=""), "unexpected answer ''"),
    ],
)
def test_postgres_does_not_hold(seen: PostgresSight, detail: str) -> None:
    assert judge_postgres(seen) == Sample(False, detail)


def test_what_a_service_says_of_itself_is_free_of_secrets() -> None:
    said = "FATAL: bad url postgresql://app:hunter2hunter2@db"
    assert "hunter2" not in judge_postgres(PostgresSight(error=said)).detail
    assert "hunter2" not in judge_actuator(sight(0, "", said)).detail
    assert "hunter2" not in judge_redis(cluster(node1={"error": said}), expected=6).detail


@pytest.mark.parametrize(
    ("seen", "count"), [("", 0), ("x", 0), ("p", 1), ("ppx", 0), ("xpp", 2), ("pxpp", 2)]
)
def test_only_the_newest_unbroken_passes_count(seen: str, count: int) -> None:
    assert passes_in_a_row([Sample(each == "p", "") for each in seen]) == count


GOOD = Probe("redis", "TT-ec2-1", Verdict.HEALTHY, "ok", 3, 2.5)
BAD = replace(GOOD, name="actuator", verdict=Verdict.UNHEALTHY)


def test_every_probe_must_pass() -> None:
    assert Health((GOOD, GOOD)).verdict is Verdict.HEALTHY
    assert Health((GOOD, BAD)).verdict is Verdict.UNHEALTHY


def test_health_that_nobody_looked_at_is_not_health() -> None:
    assert Health(()).verdict is Verdict.UNHEALTHY


def test_the_first_failure_is_what_to_look_at() -> None:
    assert Health((GOOD, BAD)).first_failure == BAD
    assert Health((GOOD,)).first_failure is None
