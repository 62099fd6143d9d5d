"""Why is it not well? The first cause first, with evidence; mends what is safe to mend."""

from collections.abc import Sequence
from typing import Any, cast

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.environment import Environment, load_environment
from delivery.findings import Finding
from delivery.mending import Attempt, Diagnosis, next_to_mend
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import EnvironmentName, Fix
from tasks.artifacts import publish_diagnosis
from tasks.diagnosis import find_causes, mend
from tasks.environments import one_deploy_at_a_time


class Found(Exception):
    """Something is wrong and was not mended; ``diagnosis`` says what."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.headline)
        self.diagnosis = diagnosis


@flow(name="diagnose", flow_run_name=run_name("diagnosis of {environment}"), persist_result=False)
def diagnose(environment: EnvironmentName = "production", fix: Fix = False) -> State[Any]:
    """Look for causes on every host in one round trip, and name the next command.

    Touches nothing unless ``fix`` is on: then the remedies that can lose no data are applied,
    with no deploy beside them, and each is confirmed by a second look.
    """
    target = load_environment(environment)
    if fix:
        with one_deploy_at_a_time(target):
            diagnosis = _mended(target, find_causes(target))
    else:
        found = tuple(find_causes(target))
        diagnosis = Diagnosis(environment, found, left=found)
    publish_diagnosis(environment, diagnosis)
    return _ended(diagnosis)


def _mended(target: Environment, found: Sequence[Finding]) -> Diagnosis:
    """Remedy after remedy, roots first: what a root brought about is often gone with it."""
    attempts: list[Attempt] = []
    left = list(found)
    while finding := next_to_mend(left, {attempt.finding.key for attempt in attempts}):
        attempt, left = mend(target, finding)
        attempts.append(attempt)
    return Diagnosis(target.name, tuple(found), tuple(attempts), tuple(left))


def _ended(diagnosis: Diagnosis) -> State[Any]:
    """Green if nothing is wrong, or nothing any more."""
    name, message = diagnosis.outcome.title(), diagnosis.headline
    if diagnosis.left:
        return Failed(name=name, message=message, data=Found(diagnosis))
    return Completed(name=name, message=message, data=diagnosis)


def diagnosis_of(state: State[Any]) -> Diagnosis:
    """The diagnosis inside the final state of ``diagnose``."""
    result = state.result(raise_on_failure=False)
    if isinstance(result, Found):
        return result.diagnosis
    if isinstance(result, BaseException):
        raise result
    return cast("Diagnosis", result)


def main(arguments: list[str]) -> int:
    """``python -m flows.diagnose --environment NAME [--fix] [--json]``; 1 if something is left."""
    parser = command_line("Say why an environment is not well.", "flows.diagnose")
    parser.add_argument("--fix", action="store_true", help="apply the remedies that are safe")
    options = parser.parse_args(arguments)
    state = diagnose(options.environment, options.fix, return_state=True)
    diagnosis = diagnosis_of(cast("State[Any]", state))
    return end_process(
        diagnosis.as_json(),
        options,
        succeeded=not diagnosis.left,
        text=diagnosis.as_markdown(),
    )


if __name__ == "__main__":
    run_command(main)
