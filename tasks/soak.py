"""The probe that a takeover adds: has the release made things worse, as Prometheus sees it?"""

import time
from collections.abc import Callable

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.errors import HostError, TransientError
from delivery.health import Probe, Sample, Verdict
from delivery.policies import SoakPolicy
from delivery.soak import SoakSight, judge_soak, read_traffic, soak_query
from tasks.hosts import layout_inputs
from tasks.ssm import ScriptRun, run_script

Look = Callable[[], tuple[Sample, float]]


@task(
    name="probe soak",
    task_run_name="compare the release on {host.name}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=0,
)
def probe_soak(target: Environment, host: Host) -> Probe:
    """Errors and latency since the takeover beside those before it, by the policy's measure.

    Monitoring that does not answer is no reason to take a release back: then nothing is
    judged, and the detail says so.
    """
    inputs = {
        **layout_inputs(target),
        "TT_QUERY": soak_query(target.soak),
        "TT_WARM_UP": str(target.soak.warm_up_seconds),
    }
    run = ScriptRun("probe_soak", inputs, 30, target.timeouts.delivery)

    def look() -> tuple[Sample, float]:
        sight = run_script(target.hosts_door(), [host], run, SoakSight)[host.name]
        return judge_soak(*read_traffic(sight.said), target.soak), sight.age_seconds

    return watch_soak(host, target.soak, look)


def watch_soak(
    host: Host,
    policy: SoakPolicy,
    look: Look,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Probe:
    """Look until the release is ``watch_seconds`` old; worse twice in a row ends it at once.

    The last look decides, and a first one that is worse is looked at again.
    """
    began, looks, worse = clock(), 0, 0
    while True:
        looks += 1
        sample, age = _looked(look)
        worse = 0 if sample.passed else worse + 1
        late = clock() - began >= policy.watch_seconds
        if worse > 1 or (not worse and (late or age >= policy.watch_seconds)):
            break
        get_run_logger().info("%s, %.0f s after its start: %s", host.name, age, sample.detail)
        sleep(policy.interval_seconds)
    verdict = Verdict.UNHEALTHY if worse else Verdict.HEALTHY
    return Probe("soak", host.name, verdict, sample.detail, looks, clock() - began)


def _looked(look: Look) -> tuple[Sample, float]:
    try:
        return look()
    except (HostError, TransientError) as error:
        return Sample(True, f"not judged: {error.message}"), 0.0
