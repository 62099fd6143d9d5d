"""Is the environment healthy? Actuator, Redis and Postgres, side by side."""

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.environment import load_environment
from delivery.errors import DeliveryError
from delivery.health import Health, Verdict
from delivery.report import health_section
from flows.ending import command_line, end_process, run_command, run_name
from flows.interruption import once_it_answers
from flows.parameters import AfterTakeover, AsBefore, EnvironmentName, OnlyHosts
from tasks.artifacts import publish_health
from tasks.health import probe_actuator, probe_postgres, probe_redis
from tasks.hosts import find_hosts
from tasks.soak import probe_soak


class Unhealthy(Exception):
    """An environment that was looked at is not healthy; ``health`` says why."""

    def __init__(self, health: Health) -> None:
        probe = health.first_failure
        super().__init__(f"{probe.name}: {probe.detail}" if probe else "nothing was looked at")
        self.health = health


@flow(name="healthcheck", flow_run_name=run_name("health of {environment}"), persist_result=False)
def healthcheck(
    environment: EnvironmentName = "production",
    only: OnlyHosts = None,
    after_takeover: AfterTakeover = False,
    as_before: AsBefore = False,
) -> State[Any]:
    """Poll every probe on every host until it holds or its deadline passes.

    The run is green only if all hold. For a flow that acts on the verdict it is a value:
    ``check_health``.
    """
    target = load_environment(environment)
    hosts = [host for host in find_hosts(target) if only is None or host.name in only]
    probes = [probe_postgres]
    if target.health.redis_nodes:
        probes.append(probe_redis)
    if after_takeover and target.soak.watch_seconds:
        probes.append(probe_soak)
    looking = [probe_actuator.submit(target, host, as_before=as_before) for host in hosts]
    looking += [probe.submit(target, host) for host in hosts for probe in probes]
    health = Health(tuple(future.result() for future in looking))
    publish_health(environment, health)
    if health.verdict is Verdict.HEALTHY:
        return Completed(name="Healthy", data=health)
    unhealthy = Unhealthy(health)
    return Failed(name="Unhealthy", message=str(unhealthy), data=unhealthy)


def check_health(
    environment: str,
    only: Sequence[str] | None = None,
    *,
    after_takeover: bool = False,
    as_before: bool = False,
) -> Health:
    """The ``healthcheck`` flow as a step of another one: unhealthy is a value, not a failure.

    A Prefect server that is away is waited for: it tells nothing of the environment. Whatever
    else keeps the flow from looking (no host, no environment) is raised as it is.
    """
    hosts = None if only is None else list(only)
    return once_it_answers(
        lambda: _health_of(
            healthcheck(environment, hosts, after_takeover, as_before, return_state=True)
        )
    )


def _health_of(ended: object) -> Health:
    """What the flow saw, by its last state."""
    state = cast("State[Any]", ended)
    result = state.result(raise_on_failure=False)
    if isinstance(result, Unhealthy):
        return result.health
    if isinstance(result, BaseException):
        raise result
    if isinstance(result, Health):
        return result
    raise DeliveryError(f"The health check ended as {state.name} without a verdict.")


def main(arguments: list[str]) -> int:
    """``python -m flows.healthcheck --environment NAME [--json]``; status 1 if unhealthy."""
    parser = command_line("Say whether an environment is healthy.", "flows.healthcheck")
    options = parser.parse_args(arguments)
    health = _health_of(healthcheck(options.environment, return_state=True))
    answer = {
        "outcome": str(health.verdict).upper(),
        "probes": [dataclasses.asdict(probe) for probe in health.probes],
    }
    healthy = health.verdict is Verdict.HEALTHY
    text = health_section(health)
    return end_process(answer, options, succeeded=healthy, text=text)


if __name__ == "__main__":
    run_command(main)
