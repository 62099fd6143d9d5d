import pytest

from delivery.postgres_health import PostgresSight, judge_postgres

GOOD = PostgresSight(answered=True, connections=97, used=12, pool=10)


def changed(**fields: object) -> PostgresSight:
    return GOOD.model_copy(update=fields)


def test_postgres_holds_if_it_takes_a_write_and_has_room_for_two_pools() -> None:
    seen = judge_postgres(GOOD, pools=2, lag_bytes=1000)
    assert (seen.passed, seen.detail) == (True, "answers and takes a write, 85 connections left")


def test_replicas_that_follow_are_told() -> None:
    seen = judge_postgres(changed(replicas=2, lag_bytes=1000), pools=2, lag_bytes=1000)
    assert (seen.passed, "2 replicas streaming" in seen.detail) == (True, True)


@pytest.mark.parametrize(
    ("seen", "detail"),
    [
        (PostgresSight(error="FATAL: no such role"), "FATAL: no such role"),
        (PostgresSight(), "gave no answer that reads"),
        (changed(in_recovery=True, error="ERROR: x"), "answers, but is in recovery (read-only)"),
        (
            changed(error="ERROR:  cannot execute CREATE TABLE AS in a read-only transaction"),
            "ERROR:  cannot execute CREATE TABLE AS in a read-only transaction",
        ),
        (
            changed(used=78),
            "only 19 of 97 connections are left; 2 overlapping pools of 10 may take 20",
        ),
        (changed(replicas=1, replicas_broken=1), "1 replication(s) not streaming"),
        (changed(replicas=1, lag_bytes=1001), "a replica is 1001 bytes behind"),
    ],
)
def test_postgres_does_not_hold(seen: PostgresSight, detail: str) -> None:
    sample = judge_postgres(seen, pools=2, lag_bytes=1000)
    assert (sample.passed, sample.detail) == (False, detail)


def test_where_no_pool_overlaps_none_is_asked_for() -> None:
    assert judge_postgres(changed(used=97), pools=0, lag_bytes=0).passed


def test_what_it_says_of_itself_is_free_of_secrets() -> None:
    said = "FATAL: bad url postgresql://app:hunter2hunter2@db"
    seen = judge_postgres(PostgresSight(error=said), pools=2, lag_bytes=0)
    assert "hunter2" not in seen.detail
