"""Verifying who watches an environment, and drilling the way of its alerts."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.checks import Check, Level, worst
from delivery.drill import ALERT, RECEIVER, Drill, judge_drill
from delivery.errors import HostError, TransientError
from delivery.verification import WatchedStack, judge_watchers
from tasks.hosts import layout_inputs
from tasks.ssm import ScriptRun, run_script, run_script_on_each

_LOOK: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False, "retries": 0}
_PAUSE_SECONDS = 3.0


@task(name="verify watchers", task_run_name="verify who watches {target.name}", **_LOOK)
def verify_watchers(target: Environment, hosts: Sequence[Host]) -> list[Check]:
    """All checks of all hosts, one SSM round trip a look; touches nothing.

    What fails is looked at again as long as the policy's patience lasts: after a start,
    Prometheus needs a scrape or two. A host that does not answer is a failed check.
    """
    seconds = target.timeouts.look
    run = ScriptRun("verify", layout_inputs(target), seconds, target.timeouts.delivery)

    def look() -> list[Check]:
        answers = run_script_on_each(target.hosts_door(), hosts, run, WatchedStack)
        return [check for name, seen in answers.items() for check in _judged(target, name, seen)]

    return look_until_fine(look, target.verification.patience_seconds)


def look_until_fine(
    look: Callable[[], list[Check]],
    patience_seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Check]:
    """The checks of the first look in which none failed, or of the last one."""
    deadline = clock() + patience_seconds
    while True:
        try:
            checks = look()
        except TransientError as error:
            checks = [_unanswered("", error)]
        if worst(checks) is not Level.FAIL or clock() >= deadline:
            return checks
        for check in checks:
            if check.level is Level.FAIL:
                get_run_logger().info("%s %s: %s", check.host, check.name, check.evidence)
        sleep(_PAUSE_SECONDS)


@task(name="drill", task_run_name="drill the alerts of {target.name}", **_LOOK)
def drill_alerts(target: Environment, hosts: Sequence[Host], *, now: bool) -> list[Check]:
    """Send one alert, said to be a drill, from each host's Prometheus to Slack and take it back.

    Unless ``now``, a host whose last drill is younger than the policy's hours is left alone.
    Never retried: a second message would confuse whoever reads the first.
    """
    policy = target.verification
    inputs = {
        **layout_inputs(target),
        "TT_ALERT": ALERT,
        "TT_RECEIVER": RECEIVER,
        "TT_DRILL_SECONDS": str(policy.drill_seconds),
        "TT_EVERY_HOURS": "0" if now else f"{policy.drill_every_hours:g}",
    }
    limits = (2 * policy.drill_seconds + 60, target.timeouts.delivery)
    door, checks = target.hosts_door(), list[Check]()
    for host in hosts:
        run = ScriptRun("drill", {**inputs, "TT_HOST": host.name}, *limits)
        try:
            drill = run_script(door, [host], run, Drill)[host.name]
        except (HostError, TransientError) as error:
            checks.append(_unanswered(host.name, error))
        else:
            checks += judge_drill(drill, host.name)
    return checks


def _judged(target: Environment, host: str, seen: WatchedStack | HostError) -> list[Check]:
    if isinstance(seen, HostError):
        return [_unanswered(host, seen)]
    return judge_watchers(seen, host, target.name)


def _unanswered(host: str, error: HostError | TransientError) -> Check:
    return Check("host answers", Level.FAIL, error.message, error.next_command, host)
