"""Letting a release take over on the hosts: the dangerous step of a rollout."""

import re
import time
from collections.abc import Sequence

from prefect import get_run_logger, task

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.errors import HostError
from delivery.host_state import AwaitedRollout, StartedContainers
from delivery.redaction import redact
from delivery.restoration import configuration_note
from delivery.rollout import Bundle, HostOutcome
from delivery.stack_plan import StackPlan, stores_to_replace
from tasks.hosts import bundle_inputs, layout_inputs, log_answers, run_step
from tasks.retrying import BACKOFF_SECONDS, retried
from tasks.ssm import ScriptRun, run_script_on_each

STRATEGIES = {"rolling": "rollout", "recreate": "recreate"}
"""The ways of letting a release take over, each a script of ``host/``."""


@task(name="start containers", task_run_name="start {bundle.tag}", **retried(BACKOFF_SECONDS))
def start_containers(
    target: Environment,
    hosts: Sequence[Host],
    bundle: Bundle,
    generation: int,
    plans: Sequence[StackPlan] = (),
    *,
    failed_at: float = 0.0,
    keep_warm: bool = True,
    canary: bool = False,
    way_back: bool = False,
    prepared: bool = True,
) -> list[HostOutcome]:
    """Let the release take over by the environment's strategy.

    The release before stays warm until ``prune_images`` retires it, if that is wished for. A
    ``way_back`` takes the container of the release that is still there, whatever Doppler's values
    are by now; a deploy starts one with these values. One to hosts that could not be ``prepared``
    gets there only where that container still runs.

    Only those data stores are replaced that the plans name.

    With ``failed_at``, the seconds since 1970 when a release was found not to hold, the host tells
    its Prometheus how long it took to restore the service.

    A host that fails a rolling takeover keeps the release before; more of them than the failure
    budget raise what the first one said, with the outcomes of all, and so does any ``canary``, and
    a wave of which no host got there. One that fails to recreate has none that serves, so the first
    failure raises.

    Asking again for the same generation and release finds the job that is under way, or its
    result: the script on the host outlives a worker that dies and a command that is cut off.
    """
    inputs = {
        **layout_inputs(target),
        **bundle_inputs(bundle),
        **_takeover(target),
        "TT_WARM_SECONDS": str(target.rollout.warm_seconds if keep_warm else 0),
        "TT_REPLACE": " ".join(stores_to_replace(plans, target.layout)),
        "TT_FAILED_AT": f"{failed_at:.3f}" if failed_at else "",
        "TT_GENERATION": str(generation),
        # The way back of a rollout may be to the same release: it is a job of its own.
        "TT_ATTEMPT": re.sub(r"[^A-Za-z0-9]+", "-", bundle.tag) + ("" if keep_warm else "-undone"),
        "TT_WAY_BACK": "yes" if way_back else "no",
        "TT_PREPARED": "yes" if prepared else "no",
    }
    limits = (target.timeouts.start, target.timeouts.delivery)
    run = ScriptRun(STRATEGIES[target.rollout.strategy], inputs, *limits)
    answered: dict[str, float] = {}

    def note(host: Host) -> None:
        answered[host.name] = time.monotonic()

    answers = run_script_on_each(target.hosts_door(), hosts, run, StartedContainers, on_end=note)
    outcomes = [_host_outcome(name, each, bundle, answered[name]) for name, each in answers.items()]
    failures = [answer for answer in answers.values() if isinstance(answer, HostError)]
    if len(failures) > target.rollout.tolerated_failures(len(hosts), canary=canary):
        raise failures[0].among(outcomes)
    log_answers({n: answer for n, answer in answers.items() if not isinstance(answer, HostError)})
    return outcomes


def _host_outcome(
    name: str, answer: StartedContainers | HostError, bundle: Bundle, answered_at: float
) -> HostOutcome:
    if isinstance(answer, HostError):
        failure = redact(answer.message)
        get_run_logger().warning("%s did not get there: %s", name, failure)
        return HostOutcome(name, (), "", failure=failure)
    differs = configuration_note(bundle, answer.configuration)
    if differs:
        get_run_logger().warning("%s: %s", name, differs)
    return HostOutcome(
        name,
        answer.changed,
        answer.configuration,
        "; ".join(note for note in (answer.note, differs) if note),
        answer.receipt,
        warm=answer.warm,
        since_switch=answer.since_switch,
        answered_at=answered_at,
    )


def _takeover(target: Environment) -> dict[str, str]:
    policy = target.rollout
    return {
        "TT_GATE_PASSES": str(policy.gate_passes),
        "TT_GATE_SECONDS": str(policy.gate_seconds),
        "TT_DRAIN_SECONDS": str(policy.drain_seconds),
        "TT_SOAK_SECONDS": str(policy.soak_seconds),
        "TT_SOAK_ERRORS": str(policy.soak_error_percent),
        "TT_STOP_SECONDS": str(policy.stop_seconds),
    }


@task(
    name="await rollout", task_run_name="wait for the rollout under way", **retried(BACKOFF_SECONDS)
)
def await_rollout(target: Environment, hosts: Sequence[Host]) -> None:
    """Wait until no rollout is under way on any host, as long as one may take; none: at once.

    A job outlives its worker; what it does is only known once it has ended.
    """
    seconds = target.timeouts.start
    inputs = {"TT_WAIT_SECONDS": str(seconds)}
    run_step(target, hosts, "await", AwaitedRollout, inputs, seconds + 30)
