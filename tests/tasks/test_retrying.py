"""Which failures a task tries again: real tasks on Prefect's test server."""

from typing import Any

import pytest
from prefect import Task, flow, task
from prefect.cache_policies import NO_CACHE

import tasks.drift
import tasks.health
import tasks.hosts
import tasks.image
import tasks.preflight
import tasks.release
import tasks.stack
import tasks.takeover
from delivery import errors
from delivery.errors import DeliveryError, TransientError
from tasks.retrying import BACKOFF_SECONDS, is_transient

TRANSIENT = [errors.SourceUnavailable, errors.RegistryUnavailable, errors.HostUnreachable]
LASTING = [errors.AccessDenied, errors.HostScriptFailed, errors.TagConflict, errors.RateLimited]


def failing(kind: type[Exception], times: int) -> tuple[list[str], object]:
    """A task that fails so many times, then answers; and the list of its tries."""
    tries: list[str] = []

    @task(retries=3, retry_delay_seconds=0, retry_condition_fn=is_transient)
    def act() -> str:
        tries.append("try")
        if len(tries) <= times:
            raise kind("failed")
        return "done"

    return tries, act


@pytest.mark.prefect
class TestByClass:
    @pytest.mark.parametrize("kind", TRANSIENT)
    def test_what_may_pass_is_tried_again(self, kind: type[DeliveryError]) -> None:
        tries, act = failing(kind, times=2)
        assert callable(act)
        assert (act(), len(tries)) == ("done", 3)

    @pytest.mark.parametrize("kind", [*LASTING, ValueError, KeyError])
    def test_what_stays_is_not(self, kind: type[Exception]) -> None:
        tries, act = failing(kind, times=2)
        assert callable(act)
        with pytest.raises(kind):
            act()
        assert len(tries) == 1

    def test_tries_are_bounded_and_the_last_failure_comes_out_as_it_is(self) -> None:
        tries, act = failing(errors.HostUnreachable, times=99)
        assert callable(act)
        with pytest.raises(errors.HostUnreachable, match="failed"):
            act()
        assert len(tries) == 4

    def test_it_holds_inside_a_flow_too(self) -> None:
        tries, act = failing(errors.HostUnreachable, times=2)

        @flow(persist_result=False)
        def around() -> str:
            assert callable(act)
            return str(act())

        assert (around(), len(tries)) == ("done", 3)


STEPS = [
    tasks.hosts.find_hosts,
    tasks.hosts.observe_hosts,
    tasks.hosts.sync_source,
    tasks.hosts.render_alertmanager,
    tasks.hosts.pull_images,
    tasks.takeover.start_containers,
    tasks.takeover.await_rollout,
    tasks.stack.preview_stack,
    tasks.hosts.prune_images,
    tasks.hosts.list_containers,
    tasks.hosts.record_release,
    tasks.image.build_image_and_push,
    tasks.image.find_built_release,
    tasks.image.check_image_is_there,
    tasks.preflight.see_hosts,
    tasks.preflight.ask_services,
    tasks.preflight.read_needs,
    tasks.drift.follow_branch,
    tasks.drift.ask_names,
    tasks.drift.deploy_is_at_work,
    tasks.release.find_revision,
    tasks.release.make_tag_and_release,
]
PROBES: list[Task[..., Any]] = [
    tasks.health.probe_actuator,
    tasks.health.probe_redis,
    tasks.health.probe_postgres,
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.name))
def test_every_step_is_tried_again_by_that_rule_alone(step: object) -> None:
    assert getattr(step, "retries", 0) > 0
    assert getattr(step, "retry_condition_fn", None) is is_transient
    assert getattr(step, "retry_jitter_factor", 0) > 0


@pytest.mark.parametrize("step", [*STEPS, *PROBES], ids=lambda step: str(step.name))
def test_no_step_answers_out_of_a_cache_or_leaves_its_result_behind(step: object) -> None:
    assert repr(getattr(step, "cache_policy", None)) == repr(NO_CACHE)
    assert getattr(step, "persist_result", None) is False


def test_a_probe_is_not_tried_again_since_it_looks_again_by_itself() -> None:
    assert [probe.retries for probe in PROBES] == [0, 0, 0]


def test_the_waits_grow_and_end_within_a_minute() -> None:
    assert sorted(BACKOFF_SECONDS) == BACKOFF_SECONDS
    assert sum(BACKOFF_SECONDS) * 1.5 < 60


def test_what_is_transient_is_said_by_the_class() -> None:
    assert all(issubclass(kind, TransientError) for kind in TRANSIENT)
    assert not any(issubclass(kind, TransientError) for kind in LASTING)
