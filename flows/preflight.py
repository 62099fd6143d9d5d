"""May a deploy begin? Everything that can be known before the first change; touches nothing."""

import dataclasses
import time
from typing import Any, cast

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.environment import load_environment
from delivery.checks import Check, Level, checks_section, worst
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import EnvironmentName, Revision
from flows.readiness import survey
from tasks.artifacts import publish_checks

_PATIENCE_SECONDS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Preflight:
    """What was found; PASSED if nothing failed, warnings or not."""

    environment: str
    revision: str
    version: str
    checks: tuple[Check, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether a deploy may begin."""
        return worst(self.checks) is not Level.FAIL

    def as_json(self) -> dict[str, Any]:
        """The answer for programs; ``previous_version`` is what runs."""
        return {
            "outcome": "PASSED" if self.passed else "FAILED",
            "environment": self.environment,
            "version": "",
            "previous_version": self.version,
            "revision": self.revision,
            "digest": "",
            "duration_seconds": round(self.seconds, 3),
            "warnings": sum(check.level is Level.WARN for check in self.checks),
            "checks": [check.as_json() for check in self.checks],
        }


class PreflightFailed(Exception):
    """Something would stop a deploy; ``found`` says what."""

    def __init__(self, found: Preflight) -> None:
        first = next(check for check in found.checks if check.level is Level.FAIL)
        super().__init__(f"{first.name}: {first.evidence}")
        self.found = found


@flow(name="preflight", flow_run_name=run_name("preflight of {environment}"), persist_result=False)
def preflight(environment: EnvironmentName = "production", revision: Revision = None) -> State[Any]:
    """Look at hosts, secrets, registry, GitHub and drift as a deploy of the revision would.

    Ends Failed if anything would stop that deploy, with all findings in one table.
    """
    began = time.monotonic()
    target = load_environment(environment)
    seen = survey(target, revision, patience_seconds=_PATIENCE_SECONDS)
    publish_checks("preflight", environment, seen.checks)
    running = ", ".join(sorted({state.version for state in seen.states if state.version}))
    checks = tuple(seen.checks)
    found = Preflight(environment, seen.revision, running, checks, time.monotonic() - began)
    if found.passed:
        return Completed(name="Passed", data=found)
    error = PreflightFailed(found)
    return Failed(name="Refused", message=str(error), data=error)


def found_in(state: State[Any]) -> Preflight:
    """The findings inside the flow's final state; raises what else it ended with."""
    result = state.result(raise_on_failure=False)
    if isinstance(result, PreflightFailed):
        return result.found
    if isinstance(result, BaseException):
        raise result
    return cast("Preflight", result)


def main(arguments: list[str]) -> int:
    """``python -m flows.preflight --environment NAME [--revision REV] [--json]``."""
    parser = command_line("Say whether a deploy may begin.", "flows.preflight")
    parser.add_argument("--revision", help="commit, branch or tag; default: the branch's head")
    options = parser.parse_args(arguments)
    state = cast("State[Any]", preflight(options.environment, options.revision, return_state=True))
    found = found_in(state)
    text = checks_section("Preflight", found.checks)
    return end_process(found.as_json(), options, succeeded=found.passed, text=text)


if __name__ == "__main__":
    run_command(main)
