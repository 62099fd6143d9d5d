"""Is the environment watched? The last checklist of the deployment guide, by itself."""

from typing import Any, cast

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.environment import load_environment
from delivery.checks import Check, Level, checks_section, worst, worst_first
from delivery.errors import DeliveryError
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import DrillWhen, EnvironmentName
from tasks.artifacts import publish_checks
from tasks.hosts import find_hosts
from tasks.verification import drill_alerts, verify_watchers

_HEADING = "Verification"


class NotVerified(Exception):
    """Something that should watch an environment does not; ``checks`` has all of it."""

    def __init__(self, checks: list[Check]) -> None:
        first = worst_first(checks)[0]
        super().__init__(f"{first.name}: {first.evidence}")
        self.checks = checks


@flow(name="verify", flow_run_name=run_name("verify {environment}"), persist_result=False)
def verify(environment: EnvironmentName = "production", drill: DrillWhen = "no") -> State[Any]:
    """Verify the application, Prometheus and its targets, Grafana, Alertmanager, and their way.

    Touches nothing, but for the drill: one alert, said to be one, that goes to Slack and is
    resolved. The run is green only if no check failed.
    """
    target = load_environment(environment)
    hosts = find_hosts(target)
    checks = verify_watchers(target, hosts)
    if drill != "no":
        checks += drill_alerts(target, hosts, now=drill == "now")
    publish_checks("verify", environment, checks)
    if worst(checks) is Level.FAIL:
        error = NotVerified(checks)
        return Failed(name="NotVerified", message=str(error), data=error)
    return Completed(name="Verified", data=checks)


def checks_of(state: State[Any]) -> list[Check]:
    """The checks in the final state of ``verify``; raises what kept it from checking."""
    result = state.result(raise_on_failure=False)
    if isinstance(result, NotVerified):
        return result.checks
    if isinstance(result, BaseException):
        raise result
    if isinstance(result, list):
        return result
    raise DeliveryError(f"The verification ended as {state.name} without a check.")


def main(arguments: list[str]) -> int:
    """``python -m flows.verify --environment NAME [--drill] [--json]``; status 1 if one failed."""
    parser = command_line("Say whether an environment is watched as it should be.", "flows.verify")
    parser.add_argument(
        "--drill", action="store_true", help="send an alert to Slack, said to be a drill"
    )
    options = parser.parse_args(arguments)
    drill = "now" if options.drill else "no"
    checks = checks_of(cast("State[Any]", verify(options.environment, drill, return_state=True)))
    verified = worst(checks) is not Level.FAIL
    answer = {
        "outcome": "VERIFIED" if verified else "NOT_VERIFIED",
        "checks": [check.as_json() for check in checks],
    }
    text = checks_section(_HEADING, checks)
    return end_process(answer, options, succeeded=verified, text=text)


if __name__ == "__main__":
    run_command(main)
