"""Looking at hosts that are not well, and remedies that a second look confirms."""

import threading
from collections.abc import Sequence

import pytest

from blocks.aws_hosts import Agent, Host
from delivery.diagnosis_words import Told
from delivery.errors import ConfigurationError, HostUnreachable
from delivery.findings import Finding
from delivery.policies import StageTimeouts
from tasks.diagnosis import look, mend
from tests.fake_environment import FakeEnvironment, FakeHosts, environment
from tests.fakes import FakeClock
from tests.scripted_hosts import Ended, HostWorld, failed

STOPPED = {
    "containers": [
        {"service": "app", "name": "/tt-app-1", "state": "running", "health": "healthy"},
        {"service": "postgres", "name": "/tt-postgres-1", "state": "exited"},
    ]
}
EXPOSED = {"token": "yes|644|root|40|no|no"}


@pytest.fixture
def target() -> FakeEnvironment:
    return environment(timeouts=StageTimeouts(delivery=30))


@pytest.fixture
def world(target: FakeEnvironment) -> HostWorld:
    return target.hosts.worlds["TT-ec2-1"]


def causes(findings: Sequence[Finding]) -> list[str]:
    return [finding.cause.value for finding in findings]


class TestLooking:
    def test_a_host_that_is_well_is_asked_once_and_nothing_is_found(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        assert look(target) == []
        assert world.steps == ["diagnose"]
        assert target.hosts.limits == [(30, 35)]

    def test_what_is_asked_holds_no_secret_and_logs_to_memory(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        look(target, window_seconds=60)
        inputs = world.inputs_of("diagnose")
        assert inputs["TT_LOG_DIRECTORY"].startswith("/run/")
        assert inputs["TT_NAMES"] == "api.doppler.com"
        assert inputs["TT_SINCE_SECONDS"] == "60"
        assert inputs["TT_REDIS_NODES"].split()[5] == "redis-node-6:7005"
        assert not [s for s in target.secrets() if s in "".join(target.hosts.sent)]

    def test_what_is_wrong_is_found_on_its_host(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        world.facts = STOPPED
        (found,) = look(target)
        assert (found.cause.value, found.host) == ("database-stopped", "TT-ec2-1")

    def test_how_a_deploy_failed_counts_on_the_host_that_it_failed_on(self) -> None:
        target = environment(expected_hosts=2)
        target._hosts = FakeHosts(**{"TT-ec2-1": HostWorld(), "TT-ec2-2": HostWorld()})
        told = Told("replace", "tt-app-2 crashed while it started", host="TT-ec2-2")
        (found,) = look(target, told)
        assert (found.cause.value, found.host) == ("container-crashes", "TT-ec2-2")
        assert len(target.hosts.sent) == 1

    def test_an_agent_that_is_silent_is_a_finding_and_no_script_waits_for_it(
        self, target: FakeEnvironment
    ) -> None:
        target.hosts.ping = "ConnectionLost"
        (found,) = look(target)
        assert found.cause.value == "host-unreachable"
        assert found.evidence[0].startswith("PingStatus ConnectionLost, last heard of")
        assert target.hosts.sent == []

    def test_an_instance_that_is_not_running_is_a_finding(self, target: FakeEnvironment) -> None:
        class Stopped(FakeHosts):
            def running(self, tag: str, value: str) -> list[Host]:
                return []

            def states(self, tag: str, value: str) -> dict[str, str]:
                return {"i-1": "stopped"}

        target._hosts = Stopped()
        (found,) = look(target)
        assert found.evidence == ("expected 1 running, found 0", "i-1: stopped")
        assert found.remedy.command.startswith("aws ec2 start-instances --instance-ids i-1\n")

    def test_an_instance_that_is_gone_is_not_to_be_started(self, target: FakeEnvironment) -> None:
        target.hosts.worlds.clear()
        (found,) = look(target)
        assert found.evidence == ("expected 1 running, found 0",)
        assert found.remedy.command.startswith("aws ssm describe-instance-information")

    def test_an_agent_that_never_registered_is_told_as_such(self, target: FakeEnvironment) -> None:
        class Unregistered(FakeHosts):
            def agents(self, hosts: Sequence[Host]) -> list[Agent]:
                return []

        target._hosts = Unregistered()
        (found,) = look(target)
        assert "never registered" in found.evidence[0]

    def test_without_the_right_to_ask_about_agents_the_script_tells(
        self, target: FakeEnvironment
    ) -> None:
        class Unasked(FakeHosts):
            def agents(self, hosts: Sequence[Host]) -> list[Agent]:
                raise ConfigurationError("The AWS role lacks a right.")

        target._hosts = Unasked()
        assert look(target) == []

    def test_an_aws_that_is_away_is_a_finding(self, target: FakeEnvironment) -> None:
        class Away(FakeHosts):
            def running(self, tag: str, value: str) -> list[Host]:
                raise HostUnreachable("AWS did not answer.")

        target._hosts = Away()
        (found,) = look(target)
        assert (found.cause.value, found.evidence) == ("host-unreachable", ("AWS did not answer.",))

    def test_a_command_that_is_refused_is_a_finding(self, target: FakeEnvironment) -> None:
        class Refusing(FakeHosts):
            def send(self, *_: object, **__: object) -> str:
                raise ConfigurationError("The role lacks it.", next_command="Compare the role.")

        target._hosts = Refusing()
        (found,) = look(target)
        assert found.evidence == ("The role lacks it.",)
        assert found.remedy.command.startswith("Compare the role.\naws ssm describe")

    @pytest.mark.parametrize(
        ("how", "cause"),
        [
            (Ended("Delivery Timed Out"), "host-unreachable"),
            (Ended("Execution Timed Out"), "host-unreachable"),
            (failed("mkdir: No space left on device"), "disk-full"),
            (Ended("Success", "gibberish"), "command-failed"),
        ],
        ids=["undelivered", "too slow", "disk full", "unreadable"],
    )
    def test_a_diagnosis_that_fails_is_read_for_what_it_says(
        self, target: FakeEnvironment, world: HostWorld, how: Ended, cause: str
    ) -> None:
        world.fail("diagnose", how)
        assert causes(look(target)) == [cause]

    def test_a_look_that_hangs_ends_in_time_and_says_so(self, target: FakeEnvironment) -> None:
        go_on, answered = threading.Event(), threading.Event()

        class Hanging(FakeHosts):
            def running(self, tag: str, value: str) -> list[Host]:
                go_on.wait(60)
                answered.set()
                return []

        target._hosts = Hanging()
        (found,) = look(target, deadline_seconds=0.2)
        assert not answered.is_set()
        go_on.set()
        assert found.cause.value == "host-unreachable"
        assert "no answer within 0.2 s" in found.evidence[0]


class TestMending:
    def test_a_remedy_is_applied_by_name_and_confirmed_by_a_second_look(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        world.facts = STOPPED
        attempt, left = mend.fn(target, look(target)[0])
        assert (attempt.fixed, left) == (True, [])
        inputs = world.inputs_of("remedy")
        assert (inputs["TT_ACTION"], inputs["TT_CONTAINER"]) == ("restart", "tt-postgres-1")
        assert world.steps == ["diagnose", "remedy", "diagnose"]

    def test_what_a_second_look_still_shows_is_not_fixed(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        class Stubborn(HostWorld):
            def _remedy(self, inputs: object) -> dict[str, str]:
                return {"action": "token"}

        target.hosts.worlds["TT-ec2-1"] = Stubborn(facts=EXPOSED)
        clock = FakeClock()
        attempt, left = mend.fn(target, look(target)[0], sleep=clock.sleep, clock=clock)
        assert (attempt.fixed, attempt.words) == (False, "a second look still shows it")
        assert causes(left) == ["token-file"]
        assert 90 < sum(clock.sleeps) < 100

    def test_a_second_look_that_sees_nothing_confirms_nothing(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        class Frozen(HostWorld):
            def _remedy(self, inputs: object) -> dict[str, str]:
                self.fail("diagnose", Ended("Execution Timed Out"), times=40)
                return {"action": "token"}

        target.hosts.worlds["TT-ec2-1"] = Frozen(facts=EXPOSED)
        clock = FakeClock()
        # Each of its looks takes seconds of its own: two are enough.
        attempt, left = mend.fn(
            target, look(target)[0], sleep=lambda _: clock.sleep(100), clock=clock
        )
        assert (attempt.fixed, attempt.words) == (False, "a second look could not see it")
        assert causes(left) == ["host-unreachable"]

    def test_a_remedy_that_fails_says_why(self, target: FakeEnvironment, world: HostWorld) -> None:
        world.facts = EXPOSED
        world.fail("remedy", failed("another deploy holds this host's lock"))
        attempt, left = mend.fn(target, look(target)[0])
        assert not attempt.fixed
        assert "holds this host's lock" in attempt.words
        assert causes(left) == ["token-file"]

    def test_images_are_pruned_by_the_script_of_the_deploy(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        class Prunable(HostWorld):
            def _prune(self, inputs: object) -> dict[str, int]:
                self.facts = {}
                return {"removed": 3, "freed_bytes": 4096}

        full = Prunable(facts={"disks": ["/|8000000|1000|500|400"]})
        target.hosts.worlds["TT-ec2-1"] = full
        attempt, left = mend.fn(target, look(target)[0])
        assert (attempt.fixed, left) == (True, [])
        assert full.inputs_of("prune")["TT_RETAIN"] == "5"

    def test_a_host_that_is_gone_meanwhile_is_not_mended(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        world.facts = EXPOSED
        (finding,) = look(target)
        target.hosts.worlds.clear()
        attempt, _ = mend.fn(target, finding)
        assert "not among the running ones" in attempt.words
