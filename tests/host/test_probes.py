"""The probes' scripts against a real Redis Cluster and a real Postgres, without an engine.

In Docker's place stands a program that runs on this machine what it is to run in a container.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from delivery.health import Sample
from delivery.host_script import read_answer
from delivery.postgres_health import PostgresSamples, judge_postgres
from delivery.redis_health import RedisSamples, judge_redis
from lab.postgres import Postgres
from lab.processes import wait_until
from tests.host.running import Machine
from tests.postgres_servers import PASSWORD, a_postgres
from tests.stack.redis_nodes import RedisNodes, free_ports
from tools.stack_programs import environment

pytestmark = pytest.mark.e2e

DOCKER = """
case "$1" in
ps) echo c0ffee ;;
inspect) echo SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE=7 ;;
exec)
    shift
    while [ "$1" = --env ]; do export "$2"; shift 2; done
    shift
    exec "$@"
    ;;
esac
"""


def with_docker(machine: Machine, inside: Mapping[str, str]) -> None:
    """Let a container be this machine, with such an environment."""
    exports = "".join(f"export {name}={value!r}\n" for name, value in inside.items())
    machine.program("docker", exports + DOCKER)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisNodes]:
    nodes = RedisNodes(tmp_path_factory.mktemp("cluster"), environment(os.environ), free_ports(6))
    try:
        nodes.start()
        nodes.wait_until_up()
        assert nodes.initialise().status == 0
        yield nodes
    finally:
        nodes.stop()


def link_of(cluster: RedisNodes, replica: int, *, becomes: str) -> bool:
    """Whether a replica's link gets into this state within a minute."""
    wanted = f"master_link_status:{becomes}"
    return wait_until(lambda: wanted in cluster.ask(replica, "info", "replication"), 60)


def is_whole_again(cluster: RedisNodes) -> bool:
    """Whether within a minute no node takes another for failed any more."""
    return wait_until(
        lambda: not any("fail" in cluster.ask(n, "cluster", "nodes") for n in range(6)), 60
    )


class TestRedis:
    @pytest.fixture(autouse=True)
    def container(self, machine: Machine, cluster: RedisNodes) -> None:
        wanted = ("PATH", "LD_LIBRARY_PATH")
        inside = {name: value for name, value in cluster.programs.items() if name in wanted}
        secret = cluster.folder / "password"
        secret.write_text(cluster.environment()["REDISCLI_AUTH"])
        machine.program("docker", "")
        with_docker(machine, inside)
        script = machine.programs / "docker"
        reads = f"export REDISCLI_AUTH=$(cat {secret})\n"
        script.write_text(script.read_text().replace("case", reads + "case", 1))

    def look(
        self,
        machine: Machine,
        cluster: RedisNodes,
        looks: int = 1,
        nodes: Sequence[str] = (),
    ) -> list[Sample]:
        ran = machine.run_file(
            "probe_redis",
            TT_PROJECT="tt",
            TT_LOOKS=str(looks),
            TT_INTERVAL="0.1",
            TT_REDIS_NODES=" ".join(nodes or cluster.addresses),
        )
        assert len(ran.printed) < 20_000
        answer = read_answer(RedisSamples, ran.printed, host="h")
        return [judge_redis(each, expected=6, lag_bytes=1_000_000) for each in answer.samples]

    def look_until(
        self, machine: Machine, cluster: RedisNodes, fits: Callable[[Sample], bool]
    ) -> Sample:
        """The first of five looks that fits, or the last one: a busy machine answers late."""
        for _ in range(5):
            (sample,) = self.look(machine, cluster)
            if fits(sample):
                break
        return sample

    def test_a_whole_cluster_is_written_and_read_through_and_nothing_is_left(
        self, machine: Machine, cluster: RedisNodes
    ) -> None:
        for _ in range(5):
            samples = self.look(machine, cluster, looks=3)
            if all(sample.passed for sample in samples):
                break
        assert [sample.passed for sample in samples] == [True] * 3, samples
        assert "3 masters written and read through" in samples[0].detail
        assert [cluster.ask(n, "keys", "tt:probe:*") for n in range(3)] == ["", "", ""]

    def test_a_node_that_hangs_is_named(self, machine: Machine, cluster: RedisNodes) -> None:
        hanging, said = cluster.running[5].pid, "127.0.0.1: does not answer"
        os.kill(hanging, signal.SIGSTOP)
        try:
            sample = self.look_until(machine, cluster, lambda sample: sample.detail == said)
        finally:
            os.kill(hanging, signal.SIGCONT)
            assert is_whole_again(cluster)
        assert (sample.passed, sample.detail) == (False, said)

    def test_a_master_that_takes_no_write_is_named_with_what_it_says(
        self, machine: Machine, cluster: RedisNodes
    ) -> None:
        said = "was not written and read through: SET answered OOM"
        cluster.ask(0, "config", "set", "maxmemory", "1")
        try:
            sample = self.look_until(machine, cluster, lambda sample: said in sample.detail)
        finally:
            cluster.ask(0, "config", "set", "maxmemory", "32mb")
        assert not sample.passed
        assert said in sample.detail

    def test_a_master_whose_replica_is_cut_off_is_named(
        self, machine: Machine, cluster: RedisNodes
    ) -> None:
        replica = next(n for n in range(6) if cluster.ask(n, "role").startswith("slave"))
        followed = cluster.ask(replica, "role").splitlines()[2]
        master = cluster.ports.index(int(followed))
        right = cluster.ask(replica, "config", "get", "masterauth").splitlines()[1]
        cluster.ask(replica, "config", "set", "masterauth", "wrong")
        cluster.ask(master, "client", "kill", "type", "replica")
        said = "no replica linked to 127.0.0.1"
        try:
            assert link_of(cluster, replica, becomes="down")
            sample = self.look_until(machine, cluster, lambda sample: sample.detail == said)
        finally:
            cluster.ask(replica, "config", "set", "masterauth", right)
            assert link_of(cluster, replica, becomes="up")
        assert (sample.passed, sample.detail) == (False, said)

    def test_what_the_others_think_of_a_node_is_told(
        self, machine: Machine, cluster: RedisNodes
    ) -> None:
        replica = next(n for n in range(6) if cluster.ask(n, "role").startswith("slave"))
        address = cluster.addresses[replica]
        others = [each for each in cluster.addresses if each != address]
        asked = next(n for n in range(6) if n != replica)
        os.kill(cluster.running[replica].pid, signal.SIGSTOP)
        try:
            # Past its node timeout of five seconds.
            assert wait_until(lambda: ",fail" in cluster.ask(asked, "cluster", "nodes"), 60)
            (sample,) = self.look(machine, cluster, nodes=others)
        finally:
            os.kill(cluster.running[replica].pid, signal.SIGCONT)
            assert wait_until(lambda: self.look(machine, cluster)[0].passed, 60)
        assert not sample.passed
        assert f"sees failing nodes: {address} (slave,fail" in sample.detail

    def test_a_master_that_sees_another_owner_of_a_slot_is_named(
        self, machine: Machine, cluster: RedisNodes
    ) -> None:
        """The wrong owner has the newer epoch: gossip alone does not put it right."""
        assert wait_until(lambda: self.look(machine, cluster)[0].passed, 60)
        rows = [line.split() for line in cluster.ask(0, "cluster", "nodes").splitlines()]
        owner, odd, wrong = sorted((r for r in rows if "master" in r[2]), key=lambda r: int(r[6]))
        slot = owner[8].partition("-")[0]
        number = {r[0]: cluster.addresses.index(r[1].partition("@")[0]) for r in (owner, odd)}
        cluster.ask(number[odd[0]], "cluster", "setslot", slot, "node", wrong[0])
        try:
            (sample,) = self.look(machine, cluster)
        finally:
            for each in (odd, owner):
                cluster.ask(number[each[0]], "cluster", "setslot", slot, "node", owner[0])
            assert wait_until(lambda: self.look(machine, cluster)[0].passed, 60)
        assert not sample.passed
        assert "another slot map than the other nodes" in sample.detail

    def test_a_wrong_password_is_what_the_nodes_say(
        self, machine: Machine, cluster: RedisNodes
    ) -> None:
        script = machine.programs / "docker"
        script.write_text(script.read_text().replace("case", "export REDISCLI_AUTH=no\ncase", 1))
        sample = self.look_until(machine, cluster, lambda sample: "AUTH failed" in sample.detail)
        assert not sample.passed
        assert "AUTH failed" in sample.detail


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with a_postgres() as server:
        yield server


class TestPostgres:
    @pytest.fixture(autouse=True)
    def container(self, machine: Machine, postgres: Postgres) -> None:
        inside = {
            "PATH": postgres.environment["PATH"],
            "PGPORT": str(postgres.port),
            "POSTGRES_USER": "prefect",
            "POSTGRES_DB": "prefect",
            "POSTGRES_PASSWORD": PASSWORD,
        }
        with_docker(machine, {**inside, "PATH": f"{machine.programs}:{inside['PATH']}"})
        machine.program("hostname", "echo 127.0.0.1")

    def look(self, machine: Machine, looks: int = 1) -> list[Sample]:
        ran = machine.run_file(
            "probe_postgres",
            TT_PROJECT="tt",
            TT_APP_SERVICE="app",
            TT_LOOKS=str(looks),
            TT_INTERVAL="0.1",
        )
        assert PASSWORD not in ran.printed + ran.noise
        answer = read_answer(PostgresSamples, ran.printed, host="h")
        return [judge_postgres(each, pools=2, lag_bytes=0) for each in answer.samples]

    def test_it_takes_a_write_that_leaves_nothing(
        self, machine: Machine, postgres: Postgres
    ) -> None:
        before = postgres.sql("select pg_current_wal_lsn()")
        samples = self.look(machine, looks=3)
        assert [sample.passed for sample in samples] == [True] * 3, samples
        written = postgres.sql(f"select pg_current_wal_flush_lsn() > '{before}'")
        assert (written, postgres.sql("select count(*) from pg_class where relname ~ '^tt_'")) == (
            "t",
            "0",
        )

    def test_one_that_is_read_only_is_told_from_one_that_is_down(
        self, machine: Machine, postgres: Postgres
    ) -> None:
        postgres.sql("alter database prefect set default_transaction_read_only = on")
        try:
            (sample,) = self.look(machine)
        finally:
            postgres.sql(
                "alter database prefect reset default_transaction_read_only", database="postgres"
            )
        assert not sample.passed
        assert "in a read-only transaction" in sample.detail

    def test_connections_are_counted_against_the_application_s_own_pools(
        self, machine: Machine
    ) -> None:
        ran = machine.run_file(
            "probe_postgres",
            TT_PROJECT="tt", TT_APP_SERVICE="app", TT_LOOKS="1", TT_INTERVAL="0",
        )  # fmt: skip
        (sight,) = read_answer(PostgresSamples, ran.printed, host="h").samples
        assert (sight.connections, sight.pool) == (197, 7)
        assert 1 <= sight.used < 10

    def test_a_replication_slot_that_nobody_reads_is_told(
        self, machine: Machine, postgres: Postgres
    ) -> None:
        postgres.sql("select pg_create_physical_replication_slot('gone', true)")
        try:
            (sample,) = self.look(machine)
        finally:
            postgres.sql("select pg_drop_replication_slot('gone')")
        assert (sample.passed, sample.detail) == (False, "1 replication(s) not streaming")

    def test_a_refused_password_is_what_postgres_says(self, machine: Machine) -> None:
        script = machine.programs / "docker"
        script.write_text(script.read_text().replace(PASSWORD, "wrong"))
        (sample,) = self.look(machine)
        assert not sample.passed
        assert "password authentication failed" in sample.detail
