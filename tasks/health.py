"""The probes: each looks until it holds or its deadline has passed."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.aws_hosts import Host
from blocks.environment import Environment
from blocks.tls import trusted
from delivery.errors import HostError, TransientError
from delivery.health import (
    ActuatorSamples,
    ActuatorSight,
    Probe,
    Sample,
    Verdict,
    judge_actuator,
    passes_in_a_row,
)
from delivery.policies import HealthPolicy
from delivery.postgres_health import PostgresSamples, judge_postgres
from delivery.redis_health import RedisSamples, judge_redis
from tasks.hosts import layout_inputs
from tasks.ssm import ScriptRun, run_script

_PROBE: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False, "retries": 0}
Look = Callable[[], Sequence[Sample]]


@task(name="probe actuator", task_run_name="probe actuator on {host.name}", **_PROBE)
def probe_actuator(target: Environment, host: Host, *, as_before: bool = False) -> Probe:
    """HTTP 200 and status UP, for as many looks in a row as the policy asks.

    ``as_before``: what was down before the last takeover, by the host's own word, does not count.
    """
    over_network = target.health.actuator_over == "network"

    def look() -> list[Sample]:
        if over_network:
            return [judge_actuator(ask_actuator(target.health.actuator_url))]
        run = _looks(target, "probe_actuator")
        seen = run_script(target.hosts_door(), [host], run, ActuatorSamples)[host.name]
        tolerated = seen.down_before if as_before else frozenset()
        return [judge_actuator(sight, tolerated) for sight in seen.samples]

    return watch("actuator", host, target.health, look)


@task(name="probe redis", task_run_name="probe redis on {host.name}", **_PROBE)
def probe_redis(target: Environment, host: Host) -> Probe:
    """Every node ok with the same slot map; each master takes a write and has a linked replica."""
    expected, lag = target.health.redis_nodes, target.health.lag_bytes
    nodes = " ".join(target.layout.redis_addresses(expected))
    run = _looks(target, "probe_redis", {"TT_REDIS_NODES": nodes})

    def look() -> list[Sample]:
        answer = run_script(target.hosts_door(), [host], run, RedisSamples)
        samples = answer[host.name].samples
        return [judge_redis(sight, expected=expected, lag_bytes=lag) for sight in samples]

    return watch("redis", host, target.health, look)


@task(name="probe postgres", task_run_name="probe postgres on {host.name}", **_PROBE)
def probe_postgres(target: Environment, host: Host) -> Probe:
    """Takes a write of the application's user, and has room for the pools of two releases."""
    pools, lag = target.health.overlapping_pools, target.health.lag_bytes
    run = _looks(target, "probe_postgres")

    def look() -> list[Sample]:
        answer = run_script(target.hosts_door(), [host], run, PostgresSamples)
        samples = answer[host.name].samples
        return [judge_postgres(sight, pools=pools, lag_bytes=lag) for sight in samples]

    return watch("postgres", host, target.health, look)


def watch(
    name: str,
    host: Host,
    policy: HealthPolicy,
    look: Look,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Probe:
    """Look until the last ``policy.passes`` samples held, or the deadline has passed.

    An unreachable host is a sample that did not hold, and so is a failing script: a probe
    always ends with a verdict.
    """
    began = clock()
    samples: list[Sample] = []
    while True:
        try:
            samples += look() or [Sample(passed=False, detail="nothing was seen")]
        except (HostError, TransientError) as error:
            samples.append(Sample(passed=False, detail=error.message))
        passed = passes_in_a_row(samples) >= policy.passes
        late = clock() - began >= policy.deadline_seconds
        if passed or late:
            break
        if not samples[-1].passed:
            get_run_logger().info("%s on %s: %s", name, host.name, samples[-1].detail)
        sleep(policy.pause_seconds if samples[-1].passed else policy.interval_seconds)
    verdict = Verdict.HEALTHY if passed else Verdict.UNHEALTHY
    return Probe(name, host.name, verdict, samples[-1].detail, len(samples), clock() - began)


def ask_actuator(url: str) -> ActuatorSight:
    """One look over the network."""
    try:
        reply = httpx.get(url, verify=trusted(), timeout=5.0)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return ActuatorSight(status=0, error=f"{type(error).__name__}")
    return ActuatorSight(status=reply.status_code, body=reply.text[:2000])


def _looks(
    target: Environment,
    step: str,
    inputs: dict[str, str] | None = None,
) -> ScriptRun:
    policy = target.health
    span = policy.passes * (policy.pause_seconds + 45)
    return ScriptRun(
        step,
        {
            **layout_inputs(target),
            "TT_LOOKS": str(policy.passes),
            "TT_INTERVAL": f"{policy.pause_seconds:g}",
            **(inputs or {}),
        },
        int(min(span, policy.deadline_seconds) + 15),
        target.timeouts.delivery,
    )
