"""How a command's state moves, told by a clock that the test turns."""

from __future__ import annotations

import pytest

from lab.services.aws_errors import SsmError
from lab.services.ssm_model import Command, Invocation, Result
from lab.services.ssm_validation import SendCommand

START = 1_000.0
SUCCESS = Result("Success", 0, "done\n", "")
FAILURE = Result("Failed", 1, "", "no\n")


def command(*instance_ids: str, concurrency: str = "50", errors: str = "0") -> Command:
    made = Command(
        command_id="c",
        requested_at=START,
        document="AWS-RunShellScript",
        parameters={"commands": ["true"]},
        comment="",
        instance_ids=list(instance_ids),
        targets=[],
        delivery_seconds=30,
        execution_seconds=60,
        max_concurrency=concurrency,
        max_errors=errors,
        invocations={i: Invocation(i) for i in instance_ids},
    )
    made.advance(START)
    return made


def run(made: Command, instance_id: str, result: Result, now: float = START + 2) -> None:
    assert made.accept(instance_id, now - 1)
    made.report(instance_id, result, now)


def details(made: Command) -> list[str]:
    return [invocation.details for invocation in made.invocations.values()]


def test_a_command_goes_from_pending_through_progress_to_success() -> None:
    made = command("a")
    assert made.status() == ("Pending", "Pending")
    assert made.accept("a", START + 1)
    assert made.status() == ("InProgress", "InProgress")
    made.report("a", SUCCESS, START + 2)
    assert made.status() == ("Success", "Success")
    assert made.invocations["a"].exit_code == 0


def test_the_agent_that_takes_a_command_twice_may_run_it_once() -> None:
    made = command("a")
    assert made.accept("a", START)
    assert not made.accept("a", START)


def test_what_is_not_delivered_in_time_is_timed_out_and_never_runs() -> None:
    made = command("a")
    made.advance(START + 29.9)
    assert details(made) == ["Pending"]
    made.advance(START + 30)
    assert made.status() == ("TimedOut", "DeliveryTimedOut")
    assert not made.accept("a", START + 31)


def test_a_delivery_that_timed_out_is_no_error_of_the_command_but_makes_it_incomplete() -> None:
    made = command("a", "b")
    run(made, "a", SUCCESS)
    made.advance(START + 30)
    assert made.status() == ("Success", "Incomplete")
    assert made.errors == 0


def test_an_agent_never_heard_of_again_times_out_after_delivery_and_execution() -> None:
    made = command("a")
    made.accept("a", START + 1)
    made.advance(START + 89)
    assert details(made) == ["InProgress"]
    made.advance(START + 90)
    assert details(made) == ["ExecutionTimedOut"]


def test_a_result_after_the_end_changes_nothing() -> None:
    made = command("a")
    made.accept("a", START + 1)
    made.advance(START + 90)
    made.report("a", SUCCESS, START + 91)
    assert details(made) == ["ExecutionTimedOut"]


def test_a_failure_within_the_allowance_leaves_the_command_a_success() -> None:
    made = command("a", "b", errors="1")
    run(made, "a", FAILURE)
    run(made, "b", SUCCESS)
    assert made.status() == ("Success", "Incomplete")


def test_a_failure_beyond_the_allowance_terminates_what_was_not_sent() -> None:
    made = command("a", "b", "c", concurrency="1")
    run(made, "a", FAILURE)
    assert details(made) == ["Failed", "Terminated", "Terminated"]
    assert made.status() == ("Failed", "Failed")


@pytest.mark.parametrize(("concurrency", "at_once"), [("1", 1), ("50%", 2), ("10%", 1), ("50", 4)])
def test_only_so_many_are_sent_at_once(concurrency: str, at_once: int) -> None:
    made = command("a", "b", "c", "d", concurrency=concurrency)
    assert sum(made.accept(i, START) for i in "abcd") == at_once
    made.report("a", SUCCESS, START + 1)
    assert sum(made.accept(i, START + 2) for i in "abcd") == min(1, 4 - at_once)


def test_cancelling_ends_what_waits_and_asks_what_runs() -> None:
    made = command("a", "b")
    made.accept("a", START)
    made.cancel([], START + 1)
    assert details(made) == ["Cancelling", "Cancelled"]
    assert made.status()[0] == "Cancelling"
    made.report("a", Result("Cancelled", 137, "", ""), START + 2)
    assert made.status() == ("Cancelled", "Cancelled")


def test_tags_that_match_nothing_give_a_success_that_says_so() -> None:
    assert command().status() == ("Success", "NoInstancesInTag")


def test_only_the_beginning_of_what_was_written_is_kept() -> None:
    made = command("a")
    run(made, "a", Result("Failed", 1, "o" * 30_000, "e" * 30_000))
    kept = made.invocations["a"]
    assert (len(kept.stdout), len(kept.stderr)) == (24_000, 8_000)


def test_a_command_comes_back_from_the_disk_as_it_was() -> None:
    made = command("a", "b")
    run(made, "a", FAILURE)
    assert Command.from_record(made.to_record()) == made


VALID = {
    "DocumentName": "AWS-RunShellScript",
    "InstanceIds": ["i-0123456789abcdef0"],
    "Parameters": {"commands": ["true"]},
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"DocumentName": "AWS-Nope"}, "InvalidDocument"),
        ({"InstanceIds": []}, "ValidationException"),
        ({"InstanceIds": [f"i-{n:017x}" for n in range(51)]}, "ValidationException"),
        ({"InstanceIds": ["TT-ec2-1"]}, "InvalidInstanceId"),
        ({"Targets": [{"Key": "tag:Name", "Values": ["x"]}]}, "ValidationException"),
        ({"Parameters": {}}, "InvalidParameters"),
        ({"Parameters": {"commands": ["true"], "Nope": ["1"]}}, "InvalidParameters"),
        ({"Parameters": {"commands": ["x"], "executionTimeout": ["0"]}}, "InvalidParameters"),
        ({"Parameters": {"commands": ["x"], "executionTimeout": ["1h"]}}, "InvalidParameters"),
        ({"Comment": "x" * 101}, "ValidationException"),
        (
            {
                "InstanceIds": [],
                "Targets": [{"Key": f"tag:{n}", "Values": ["x"]} for n in range(6)],
            },
            "ValidationException",
        ),
        ({"MaxConcurrency": "0"}, "ValidationException"),
        ({"MaxErrors": "many"}, "ValidationException"),
    ],
)
def test_a_request_that_the_service_would_refuse_is_refused(
    change: dict[str, object], code: str
) -> None:
    with pytest.raises(SsmError) as refused:
        SendCommand.parse({**VALID, **change})
    assert refused.value.code == code


def test_limits_as_high_as_the_hosts_are_many_hold_nobody_back() -> None:
    limits = {"MaxConcurrency": "50", "MaxErrors": "50"}
    parsed = SendCommand.parse({**VALID, **limits})
    assert (parsed.max_concurrency, parsed.max_errors) == ("50", "50")


def test_an_hour_each_is_what_delivery_and_execution_get_by_default() -> None:
    parsed = SendCommand.parse(VALID)
    assert (parsed.delivery_seconds, parsed.execution_seconds) == (3600, 3600)
