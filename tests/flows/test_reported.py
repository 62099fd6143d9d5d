"""Every deploy ends in a report, whatever happens, and none runs beside another."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.client.schemas.objects import State, StateType
from prefect.concurrency.sync import concurrency
from prefect.states import Pending

from blocks.environment import Environment
from delivery.errors import (
    BadRequest,
    ConfigurationError,
    HostScriptFailed,
    Refused,
    SourceUnavailable,
)
from delivery.journal import Journal
from delivery.report import Outcome, Report
from flows import deploy as deploy_module
from flows.ending import report_of, run_command
from flows.reported import Work, reported
from tests.flows.conftest import World
from tests.prefect_world import latest_artifact

pytestmark = pytest.mark.prefect

TOKEN = "ghp_" + "tokenThatMustNotShow0"


def ended(environment: str, work: Work) -> State[Any]:
    """A flow around ``work``, to its end."""

    @flow(name="some work", persist_result=False)
    def some_work() -> State[Any]:
        return reported(environment, work, actor="", reason="a test")

    state: State[Any] = some_work(return_state=True)
    return state


def raising(error: Exception, *, touched: bool = False) -> Work:
    def work(target: Environment, journal: Journal) -> Outcome:
        journal.touched = touched
        with journal.stage("a stage"):
            raise error

    return work


class TestFailures:
    @pytest.mark.parametrize(
        "error",
        [Refused("Not now."), BadRequest("No sense."), ConfigurationError("Impossible.")],
        ids=lambda error: type(error).__name__,
    )
    def test_what_asking_again_would_not_change_is_refused(
        self, world: World, error: Exception
    ) -> None:
        state = ended(world.name, raising(error))
        assert (state.name, state.type) == ("Refused", StateType.FAILED)
        assert report_of(state).outcome is Outcome.REFUSED

    def test_once_the_hosts_were_touched_it_is_a_failure(self, world: World) -> None:
        state = ended(world.name, raising(Refused("A newer deploy came."), touched=True))
        assert (state.name, report_of(state).outcome) == ("Failed", Outcome.FAILED)

    @pytest.mark.parametrize(
        "error", [SourceUnavailable("GitHub is away."), HostScriptFailed("It broke.")]
    )
    def test_what_may_go_well_another_time_is_a_failure(
        self, world: World, error: Exception
    ) -> None:
        assert report_of(ended(world.name, raising(error))).outcome is Outcome.FAILED

    def test_a_failure_is_reported_with_where_the_last_words_and_what_to_type(
        self, world: World
    ) -> None:
        error = HostScriptFailed(
            "It broke.", where="TT-ec2-1", last_words="no space left", next_command="df -h"
        )
        report = report_of(ended(world.name, raising(error)))
        page = latest_artifact(f"deploy-{world.name}")
        assert report.failure is not None
        assert report.failure.stage == "a stage"
        for words in ("# FAILED", "It broke.", "TT-ec2-1", "no space left", "df -h"):
            assert words in page["data"]
        assert page["description"].startswith("FAILED: ")

    def test_an_error_of_nobodys_is_reported_too_and_shows_no_secret(
        self, world: World, run_log: list[str]
    ) -> None:
        error = KeyError(f"https://x-access-token:{TOKEN}@github.example/tt/app")
        report = report_of(ended(world.name, raising(error)))
        page = latest_artifact(f"deploy-{world.name}")
        assert report.outcome is Outcome.FAILED
        assert "KeyError" in page["data"]
        assert any("Traceback" in line and "KeyError" in line for line in run_log)
        for text in (page["data"], *run_log, str(report)):
            assert TOKEN not in text


class TestNotRegistered:
    def test_an_environment_that_is_unknown_says_how_to_register_it(self) -> None:
        state = ended("nowhere", raising(AssertionError("must not be called")))
        report = report_of(state)
        assert (state.name, report.outcome) == ("Refused", Outcome.REFUSED)
        assert report.failure is not None
        assert "'nowhere' is not registered" in report.failure.message
        assert report.failure.next_command == "python -m deployments.register nowhere"

    def test_one_without_its_limit_is_not_deployed_to_unlocked(self, world: World) -> None:
        with get_client(sync_client=True) as client:
            client.delete_global_concurrency_limit_by_name(f"deploy-{world.name}")
        report = report_of(ended(world.name, raising(AssertionError("must not be called"))))
        assert report.outcome is Outcome.REFUSED
        assert report.failure is not None
        assert report.failure.next_command == f"python -m deployments.register {world.name}"


def wait_for(claim: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


class Started(threading.Thread):
    """A deploy in a thread of its own; ``report`` is there once it has ended."""

    def __init__(self, name: str) -> None:
        super().__init__(daemon=True)
        self._environment = name
        self.report: Report | None = None

    def run(self) -> None:
        state: Any = deploy_module.deploy(self._environment, dry_run=True, return_state=True)
        self.report = report_of(state)


@pytest.fixture
def slot(world: World) -> Iterator[threading.Event]:
    """The environment's slot, held by somebody else until the event is set."""
    release = threading.Event()
    held = threading.Event()

    def hold() -> None:
        with concurrency(f"deploy-{world.name}", occupy=1, strict=True):
            held.set()
            release.wait(timeout=250)

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert held.wait(timeout=60)
    yield release
    release.set()
    holder.join(timeout=60)


class TestOneAtATime:
    def test_a_second_deploy_waits_for_the_slot(self, world: World, slot: threading.Event) -> None:
        second = Started(world.name)
        second.start()
        time.sleep(1.5)
        assert (world.host.asked, second.report) == ([], None)
        slot.set()
        second.join(timeout=180)
        assert second.report is not None
        assert second.report.outcome is Outcome.PLANNED

    def test_one_that_finds_a_newer_one_waiting_steps_aside(
        self, world: World, slot: threading.Event
    ) -> None:
        older = Started(world.name)
        older.start()
        wait_for(lambda: "Running" in states_of(world.name))
        with get_client(sync_client=True) as client:
            newer = client.create_flow_run(
                deploy_module.deploy,
                parameters={"environment": world.name},
                state=Pending(),
            )
            slot.set()
            older.join(timeout=180)
            client.delete_flow_run(newer.id)
        assert older.report is not None
        assert older.report.outcome is Outcome.SUPERSEDED
        assert world.host.asked == []


def states_of(environment: str) -> list[str | None]:
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs()
    return [run.state_name for run in runs if run.parameters.get("environment") == environment]


class TestParametersFromOutside:
    def test_one_that_is_too_long_is_bad_usage(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ["deploy", "--environment", "lab", "--revision", "x" * 201]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as exit_:
            run_command(deploy_module.main)
        assert exit_.value.code == 2
        printed = capsys.readouterr().err
        assert "revision" in printed
        assert "at most 200 characters" in printed
