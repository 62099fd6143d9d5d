"""Running one script of ``host/`` on every host of an environment, and waiting for its end.

SSM is asked once a poll for the whole command, never once a host. A command's own status
is not believed: it can be Success while an invocation is not.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

from blocks.aws_hosts import Host, Invocation, Output
from delivery.errors import (
    DeliveryError,
    HostError,
    HostScriptFailed,
    HostTimedOut,
    HostUnreachable,
    TransientError,
)
from delivery.host_script import HostAnswer, compose_script, last_words_of, read_answer
from tasks.host_steps import note_steps

SCRIPTS = Path(__file__).parent.parent / "host"
_SOURCED = re.compile(r'\. "\$\(dirname "\$0"\)/(\w+)\.sh"$', re.MULTILINE)
_FIRST_POLL_SECONDS = 0.2
_SLOWEST_POLL_SECONDS = 3.0
_GRACE_SECONDS = 30
_SILENCE_SECONDS = 2

Answer = TypeVar("Answer", bound=HostAnswer)


class HostDoor(Protocol):
    """What running a script needs of AWS; ``blocks.aws_hosts.AwsHosts`` is the real one."""

    def send(
        self, hosts: Sequence[Host], script: str, *, comment: str, delivery: int, execution: int
    ) -> str:
        """Start the script; the command's id."""
        ...

    def invocations(self, command_id: str) -> list[Invocation]:
        """How far the command is on each host."""
        ...

    def output(self, command_id: str, instance_id: str) -> Output:
        """What it printed on one host."""
        ...

    def cancel(self, command_id: str) -> None:
        """Ask for its end."""
        ...


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """One script with its inputs and its limits in seconds."""

    step: str
    inputs: Mapping[str, str]
    execution_seconds: int
    delivery_seconds: int = 60


@lru_cache
def script_text(name: str) -> str:
    """The text of ``host/<name>.sh``."""
    return (SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")


@lru_cache
def script_parts(step: str) -> tuple[str, ...]:
    """The texts of what the script of a step sources, in that order, and its own."""
    own = script_text(step)
    return (*map(script_text, _SOURCED.findall(own)), own)


def run_script(
    door: HostDoor,
    hosts: Sequence[Host],
    run: ScriptRun,
    kind: type[Answer],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Answer]:
    """Run a script on all hosts side by side; the answer of each, by host name.

    Raises what the first failing host has to say: HostScriptFailed, HostTimedOut,
    HostUnreachable, HostAnswerMalformed. All hosts are waited for before that.
    """
    answers = run_script_on_each(door, hosts, run, kind, sleep=sleep, clock=clock)
    good: dict[str, Answer] = {}
    for name, answer in answers.items():
        if isinstance(answer, HostError):
            raise answer
        good[name] = answer
    return good


def run_script_on_each(
    door: HostDoor,
    hosts: Sequence[Host],
    run: ScriptRun,
    kind: type[Answer],
    *,
    on_end: Callable[[Host], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Answer | HostError]:
    """Like ``run_script``, but a host that fails is an error in the answer, not raised.

    ``on_end`` is called once for each host, as soon as the script is seen to have ended there.
    """
    began = clock()
    try:
        answers = _run_on_each(door, hosts, run, kind, on_end, sleep, clock)
    except DeliveryError as error:
        note_steps(run.step, {host.name: error for host in hosts}, waited=clock() - began)
        raise
    note_steps(run.step, answers, waited=clock() - began)
    return answers


def _run_on_each(
    door: HostDoor,
    hosts: Sequence[Host],
    run: ScriptRun,
    kind: type[Answer],
    on_end: Callable[[Host], None] | None,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> dict[str, Answer | HostError]:
    inputs = {"TT_STEP": run.step, **run.inputs}
    script = compose_script(script_parts(run.step), inputs)
    sent = door.send(
        hosts,
        script,
        comment=f"tt-deploy: {run.step}",
        delivery=run.delivery_seconds,
        execution=run.execution_seconds,
    )
    command = _Command(door, sent, sleep, clock)
    patience = run.delivery_seconds + run.execution_seconds + _GRACE_SECONDS
    ended = command.wait(hosts, patience, on_end)
    answers: dict[str, Answer | HostError] = {}
    for host in hosts:
        try:
            answers[host.name] = _answer(command, host, ended[host.instance_id], kind)
        except HostError as error:
            answers[host.name] = error
    return answers


@dataclass(frozen=True, slots=True)
class _Command:
    """A command that was sent. Asking again is cheap; giving up would send it a second time."""

    door: HostDoor
    id: str
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def wait(
        self, hosts: Sequence[Host], seconds: float, on_end: Callable[[Host], None] | None
    ) -> dict[str, Invocation]:
        """How it ended on every host; after so many seconds it is cancelled and given up."""
        wanted = {host.instance_id for host in hosts}
        running = list(hosts)
        deadline = self.clock() + seconds
        for pause in _pauses():
            ended = self._ended()
            for host in [host for host in running if host.instance_id in ended]:
                running.remove(host)
                if on_end is not None:
                    on_end(host)
            if wanted <= ended.keys():
                return ended
            if self.clock() > deadline:
                raise self._given_up([h.name for h in hosts if h.instance_id not in ended])
            self.sleep(pause)
        raise AssertionError("the pauses never end")

    def output(self, host: Host) -> Output:
        """What it printed on a host; right after the end SSM may not show it yet."""
        began = self.clock()
        for pause in _pauses():
            waited = self.clock() - began
            try:
                output = self.door.output(self.id, host.instance_id)
                if output.said or waited > _SILENCE_SECONDS:
                    return output
            except TransientError:
                if waited > _GRACE_SECONDS:
                    raise
            self.sleep(pause)
        raise AssertionError("the pauses never end")

    @property
    def look(self) -> str:
        """What an operator types to see it."""
        return f"aws ssm list-command-invocations --command-id {self.id} --details"

    def _ended(self) -> dict[str, Invocation]:
        try:
            return {i.instance_id: i for i in self.door.invocations(self.id) if i.final}
        except TransientError:
            return {}

    def _given_up(self, missing: Sequence[str]) -> HostUnreachable:
        message = "Systems Manager never said how the command ended."
        try:
            self.door.cancel(self.id)
        except DeliveryError as error:
            message += f" It could not be cancelled either: {error.message}"
        return HostUnreachable(message, where=", ".join(missing), next_command=self.look)


def _pauses() -> Iterator[float]:
    pause = _FIRST_POLL_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.15, _SLOWEST_POLL_SECONDS)


def _answer(command: _Command, host: Host, invocation: Invocation, kind: type[Answer]) -> Answer:
    output = command.output(host)
    last_words = last_words_of(output.said, output.noise)
    if invocation.status not in ("Success", "Failed"):
        raise _interrupted(command, host, invocation, last_words)
    answer = read_answer(kind, output.said, host=host.name, noise=output.noise)
    if invocation.status == "Failed":
        raise HostScriptFailed(
            f"The step '{answer.step}' reported success, but its script ended with an error.",
            where=host.name,
            last_words=last_words,
            next_command=command.look,
        )
    return answer


def _interrupted(
    command: _Command, host: Host, invocation: Invocation, last_words: str
) -> HostError:
    status = invocation.status.replace(" ", "").lower()
    if status in ("executiontimedout", "timedout"):
        return HostTimedOut(
            "The script ran longer than it may and was stopped.",
            where=host.name,
            last_words=last_words,
            next_command=command.look,
        )
    if status in ("deliverytimedout", "undeliverable", "terminated", "invalidplatform"):
        return HostUnreachable(
            f"Systems Manager could not deliver the command: {invocation.status}.",
            where=host.name,
            next_command=f"aws ssm describe-instance-information --filters "
            f"Key=InstanceIds,Values={host.instance_id}",
        )
    return HostError(
        f"The command ended as {invocation.status}.",
        where=host.name,
        last_words=last_words,
        next_command=command.look,
    )
