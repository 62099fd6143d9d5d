"""Is the environment healthy? Actuator, Redis and Postgres, side by side."""

import dataclasses

from prefect import flow

from blocks.environment import load_environment
from delivery.health import Health, Verdict
from delivery.report import health_section
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import EnvironmentName, OnlyHosts
from tasks.artifacts import publish_health
from tasks.health import probe_actuator, probe_postgres, probe_redis
from tasks.hosts import find_hosts


@flow(name="healthcheck", flow_run_name=run_name("health of {environment}"), persist_result=False)
def healthcheck(environment: EnvironmentName = "production", only: OnlyHosts = None) -> Health:
    """Poll every probe on every host until it holds or its deadline passes.

    The verdict is a value: an unhealthy environment does not fail this flow when another
    flow asks. On its own (``python -m flows.healthcheck``) the exit status tells.
    """
    target = load_environment(environment)
    hosts = [host for host in find_hosts(target) if only is None or host.name in only]
    probes = [probe_actuator, probe_postgres]
    if target.health.redis_nodes:
        probes.append(probe_redis)
    looking = [probe.submit(target, host) for host in hosts for probe in probes]
    health = Health(tuple(future.result() for future in looking))
    publish_health(environment, health)
    return health


def main(arguments: list[str]) -> int:
    """``python -m flows.healthcheck --environment NAME [--json]``; status 1 if unhealthy."""
    parser = command_line("Say whether an environment is healthy.", "flows.healthcheck")
    options = parser.parse_args(arguments)
    health = healthcheck(options.environment)
    answer = {
        "outcome": str(health.verdict).upper(),
        "environment": options.environment,
        "probes": [dataclasses.asdict(probe) for probe in health.probes],
    }
    healthy = health.verdict is Verdict.HEALTHY
    text = health_section(health)
    return end_process(answer, succeeded=healthy, as_json=options.json, text=text)


if __name__ == "__main__":
    run_command(main)
