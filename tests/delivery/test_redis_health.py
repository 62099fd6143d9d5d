import pytest

from delivery.health import Sample
from delivery.redis_health import RedisNodeSight, judge_redis


def cluster(**changes: dict[str, object]) -> list[RedisNodeSight]:
    """Six healthy nodes, three masters and a replica each; ``changes`` by node's name."""
    slots = {1: 5461, 2: 5462, 3: 5461}
    nodes = []
    for number in range(1, 7):
        master = number <= 3
        fields: dict[str, object] = {
            "node": f"redis-node-{number}",
            "state": "ok",
            "assigned": 16384,
            "ok": 16384,
            "known": 6,
            "id": f"id{number}",
            "role": "master" if master else "slave",
            "master_id": "" if master else f"id{number - 3}",
            "link": "" if master else "up",
            "slots": slots.get(number, 0),
            "slot_map": "4711",
            "lag_bytes": number if master else 0,
            "written": "ok" if master else "",
        }
        nodes.append(RedisNodeSight.model_validate({**fields, **changes.get(f"node{number}", {})}))
    return nodes


def judged(nodes: list[RedisNodeSight]) -> Sample:
    return judge_redis(nodes, expected=6, lag_bytes=1000)


def test_a_cluster_that_takes_writes_and_can_lose_a_master_holds() -> None:
    assert judged(cluster()) == Sample(
        True,
        "state ok, 16384 slots, 3 masters written and read through, each followed by a "
        "replica, at most 3 bytes behind",
    )


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
        (
            "node6",
            {"failing": "172.16.77.11:7000 (master,fail?)"},
            "redis-node-6: sees failing nodes: 172.16.77.11:7000 (master,fail?)",
        ),
        ("node5", {"slot_map": "12"}, "redis-node-5: another slot map than the other nodes"),
        ("node3", {"role": "slave"}, "2 masters with slots, expected 3"),
        ("node3", {"slots": 0}, "2 masters with slots, expected 3"),
        ("node3", {"slots": 5460}, "the masters own 16383 slots together"),
        ("node5", {"link": "down"}, "no replica linked to redis-node-2"),
        ("node5", {"master_id": "id1"}, "no replica linked to redis-node-2"),
        (
            "node2",
            {"written": "SET answered OOM command not allowed"},
            "redis-node-2 was not written and read through: SET answered OOM command not allowed",
        ),
        ("node1", {"lag_bytes": 1001}, "a replica of redis-node-1 is 1001 bytes behind it"),
    ],
)
def test_a_cluster_with_one_flaw_does_not_hold(
    node: str, change: dict[str, object], detail: str
) -> None:
    assert judged(cluster(**{node: change})) == Sample(False, detail)


def test_a_node_that_is_silent_is_named_before_what_the_others_say_of_it() -> None:
    follows: dict[str, object] = {"failing": "172.16.77.15:7004 (slave,fail)"}
    seen = judged(cluster(node1=follows, node5={"error": "does not answer"}))
    assert seen.detail == "redis-node-5: does not answer"


def test_a_node_that_is_not_there_is_missed() -> None:
    assert judged(cluster()[:5]) == Sample(False, "5 of 6 nodes answered")


def test_what_a_node_says_is_free_of_secrets() -> None:
    said = "ERR bad url redis://app:hunter2hunter2@node"
    assert "hunter2" not in judged(cluster(node1={"error": said})).detail
