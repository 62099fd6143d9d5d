"""Waiting for a command on hosts, by a clock of our own."""

import json
from collections.abc import Sequence

import pytest

from blocks.aws_hosts import Host, Invocation, Output
from delivery.errors import (
    ConfigurationError,
    HostAnswerMalformed,
    HostError,
    HostScriptFailed,
    HostTimedOut,
    HostUnreachable,
    TransientError,
)
from delivery.host_script import HostAnswer
from tasks.ssm import ScriptRun, run_script, run_script_on_each
from tests.fakes import FakeClock
from tests.scripted_hosts import inputs_in

ONE, TWO = Host("i-1", "TT-ec2-1"), Host("i-2", "TT-ec2-2")
RUN = ScriptRun("prune", {"TT_RETAIN": "5"}, execution_seconds=60, delivery_seconds=30)
COMMAND = "c0ffee"
Poll = Sequence[Invocation] | Exception


class Answered(HostAnswer):
    freed: int = 0


def said(ok: bool = True, **fields: object) -> str:
    return f"log\nTT_RESULT {json.dumps({'ok': ok, 'step': 'prune', **fields})}\n"


def end(host: Host, status: str = "Success") -> Invocation:
    return Invocation(host.instance_id, status, final=True)


def running(host: Host) -> Invocation:
    return Invocation(host.instance_id, "InProgress", final=False)


THROTTLED = HostUnreachable("AWS answered ThrottlingException.")


class Commands:
    """Systems Manager by script: what each poll shows, what each host has printed."""

    def __init__(self, *polls: Poll, outputs: dict[str, list[Output | Exception]]) -> None:
        self.polls = list(polls)
        self.outputs = outputs
        self.sent: list[tuple[Sequence[Host], str, str, int, int]] = []
        self.cancelled: list[str] = []
        self.cancelling: Exception | None = None

    def send(
        self, hosts: Sequence[Host], script: str, *, comment: str, delivery: int, execution: int
    ) -> str:
        self.sent.append((hosts, script, comment, delivery, execution))
        return COMMAND

    def invocations(self, command_id: str) -> list[Invocation]:
        assert command_id == COMMAND
        poll = self.polls.pop(0) if len(self.polls) > 1 else self.polls[0]
        if isinstance(poll, Exception):
            raise poll
        return list(poll)

    def output(self, command_id: str, instance_id: str) -> Output:
        kept = self.outputs[instance_id]
        output = kept.pop(0) if len(kept) > 1 else kept[0]
        if isinstance(output, Exception):
            raise output
        return output

    def cancel(self, command_id: str) -> None:
        self.cancelled.append(command_id)
        if self.cancelling:
            raise self.cancelling


def commands(*polls: Poll, one: str = said(), two: str = said(), noise: str = "") -> Commands:
    outputs: dict[str, list[Output | Exception]] = {
        "i-1": [Output(one, noise)],
        "i-2": [Output(two, noise)],
    }
    return Commands(*polls, outputs=outputs)


def ran(
    door: Commands, *hosts: Host, clock: FakeClock | None = None, run: ScriptRun = RUN
) -> dict[str, Answered]:
    time = clock or FakeClock()
    return run_script(door, hosts or [ONE], run, Answered, sleep=time.sleep, clock=time)


class TestSending:
    def test_the_script_travels_whole_with_its_inputs_and_limits(self) -> None:
        door = commands([end(ONE)])
        ran(door)
        ((hosts, script, comment, delivery, execution),) = door.sent
        assert script.startswith("#!/bin/bash\n")
        assert inputs_in(script) == {"TT_STEP": "prune", "TT_RETAIN": "5"}
        assert "succeed()" in script, "the library is not in it"
        assert "docker image" in script, "the step itself is not in it"
        assert (list(hosts), comment, delivery, execution) == ([ONE], "tt-deploy: prune", 30, 60)

    def test_libraries_of_a_step_come_before_it(self) -> None:
        door = commands([end(ONE)])
        ran(door, run=ScriptRun("pull", {}, 60))
        script = door.sent[0][1]
        assert script.index("succeed()") < script.index("compose_files()")
        assert script.index("compose_files()") < script.index("docker login")

    def test_several_hosts_get_one_command(self) -> None:
        door = commands([end(ONE), end(TWO)], one=said(freed=1), two=said(freed=2))
        answers = ran(door, ONE, TWO)
        assert len(door.sent) == 1
        assert {name: answer.freed for name, answer in answers.items()} == {
            "TT-ec2-1": 1,
            "TT-ec2-2": 2,
        }


class TestWaiting:
    def test_a_command_that_has_ended_is_not_waited_for(self) -> None:
        clock = FakeClock()
        ran(commands([end(ONE)]), clock=clock)
        assert clock.sleeps == []

    @pytest.mark.parametrize(
        "early",
        [[], [running(ONE)], THROTTLED, HostUnreachable("AWS answered InvocationDoesNotExist.")],
        ids=["nothing yet", "running", "throttled", "unknown"],
    )
    def test_it_is_asked_again_until_the_end_and_sent_once(self, early: Poll) -> None:
        door = commands(early, early, early, [end(ONE)])
        assert set(ran(door)) == {"TT-ec2-1"}
        assert len(door.sent) == 1

    def test_the_slowest_host_is_waited_for(self) -> None:
        door = commands([end(ONE)], [end(ONE), running(TWO)], [end(ONE), end(TWO)])
        assert set(ran(door, ONE, TWO)) == {"TT-ec2-1", "TT-ec2-2"}

    def test_each_host_is_told_of_once_when_it_ends_however_long_the_others_take(self) -> None:
        door = commands([running(ONE)], [end(ONE)], THROTTLED, [running(TWO)], [end(ONE), end(TWO)])
        clock, heard = FakeClock(now=0), list[tuple[str, float]]()
        run_script_on_each(
            door,
            [ONE, TWO],
            RUN,
            Answered,
            on_end=lambda host: heard.append((host.name, clock.now)),
            sleep=clock.sleep,
            clock=clock,
        )
        (first, early), (second, late) = heard
        assert (first, second) == ("TT-ec2-1", "TT-ec2-2")
        assert 0 < early == clock.sleeps[0]
        assert late == pytest.approx(sum(clock.sleeps))

    def test_pauses_grow_from_a_fifth_of_a_second_to_three(self) -> None:
        clock = FakeClock()
        ran(commands(*[[running(ONE)]] * 30, [end(ONE)]), clock=clock)
        assert clock.sleeps[0] == pytest.approx(0.2)
        assert clock.sleeps[-1] == 3.0
        assert clock.sleeps == sorted(clock.sleeps)

    def test_one_that_never_ends_is_cancelled_after_its_limits_and_half_a_minute(self) -> None:
        door, clock = commands([running(ONE), end(TWO)]), FakeClock(now=0)
        with pytest.raises(HostUnreachable, match="never said") as failure:
            ran(door, ONE, TWO, clock=clock)
        assert 120 < clock.now < 124
        assert failure.value.where == "TT-ec2-1"
        assert COMMAND in failure.value.next_command
        assert door.cancelled == [COMMAND]

    def test_not_even_cancelling_hides_that_it_never_ended(self) -> None:
        door = commands([])
        door.cancelling = ConfigurationError("The AWS role lacks a right for cancelling.")
        with pytest.raises(HostUnreachable, match=r"never said.*lacks a right") as failure:
            ran(door)
        assert COMMAND in failure.value.next_command

    def test_a_refusal_while_asking_is_not_waited_out(self) -> None:
        clock = FakeClock()
        with pytest.raises(ConfigurationError):
            ran(commands(ConfigurationError("no right")), clock=clock)
        assert clock.sleeps == []


class TestReadingTheEnd:
    def test_a_script_that_says_why_it_failed_is_believed(self) -> None:
        words = said(ok=False, failed="no space left", next="df -h")
        with pytest.raises(HostScriptFailed, match="no space left") as failure:
            ran(commands([end(ONE, "Failed")], one=words, noise="tar: write error"))
        assert (failure.value.where, failure.value.next_command) == ("TT-ec2-1", "df -h")
        assert "tar: write error" in failure.value.last_words

    def test_one_failing_host_is_enough(self) -> None:
        door = commands([end(ONE), end(TWO, "Failed")], two=said(ok=False, failed="no space"))
        with pytest.raises(HostScriptFailed) as failure:
            ran(door, ONE, TWO)
        assert failure.value.where == "TT-ec2-2"

    def test_success_by_status_alone_is_not_believed(self) -> None:
        with pytest.raises(HostScriptFailed):
            ran(commands([end(ONE, "Success")], one=said(ok=False, failed="no space")))
        with pytest.raises(HostAnswerMalformed):
            ran(commands([end(ONE, "Success")], one="it died without a word of ours"))

    def test_success_by_word_alone_is_not_believed(self) -> None:
        with pytest.raises(HostScriptFailed, match="ended with an error") as failure:
            ran(commands([end(ONE, "Failed")], one=said(ok=True)))
        assert COMMAND in failure.value.next_command

    @pytest.mark.parametrize("status", ["Execution Timed Out", "ExecutionTimedOut", "TimedOut"])
    def test_running_too_long_is_told_with_the_last_words(self, status: str) -> None:
        with pytest.raises(HostTimedOut) as failure:
            ran(commands([end(ONE, status)], one="pulling layer 7 of 9"))
        assert failure.value.last_words == "pulling layer 7 of 9"
        assert not isinstance(failure.value, TransientError)

    @pytest.mark.parametrize("status", ["Delivery Timed Out", "Undeliverable", "Terminated"])
    def test_what_never_started_may_be_sent_again(self, status: str) -> None:
        with pytest.raises(HostUnreachable, match=status) as failure:
            ran(commands([end(ONE, status)], one=""))
        assert "i-1" in failure.value.next_command
        assert isinstance(failure.value, TransientError)

    def test_a_cancelled_command_is_not_sent_again(self) -> None:
        with pytest.raises(HostError, match="ended as Cancelled") as failure:
            ran(commands([end(ONE, "Cancelled")]))
        assert type(failure.value) is HostError


class TestReadingTheOutput:
    def test_being_throttled_then_is_waited_out_without_sending_again(self) -> None:
        door = commands([end(ONE)])
        door.outputs["i-1"] = [THROTTLED, THROTTLED, Output(said(freed=7), "")]
        assert ran(door)["TT-ec2-1"].freed == 7
        assert len(door.sent) == 1

    def test_it_is_given_up_after_half_a_minute(self) -> None:
        door, clock = commands([end(ONE)]), FakeClock(now=0)
        door.outputs["i-1"] = [THROTTLED]
        with pytest.raises(HostUnreachable, match="Throttling"):
            ran(door, clock=clock)
        assert 30 < clock.now < 34

    def test_an_output_that_shows_a_little_later_than_the_end_is_waited_for(self) -> None:
        door = commands([end(ONE)])
        door.outputs["i-1"] = [Output("", ""), Output(said(freed=7), "")]
        assert ran(door)["TT-ec2-1"].freed == 7

    def test_a_script_that_printed_nothing_is_not_waited_for_long(self) -> None:
        clock = FakeClock(now=0)
        with pytest.raises(HostAnswerMalformed):
            ran(commands([end(ONE)], one=""), clock=clock)
        assert clock.now < 4
