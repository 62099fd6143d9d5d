"""Probes: looking until something holds, and what each probe asks of a host."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from prefect.logging import disable_run_logger

from blocks.aws_hosts import Host
from delivery.errors import (
    ConfigurationError,
    HostScriptFailed,
    HostUnreachable,
    SecretsUnavailable,
)
from delivery.health import Probe, Sample, Verdict
from delivery.policies import HealthPolicy, HostLayout
from tasks.health import ask_actuator, probe_actuator, probe_postgres, probe_redis, watch
from tests.fake_environment import FakeEnvironment, environment
from tests.fakes import FakeClock, LoopbackServer, refused
from tests.scripted_hosts import answered, failed, redis_nodes

HOST = Host("i-TT-ec2-1", "TT-ec2-1")
YES, NO = Sample(True, "it holds"), Sample(False, "not yet")
Window = Sequence[Sample] | Exception
QUICK = HealthPolicy(passes=1, interval_seconds=0.1, deadline_seconds=1)


@pytest.fixture(autouse=True)
def without_a_run() -> Iterator[None]:
    with disable_run_logger():
        yield


def watched(
    *windows: Window, clock: FakeClock | None = None, looking: float = 0.0, **policy: Any
) -> Probe:
    """Watch through these windows; the last one is seen for ever, each takes ``looking``."""
    time, left = clock or FakeClock(), list(windows)

    def look() -> Sequence[Sample]:
        time.sleep(looking)
        window = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(window, Exception):
            raise window
        return window

    usual = {"passes": 3, "interval_seconds": 1, "span_seconds": 0, "deadline_seconds": 60}
    settings = HealthPolicy(**usual | policy)
    return watch("actuator", HOST, settings, look, clock=time, sleep=time.sleep)


class TestWatching:
    def test_it_ends_as_soon_as_it_held_often_enough(self) -> None:
        clock = FakeClock()
        probe = watched([YES, YES, YES], clock=clock)
        assert (probe.verdict, probe.looks, clock.sleeps) == (Verdict.HEALTHY, 3, [0])

    def test_passes_count_across_windows(self) -> None:
        probe = watched([NO, YES], [YES], [YES])
        assert (probe.verdict, probe.looks) == (Verdict.HEALTHY, 4)

    def test_a_miss_in_between_starts_the_count_anew(self) -> None:
        probe = watched([YES, YES], [NO], [YES, YES], [YES])
        assert (probe.verdict, probe.looks) == (Verdict.HEALTHY, 6)

    def test_enough_passes_that_a_miss_follows_do_not_count(self) -> None:
        assert watched([YES, YES, YES, NO]).verdict is Verdict.UNHEALTHY

    def test_passes_span_as_much_time_as_the_policy_asks_but_a_miss_is_looked_at_again_soon(
        self,
    ) -> None:
        clock = FakeClock()
        watched([NO], [YES], [YES], [YES], clock=clock, span_seconds=6)
        assert [pause for pause in clock.sleeps if pause] == [1, 3, 3]

    def test_what_never_holds_is_unhealthy_at_the_deadline_with_the_last_reason(self) -> None:
        clock = FakeClock(now=0)
        probe = watched([NO], clock=clock)
        assert (probe.verdict, probe.detail) == (Verdict.UNHEALTHY, "not yet")
        assert (clock.now, probe.seconds) == (60, 60)

    def test_a_look_that_began_before_the_deadline_still_counts(self) -> None:
        assert watched([NO], [YES, YES, YES], looking=59).verdict is Verdict.HEALTHY

    @pytest.mark.parametrize(
        "failure",
        [HostUnreachable("no answer"), HostScriptFailed("no docker"), SecretsUnavailable("away")],
    )
    def test_a_host_that_does_not_answer_is_a_look_that_did_not_hold(
        self, failure: Exception
    ) -> None:
        probe = watched([YES, YES], failure, [YES], [YES, YES])
        assert (probe.verdict, probe.looks) == (Verdict.HEALTHY, 6)
        assert watched(failure).detail == str(failure)

    def test_a_look_that_saw_nothing_did_not_hold(self) -> None:
        assert watched([]).detail == "nothing was seen"

    def test_an_environment_that_is_wrong_is_an_error_at_once(self) -> None:
        with pytest.raises(ConfigurationError):
            watched(ConfigurationError("The AWS role lacks a right."))


def healthy_environment(**policy: Any) -> FakeEnvironment:
    return environment(health=QUICK.model_copy(update=policy))


class TestActuator:
    def test_it_is_asked_on_the_host(self) -> None:
        target = healthy_environment(passes=2)
        probe = probe_actuator.fn(target, HOST)
        inputs = target.hosts.worlds["TT-ec2-1"].inputs_of("probe_actuator")
        assert (probe.verdict, probe.host, probe.looks) == (Verdict.HEALTHY, "TT-ec2-1", 2)
        assert (inputs["TT_LOOKS"], inputs["TT_INTERVAL"]) == ("2", "6")
        assert inputs["TT_APP_PORT"] == "8080"

    def test_status_200_alone_is_not_enough(self) -> None:
        target = healthy_environment()
        lying = answered(step="probe", samples=[{"status": 200, "body": '{"status":"DOWN"}'}])
        target.hosts.worlds["TT-ec2-1"].fail("probe_actuator", lying, times=100)
        probe = probe_actuator.fn(target, HOST)
        assert (probe.verdict, probe.detail) == (Verdict.UNHEALTHY, "HTTP 200, status DOWN")

    @pytest.mark.parametrize("as_before", [True, False])
    def test_what_was_down_before_counts_unless_it_is_told_not_to(self, *, as_before: bool) -> None:
        target = healthy_environment()
        world = target.hosts.worlds["TT-ec2-1"]
        world.down_before, world.components = ["mail"], {"mail": "DOWN"}
        assert probe_actuator.fn(target, HOST, as_before=as_before).passed is as_before

    def test_it_is_asked_over_the_network_where_the_environment_says_so(self) -> None:
        def actuator(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"status": "UP"})

        with LoopbackServer(actuator) as server:
            target = healthy_environment(
                actuator_over="network", actuator_url=f"{server.url}/actuator/health"
            )
            probe = probe_actuator.fn(target, HOST)
        assert probe.verdict is Verdict.HEALTHY
        assert target.hosts.sent == []

    def test_one_that_is_down_is_unhealthy_not_an_error(self) -> None:
        def crashing(request: httpx.Request) -> httpx.Response:
            raise refused()

        with LoopbackServer(crashing) as server:
            sight = ask_actuator(server.url)
        assert (sight.status, bool(sight.error)) == (0, True)
        assert ask_actuator(server.url).error == "ConnectError"
        assert ask_actuator("no URL at all").error == "UnsupportedProtocol"

    def test_its_answer_is_kept_short(self) -> None:
        def endless(request: httpx.Request) -> httpx.Response:
            return httpx.Response(503, text="x" * 100_000)

        with LoopbackServer(endless) as server:
            sight = ask_actuator(server.url)
        assert (sight.status, len(sight.body)) == (503, 2000)


class TestDataStores:
    def test_redis_is_asked_node_by_node_by_name_and_port(self) -> None:
        target = healthy_environment()
        assert probe_redis.fn(target, HOST).verdict is Verdict.HEALTHY
        nodes = target.hosts.worlds["TT-ec2-1"].inputs_of("probe_redis")["TT_REDIS_NODES"].split()
        assert (nodes[0], nodes[-1], len(nodes)) == ("redis-node-1:7000", "redis-node-6:7005", 6)

    def test_a_cluster_that_lost_a_replica_is_unhealthy(self) -> None:
        target = healthy_environment()
        nodes = [{**node, "link": "down" if node.get("link") else ""} for node in redis_nodes()]
        broken = answered(step="probe_redis", samples=[nodes])
        target.hosts.worlds["TT-ec2-1"].fail("probe_redis", broken, times=100)
        probe = probe_redis.fn(target, HOST)
        assert (probe.verdict, probe.detail) == (
            Verdict.UNHEALTHY,
            "no replica linked to redis-node-1, redis-node-2, redis-node-3",
        )

    def test_nodes_are_where_the_layout_says(self) -> None:
        target = healthy_environment(redis_nodes=2)
        target.layout = HostLayout(redis_service="cache", redis_first_port=6379)
        probe_redis.fn(target, HOST)
        inputs = target.hosts.worlds["TT-ec2-1"].inputs_of("probe_redis")
        assert inputs["TT_REDIS_NODES"] == "cache1:6379 cache2:6380"

    def test_postgres_must_not_be_in_recovery(self) -> None:
        target = healthy_environment()
        assert probe_postgres.fn(target, HOST).verdict is Verdict.HEALTHY
        standby = answered(step="probe_postgres", samples=[{"answered": True, "in_recovery": True}])
        target.hosts.worlds["TT-ec2-1"].fail("probe_postgres", standby, times=100)
        probe = probe_postgres.fn(target, HOST)
        assert (probe.verdict, "recovery" in probe.detail) == (Verdict.UNHEALTHY, True)

    def test_a_probe_that_cannot_run_gives_its_reason(self) -> None:
        target = healthy_environment()
        world = target.hosts.worlds["TT-ec2-1"]
        world.fail("probe_postgres", failed("the Docker engine does not answer"), times=100)
        probe = probe_postgres.fn(target, HOST)
        assert "the Docker engine does not answer" in probe.detail


def test_a_probe_is_given_time_on_the_host_for_all_its_looks_but_not_past_the_deadline() -> None:
    target = healthy_environment(passes=3, interval_seconds=1, span_seconds=0, deadline_seconds=100)
    probe_postgres.fn(target, HOST)
    target.health = target.health.model_copy(update={"deadline_seconds": 500})
    probe_postgres.fn(target, HOST)
    assert [execution for _, execution in target.hosts.limits] == [115, 153]


def test_no_probe_is_given_a_secret() -> None:
    target = healthy_environment()
    for probe in (probe_actuator, probe_redis, probe_postgres):
        probe.fn(target, HOST)
    sent = json.dumps(target.hosts.sent)
    assert target.secrets()
    assert [secret for secret in target.secrets() if secret in sent] == []
