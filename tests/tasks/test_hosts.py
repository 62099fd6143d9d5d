"""The steps on the hosts: what each sends, what it makes of the answers."""

import json
import time
from collections.abc import Iterator

import pytest
from prefect.logging import disable_run_logger

from blocks.aws_hosts import Host
from delivery.errors import HostNotFound, HostScriptFailed, Refused
from delivery.policies import HostLayout, StageTimeouts
from delivery.rollout import Bundle, HostOutcome, Rollout, plan_rollout
from tasks.hosts import (
    find_hosts,
    list_containers,
    observe_hosts,
    prune_images,
    pull_images,
    record_release,
    render_alertmanager,
    sync_source,
)
from tasks.takeover import start_containers
from tests.fake_environment import IMAGE, FakeEnvironment, FakeHosts, environment
from tests.scripted_hosts import SHA, HostWorld, answered

BUNDLE = Bundle("1.2.0", "v1.2.0", "b" * 40, f"{IMAGE}@sha256:{'2' * 64}")
OLD = f"{IMAGE}@sha256:{'1' * 64}"
ONE, TWO = Host("i-TT-ec2-1", "TT-ec2-1"), Host("i-TT-ec2-2", "TT-ec2-2")


@pytest.fixture(autouse=True)
def without_a_run() -> Iterator[None]:
    with disable_run_logger():
        yield


@pytest.fixture
def target() -> FakeEnvironment:
    return environment()


@pytest.fixture
def world(target: FakeEnvironment) -> HostWorld:
    return target.hosts.worlds["TT-ec2-1"]


def with_two_hosts(**rollout: int) -> FakeEnvironment:
    target = environment(expected_hosts=2, rollout=rollout)
    target._hosts = FakeHosts(**{"TT-ec2-1": HostWorld(), "TT-ec2-2": HostWorld()})
    return target


class TestFinding:
    def test_the_running_hosts_are_found(self, target: FakeEnvironment) -> None:
        assert find_hosts.fn(target) == [ONE]

    def test_none_is_an_error_that_says_what_was_looked_for(self, target: FakeEnvironment) -> None:
        target.hosts.worlds.clear()
        with pytest.raises(HostNotFound, match=r"Name=TT-ec2-1, found 0: none") as failure:
            find_hosts.fn(target)
        assert failure.value.next_command == (
            "aws ec2 describe-instances --filters Name=tag:Name,Values=TT-ec2-1"
        )

    def test_one_too_many_is_an_error_that_names_them(self) -> None:
        target = with_two_hosts()
        assert len(find_hosts.fn(target)) == 2
        target.expected_hosts = 1
        with pytest.raises(HostNotFound, match=r"found 2: TT-ec2-1 \(i-TT-ec2-1\), TT-ec2-2"):
            find_hosts.fn(target)


class TestObserving:
    def test_a_new_host_has_nothing(self, target: FakeEnvironment) -> None:
        (state,) = observe_hosts.fn(target, [ONE])
        assert (state.running_image, state.last_healthy, state.generation) == ("", None, 0)

    def test_a_host_tells_what_runs_and_what_last_proved_healthy(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        world.runs(OLD, "1.1.0")
        world.generation = 7
        (state,) = observe_hosts.fn(target, [ONE])
        assert (state.host, state.running_image, state.generation) == ("TT-ec2-1", OLD, 7)
        assert (state.version, state.running_healthy) == ("1.1.0", True)

    def test_a_host_that_saw_a_newer_deploy_refuses_this_one(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        world.generation = 8
        states = observe_hosts.fn(target, [ONE])
        with pytest.raises(Refused, match="generation 8"):
            plan_rollout(states, BUNDLE, generation=7)


class TestSending:
    def test_the_clone_goes_to_exactly_the_released_revision(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        sync_source.fn(target, [ONE], BUNDLE)
        inputs = world.inputs_of("sync")
        assert (inputs["TT_REVISION"], inputs["TT_BRANCH"]) == (BUNDLE.revision, "develop")
        assert inputs["TT_GIT_URL"] == "https://github.com/tt/app.git"
        assert inputs["TT_CLONE"] == "/dockerProjects/tt-src/WEB7_9_B2ST_BE"

    def test_a_login_in_the_address_of_the_repository_stays_with_the_worker(self) -> None:
        target = environment(git_url="https://kim:hunter22@git.example/tt/app.git")
        sync_source.fn(target, [ONE], BUNDLE)
        assert "hunter22" not in "".join(target.hosts.sent)

    @pytest.mark.parametrize("step", ["pull", "rollout", "record"])
    def test_the_image_is_named_by_its_digest(
        self, target: FakeEnvironment, world: HostWorld, step: str
    ) -> None:
        pull_images.fn(target, [ONE], BUNDLE)
        outcomes = start_containers.fn(target, [ONE], BUNDLE, 5)
        record_release.fn(target, [ONE], Rollout(BUNDLE, tuple(outcomes)), generation=5)
        inputs = world.inputs_of(step)
        assert inputs["TT_APP_IMAGE"] == BUNDLE.image
        assert "@sha256:" in inputs["TT_APP_IMAGE"]
        assert (inputs["TT_APP_VERSION"], inputs["TT_TAG"]) == ("1.2.0", "v1.2.0")

    def test_data_stores_are_named_so_that_they_are_left_alone(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        start_containers.fn(target, [ONE], BUNDLE, 5)
        named = world.inputs_of("rollout")["TT_DATA_STORES"].split()
        assert named == ["postgres", *(f"redis-node-{n}" for n in range(1, 7))]

    def test_the_takeover_is_as_the_environment_says(self) -> None:
        target = environment(rollout={"strategy": "recreate", "drain_seconds": 7})
        start_containers.fn(target, [ONE], BUNDLE, 5)
        inputs = target.hosts.worlds["TT-ec2-1"].inputs_of("recreate")
        assert (inputs["TT_DRAIN_SECONDS"], inputs["TT_GENERATION"]) == ("7", "5")

    def test_asking_again_for_one_takeover_asks_for_the_same_job(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        jobs = []
        for bundle in (BUNDLE, BUNDLE, Bundle("1.1.0", "v1.1.0", SHA, OLD)):
            start_containers.fn(target, [ONE], bundle, 5)
            inputs = world.inputs_of("rollout")
            jobs.append((inputs["TT_GENERATION"], inputs["TT_ATTEMPT"]))
        assert jobs[0] == jobs[1] != jobs[2]

    def test_as_many_releases_as_the_environment_says_are_kept(self) -> None:
        target = environment(rollout={"retained_releases": 9})
        assert prune_images.fn(target, [ONE]) == {"TT-ec2-1": 4096}
        assert target.hosts.worlds["TT-ec2-1"].inputs_of("prune")["TT_RETAIN"] == "9"

    def test_without_a_template_there_is_nothing_to_render(self) -> None:
        target = environment(layout=HostLayout(alertmanager_template=""))
        render_alertmanager.fn(target, [ONE])
        assert target.hosts.sent == []
        with_template = environment()
        render_alertmanager.fn(with_template, [ONE])
        assert with_template.hosts.worlds["TT-ec2-1"].steps == ["render"]

    def test_what_was_healthy_is_recorded_with_its_time_and_configuration(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        done = Rollout(BUNDLE, (HostOutcome("TT-ec2-1", ("app",), "c0ffee"),))
        record_release.fn(target, [ONE], done, generation=5)
        inputs = world.inputs_of("record")
        assert (inputs["TT_GENERATION"], inputs["TT_CONFIGURATION"]) == ("5", "c0ffee")
        assert inputs["TT_NOW"].endswith("+00:00")

    def test_hosts_whose_configurations_differ_are_each_recorded_with_their_own(self) -> None:
        target = with_two_hosts()
        outcomes = (
            HostOutcome("TT-ec2-1", ("app",), "c0ffee"),
            HostOutcome("TT-ec2-2", ("app",), "cafe"),
        )
        record_release.fn(target, [ONE, TWO], Rollout(BUNDLE, outcomes), generation=5)
        recorded = {
            name: world.inputs_of("record")["TT_CONFIGURATION"]
            for name, world in target.hosts.worlds.items()
        }
        assert recorded == {"TT-ec2-1": "c0ffee", "TT-ec2-2": "cafe"}

    def test_each_step_has_the_environments_time_for_it(self) -> None:
        target = environment(
            timeouts=StageTimeouts(sync=11, pull=12, start=913, look=14, delivery=31)
        )
        sync_source.fn(target, [ONE], BUNDLE)
        pull_images.fn(target, [ONE], BUNDLE)
        start_containers.fn(target, [ONE], BUNDLE, 5)
        observe_hosts.fn(target, [ONE])
        assert target.hosts.limits == [(31, 11), (31, 12), (31, 913), (31, 14)]

    def test_no_step_is_given_a_secret(self, target: FakeEnvironment) -> None:
        observe_hosts.fn(target, [ONE])
        sync_source.fn(target, [ONE], BUNDLE)
        pull_images.fn(target, [ONE], BUNDLE)
        render_alertmanager.fn(target, [ONE])
        outcomes = start_containers.fn(target, [ONE], BUNDLE, 5)
        prune_images.fn(target, [ONE])
        list_containers.fn(target, [ONE])
        record_release.fn(target, [ONE], Rollout(BUNDLE, tuple(outcomes)), generation=5)
        assert len(target.hosts.sent) == 8
        sent = json.dumps(target.hosts.sent)
        assert [secret for secret in target.secrets() if secret in sent] == []


class TestAnswers:
    def test_each_host_tells_what_it_replaced(self) -> None:
        target = with_two_hosts()
        target.hosts.worlds["TT-ec2-1"].runs(BUNDLE.image, "1.2.0")
        outcomes = start_containers.fn(target, [ONE, TWO], BUNDLE, 5)
        assert [(o.host, o.changed) for o in outcomes] == [("TT-ec2-1", ()), ("TT-ec2-2", ("app",))]
        assert Rollout(BUNDLE, tuple(outcomes)).changed_services == ("app",)

    def test_each_outcome_has_the_moment_of_its_answer(self) -> None:
        target = with_two_hosts()
        before = time.monotonic()
        outcomes = start_containers.fn(target, [ONE, TWO], BUNDLE, 5)
        assert all(before <= each.answered_at <= time.monotonic() for each in outcomes)

    def test_what_the_gate_let_pass_is_kept(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        tolerant = answered(step="rollout", changed=["app"], note="mail was down before, too")
        world.fail("rollout", tolerant)
        (outcome,) = start_containers.fn(target, [ONE], BUNDLE, 5)
        assert outcome.note == "mail was down before, too"

    def test_a_wave_may_lack_as_many_hosts_as_the_budget_says_but_never_all(self) -> None:
        target = with_two_hosts(failure_budget=2)
        target.hosts.worlds["TT-ec2-2"].fail("rollout", times=2)
        outcomes = start_containers.fn(target, [ONE, TWO], BUNDLE, 5)
        assert [host.host for host in Rollout(BUNDLE, tuple(outcomes)).reached] == ["TT-ec2-1"]
        with pytest.raises(HostScriptFailed, match="rollout broke"):
            start_containers.fn(target, [TWO], BUNDLE, 5)

    def test_no_budget_spares_a_canary(self) -> None:
        target = with_two_hosts(failure_budget=2)
        target.hosts.worlds["TT-ec2-2"].fail("rollout")
        with pytest.raises(HostScriptFailed, match="rollout broke") as failure:
            start_containers.fn(target, [ONE, TWO], BUNDLE, 5, canary=True)
        there, lost = failure.value.outcomes
        assert (there.host, there.changed, there.failure) == ("TT-ec2-1", ("app",), "")
        assert (lost.host, lost.changed) == ("TT-ec2-2", ())
        assert lost.failure.endswith("rollout broke")

    def test_containers_are_listed_host_by_host(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        world.runs(OLD, "1.1.0")
        listed = list_containers.fn(target, [ONE])
        assert [(c.service, c.state, c.image) for c in listed["TT-ec2-1"]] == [
            ("app", "running", OLD)
        ]

    def test_a_failing_script_fails_its_step_with_the_hosts_words(
        self, target: FakeEnvironment, world: HostWorld
    ) -> None:
        world.fail("pull")
        with pytest.raises(HostScriptFailed, match="pull broke") as failure:
            pull_images.fn(target, [ONE], BUNDLE)
        assert failure.value.last_words == "the log's end"
        assert failure.value.next_command == "journalctl -n 50"
