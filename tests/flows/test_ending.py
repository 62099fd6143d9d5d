"""How flows end: states, exit statuses, what is printed; and how they are called."""

import argparse
import dataclasses
import datetime
import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import httpx
import pytest
from prefect import Flow
from prefect.client.schemas.objects import State, StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.callables import parameter_schema

import flows
from delivery.errors import BadRequest, DeliveryError, HostScriptFailed
from delivery.plot import Bar, Panel, chart
from delivery.report import Outcome, Report
from flows.ending import command_line, end_process, end_with, report_of, run_command
from tests.fakes import LoopbackServer

REPORT = Report(
    outcome=Outcome.DEPLOYED,
    environment="testing",
    actor="somebody",
    reason="",
    started=datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC),
    duration_seconds=1.5,
    version="1.2.0",
)


def ended_as(outcome: Outcome) -> State[object]:
    return end_with(dataclasses.replace(REPORT, outcome=outcome))


def called(*arguments: str) -> argparse.Namespace:
    return command_line("A flow.", "flows.any").parse_args(["--environment", "lab", *arguments])


class TestStates:
    @pytest.mark.parametrize(
        ("outcome", "name", "kind"),
        [
            (Outcome.DEPLOYED, "Deployed", StateType.COMPLETED),
            (Outcome.UP_TO_DATE, "UpToDate", StateType.COMPLETED),
            (Outcome.PLANNED, "Planned", StateType.COMPLETED),
            (Outcome.ROLLED_BACK, "RolledBack", StateType.FAILED),
            (Outcome.ROLLBACK_FAILED, "RollbackFailed", StateType.FAILED),
            (Outcome.NO_WAY_BACK, "NoWayBack", StateType.FAILED),
            (Outcome.REFUSED, "Refused", StateType.FAILED),
            (Outcome.FAILED, "Failed", StateType.FAILED),
            (Outcome.SUPERSEDED, "Superseded", StateType.CANCELLED),
        ],
    )
    def test_the_state_is_named_after_the_outcome_and_green_only_if_wished_for(
        self, outcome: Outcome, name: str, kind: StateType
    ) -> None:
        state = ended_as(outcome)
        assert (state.name, state.type) == (name, kind)
        assert state.message

    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_every_state_gives_its_report_back(self, outcome: Outcome) -> None:
        assert report_of(ended_as(outcome)).outcome is outcome


class TestPrinting:
    def test_json_is_one_object_with_korean_as_it_is(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answer = dataclasses.replace(REPORT, reason="긴급 수정").as_json()
        assert end_process(answer, called("--json"), succeeded=True, text="ignored") == 0
        printed = capsys.readouterr().out
        assert json.loads(printed)["outcome"] == "DEPLOYED"
        assert "긴급 수정" in printed
        assert "ignored" not in printed

    def test_without_json_the_text_is_for_people(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert end_process({}, called(), succeeded=False, text="# FAILED") == 1
        assert capsys.readouterr().out == "# FAILED\n"

    def test_a_terminal_gets_a_chart_in_words(self, capsys: pytest.CaptureFixture[str]) -> None:
        image = chart("Latency", [Panel((Bar("before", 10.0, 4.0, "4/10 ms"),))])
        assert end_process({}, called(), succeeded=True, text=image) == 0
        assert capsys.readouterr().out == "Latency. before 4/10 ms\n"

    def test_what_a_command_does_not_tell_is_told_for_it(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        options = called("--json")
        options.began -= 7
        end_process({"outcome": "TOLD"}, options, succeeded=True, text="")
        answer = json.loads(capsys.readouterr().out)
        assert 7 <= answer.pop("duration_seconds") < 60
        assert answer == {
            "outcome": "TOLD",
            "environment": "lab",
            "version": "",
            "previous_version": "",
            "revision": "",
            "digest": "",
        }


class TestExitStatus:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (BadRequest("That makes no sense."), 2),
            (HostScriptFailed("It broke.", where="TT-ec2-1", next_command="df -h"), 1),
        ],
    )
    def test_an_error_of_ours_is_its_text_and_a_status(
        self,
        error: DeliveryError,
        status: int,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def main(arguments: list[str]) -> int:
            raise error

        monkeypatch.setattr(sys, "argv", ["program"])
        with pytest.raises(SystemExit) as ended:
            run_command(main)
        printed = capsys.readouterr()
        assert ended.value.code == status
        assert (printed.err, printed.out) == (f"error: {error}\n", "")

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (BadRequest("That makes no sense.", next_command="--help"), "REFUSED"),
            (HostScriptFailed("It broke.", where="TT-ec2-1", next_command="df -h"), "FAILED"),
        ],
    )
    def test_with_json_it_is_an_object_too(
        self,
        error: DeliveryError,
        outcome: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def main(arguments: list[str]) -> int:
            raise error

        monkeypatch.setattr(sys, "argv", ["program", "--environment=lab", "--fix", "--json"])
        with pytest.raises(SystemExit):
            run_command(main)
        answer = json.loads(capsys.readouterr().out)
        assert (answer["outcome"], answer["environment"]) == (outcome, "lab")
        assert answer["failure"]["message"] == error.message
        assert answer["failure"]["next_command"] == error.next_command
        assert answer["duration_seconds"] < 60

    def test_a_mistake_of_our_own_is_an_object_and_a_traceback(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def main(arguments: list[str]) -> int:
            raise KeyError("token=abcdefgh")

        monkeypatch.setattr(sys, "argv", ["program", "--environment", "lab", "--json"])
        with temporary_settings({PREFECT_API_URL: None}), pytest.raises(KeyError):
            run_command(main)
        answer = json.loads(capsys.readouterr().out)
        assert answer["outcome"] == "FAILED"
        assert "KeyError" in answer["failure"]["message"]
        assert "abcdefgh" not in answer["failure"]["message"]

    @pytest.mark.parametrize("status", [0, 1])
    def test_else_it_is_what_the_flow_says(
        self, status: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[list[str]] = []

        def main(arguments: list[str]) -> int:
            seen.append(arguments)
            return status

        monkeypatch.setattr(sys, "argv", ["program", "--environment", "lab"])
        with pytest.raises(SystemExit) as ended:
            run_command(main)
        assert (ended.value.code, seen) == (status, [["--environment", "lab"]])


class TestWithoutPrefect:
    def ended(self, url: str) -> int | str | None:
        """The status of a command that failed in Prefect's own way, with its server there."""

        def main(arguments: list[str]) -> int:
            raise RuntimeError("Failed to reach API")

        with (
            temporary_settings({PREFECT_API_URL: url}),
            pytest.raises((SystemExit, RuntimeError)) as ended,
        ):
            run_command(main)
        return ended.value.code if isinstance(ended.value, SystemExit) else "raised"

    def test_a_server_that_is_away_is_said_in_a_few_lines(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with LoopbackServer(lambda request: httpx.Response(200)) as server:
            gone = f"{server.url}/api"
        assert self.ended(gone) == 1
        assert capsys.readouterr().err == (
            f"error: The Prefect server does not answer: ConnectError.\nWhere: {gone}\n"
            "Next: prefect server start   # or correct PREFECT_API_URL\n"
        )

    def test_a_mistake_of_our_own_is_not_put_down_to_a_server_that_answers(self) -> None:
        with LoopbackServer(lambda request: httpx.Response(200)) as server:
            assert self.ended(f"{server.url}/api") == "raised"


def command_lines() -> Iterator[tuple[str, Callable[[list[str]], int]]]:
    """Every flow that can be called as ``python -m flows.NAME``."""
    for found in pkgutil.iter_modules(flows.__path__):
        module = importlib.import_module(f"flows.{found.name}")
        if hasattr(module, "main") and any(flows_of(module)):
            yield found.name, module.main


def flows_of(module: ModuleType) -> list[Flow[..., object]]:
    """The flows that a module defines (and not those that it imports)."""
    values = vars(module).values()
    own = (v for v in values if isinstance(v, Flow) and v.fn.__module__ == module.__name__)
    return list(own)


COMMAND_LINES = dict(command_lines())


class TestCommandLines:
    def test_each_flow_of_the_contract_has_one(self) -> None:
        assert {"deploy", "release", "rollback", "healthcheck", "verify"} <= COMMAND_LINES.keys()

    @pytest.mark.parametrize("name", COMMAND_LINES)
    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["--environment", "Not A Name"], "is no environment's name"),
            (["--environment", "lab", "--json=yes"], "ignored explicit argument 'yes'"),
            (["--environment"], "expected one argument"),
        ],
    )
    def test_bad_usage_is_status_2_with_a_clear_message(
        self,
        name: str,
        arguments: list[str],
        complaint: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            COMMAND_LINES[name](arguments)
        printed = capsys.readouterr().err
        assert ended.value.code == 2
        assert complaint in printed
        assert f"usage: python -m flows.{name}" in printed

    @pytest.mark.parametrize("name", COMMAND_LINES)
    def test_help_says_what_it_is_for(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            COMMAND_LINES[name](["--help"])
        assert ended.value.code == 0
        assert "--environment" in capsys.readouterr().out

    def test_the_process_ends_with_that_status(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "flows.deploy", "--environment", "Not A Name"],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "is no environment's name" in done.stderr


FLOWS = {
    flow.name: flow
    for name in COMMAND_LINES
    for flow in flows_of(importlib.import_module(f"flows.{name}"))
}


class TestForms:
    def test_every_command_line_has_its_flow(self) -> None:
        assert len(FLOWS) >= len(COMMAND_LINES)

    @pytest.mark.parametrize("name", FLOWS)
    def test_every_parameter_has_a_title_and_says_what_it_is(self, name: str) -> None:
        fields = parameter_schema(FLOWS[name]).properties
        assert fields
        for field in fields.values():
            assert field.get("title")
            assert len(field.get("description", "")) > 10, field
            assert "prefect" not in field["description"].lower()

    @pytest.mark.parametrize("name", FLOWS)
    def test_every_flow_says_what_it_does(self, name: str) -> None:
        assert FLOWS[name].description

    def test_the_form_of_a_deploy(self) -> None:
        schema = parameter_schema(FLOWS["deploy"])
        shown = ["environment", "revision", "reason", "actor", "dry_run", "allow_data_stores"]
        assert list(schema.properties) == shown
        assert not schema.required, "a click on Run deploys production's branch"
        assert schema.properties["environment"]["default"] == "production"
        assert schema.properties["dry_run"]["default"] is False
        assert schema.properties["allow_data_stores"]["default"] is False

    @pytest.mark.parametrize("name", FLOWS)
    def test_no_flow_leaves_its_result_behind(self, name: str) -> None:
        assert FLOWS[name].persist_result is False
