"""A data store whose definition changed: left alone, until that is allowed; its data stays."""

from typing import Any

import pytest

from tests.e2e.delivering import Answered, Delivering

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

COMPOSE = "docker/docker-compose.yml"
NODE = "  redis-node-{}:\n    <<: *redis-node\n"
# One replica of the cluster, one master, and Postgres.
EDITS = {
    NODE.format(4): NODE.format(4) + "    cpu_shares: 1025\n",
    NODE.format(1): NODE.format(1) + "    cpu_shares: 1025\n",
    "    shm_size: 128m\n": "    shm_size: 129m\n",
}
CHANGED = {"postgres", "redis-node-1", "redis-node-4"}


def acts(done: Answered) -> dict[str, str]:
    return {step["service"]: step["act"] for step in done.answer["plan"]}


def sql(delivering: Delivering, statement: str) -> str:
    ask = f'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -h 127.0.0.1 -Atc "{statement}"'
    told = delivering.lab.exec("docker", "exec", "tt-postgres-1", "sh", "-c", ask)
    return told.strip()


def redis(delivering: Delivering, *words: str) -> str:
    ask = ("sh", "/usr/local/etc/redis/ask.sh", "-c", *words)
    return delivering.lab.exec("docker", "exec", "tt-redis-node-2-1", *ask).strip()


def test_a_changed_data_store_is_left_alone_until_it_is_allowed_and_keeps_its_data(
    delivering: Delivering,
) -> None:
    if not delivering.serving():
        delivering.run("deploy")
    sql(delivering, "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 42 AS answer")
    for number in range(20):
        redis(delivering, "set", f"kept:{number}", str(number))
    before = delivering.containers()
    sha = delivering.edit(COMPOSE, EDITS, "fix: other limits for the data stores")

    looked: Any = delivering.run("deploy", "--revision", sha, "--dry-run")
    assert {s for s, act in acts(looked).items() if act == "leave alone"} == CHANGED, looked.said

    done = delivering.run("deploy", "--revision", sha)
    assert (done.outcome, done.answer["changed"]) == ("DEPLOYED", ["app"]), done.said
    assert acts(done) == acts(looked)
    assert "postgres differs from its definition and was left alone" in done.said
    after = delivering.containers()
    assert {n: i for n, i in before.items() if "app" not in n} == {
        name: id_ for name, id_ in after.items() if "app" not in name
    }

    allowed = delivering.run("deploy", "--revision", sha, "--allow-data-stores")
    assert (allowed.outcome, set(allowed.answer["changed"])) == ("DEPLOYED", CHANGED), allowed.said
    assert acts(allowed)["postgres"] == "replace"
    replaced = {n for n, id_ in delivering.containers().items() if after.get(n) != id_}
    assert replaced == {f"tt-{service}-1" for service in CHANGED}
    assert sql(delivering, "TABLE kept; DROP TABLE kept").splitlines()[0] == "42"
    assert [redis(delivering, "getdel", f"kept:{n}") for n in range(20)] == [
        str(number) for number in range(20)
    ]
