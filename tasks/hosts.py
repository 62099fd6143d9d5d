"""The steps of a rollout on the hosts, each a task with its own log, limit and result."""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.errors import HostError, HostNotFound
from delivery.host_script import HostAnswer
from delivery.host_state import (
    HostState,
    ListedContainers,
    ObservedHost,
    PrunedImages,
    PulledImages,
    RecordedRelease,
    RenderedConfiguration,
    RunningContainer,
    StartedContainers,
    SyncedSource,
    host_state,
)
from delivery.rollout import Bundle, HostOutcome, Rollout
from tasks.retrying import BACKOFF_SECONDS, is_transient
from tasks.ssm import Answer, ScriptRun, run_script, run_script_on_each


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way of letting a release take over: a script of ``host/`` and what it stands on."""

    script: str
    libraries: tuple[str, ...]


STRATEGIES = {
    "rolling": Strategy("rollout", ("detached", "gateway", "receipt", "compose", "monitoring")),
    "recreate": Strategy("recreate", ("detached", "compose", "monitoring")),
}
_NOT_LOGGED = {"ok", "step", "failed", "next", "record", "containers", "images"}
_STEP: dict[str, Any] = {
    "retries": len(BACKOFF_SECONDS),
    "retry_delay_seconds": BACKOFF_SECONDS,
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_transient,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}


@task(name="find hosts", task_run_name="find hosts of {target.name}", **_STEP)
def find_hosts(target: Environment) -> list[Host]:
    """The environment's running instances; HostNotFound unless exactly as many as expected."""
    hosts = target.hosts_door().running(target.tag_key, target.tag_value)
    if len(hosts) != target.expected_hosts:
        found = ", ".join(f"{host.name} ({host.instance_id})" for host in hosts) or "none"
        raise HostNotFound(
            f"Expected {target.expected_hosts} running instance(s) tagged "
            f"{target.tag_key}={target.tag_value}, found {len(hosts)}: {found}.",
            where=target.name,
            next_command=f"aws ec2 describe-instances --filters "
            f"Name=tag:{target.tag_key},Values={target.tag_value}",
        )
    return hosts


@task(name="observe hosts", task_run_name="observe {target.tag_value}", **_STEP)
def observe_hosts(target: Environment, hosts: Sequence[Host]) -> list[HostState]:
    """What runs on each host, and what last ran there healthily; touches nothing."""
    answers = _run(target, hosts, "observe", ObservedHost, {}, target.timeouts.look)
    return [host_state(name, answer) for name, answer in answers.items()]


@task(name="sync source", task_run_name="sync source to {bundle.tag}", **_STEP)
def sync_source(target: Environment, hosts: Sequence[Host], bundle: Bundle) -> None:
    """Bring each host's clone to exactly the released revision."""
    inputs = {"TT_REVISION": bundle.revision, "TT_BRANCH": target.branch}
    _run(target, hosts, "sync", SyncedSource, inputs, target.timeouts.sync)


@task(name="render alertmanager", task_run_name="render alertmanager.yml", **_STEP)
def render_alertmanager(target: Environment, hosts: Sequence[Host]) -> None:
    """Fill Alertmanager's template with Doppler's values, in memory on the host."""
    if target.layout.alertmanager_template:
        _run(target, hosts, "render", RenderedConfiguration, {}, target.timeouts.look)


@task(name="pull images", task_run_name="pull {bundle.tag}", **_STEP)
def pull_images(target: Environment, hosts: Sequence[Host], bundle: Bundle) -> None:
    """Log in, pull what is missing, log out: one script, so no login outlives it."""
    seconds = target.timeouts.pull
    _run(target, hosts, "pull", PulledImages, _bundle(bundle), seconds, libraries=("compose",))


@task(name="start containers", task_run_name="start {bundle.tag}", **_STEP)
def start_containers(
    target: Environment, hosts: Sequence[Host], bundle: Bundle, generation: int
) -> list[HostOutcome]:
    """Let the release take over by the environment's strategy; data stores are left alone.

    A host that fails keeps the release before; more of them than the failure budget raise
    what the first one said. Asking again for the same generation and release finds the job
    that is under way, or its result: the script on the host outlives a worker that dies and
    a command that is cut off.
    """
    strategy = STRATEGIES[target.rollout.strategy]
    inputs = {
        **layout_inputs(target),
        **_bundle(bundle),
        **_takeover(target),
        "TT_GENERATION": str(generation),
        "TT_ATTEMPT": re.sub(r"[^A-Za-z0-9]+", "-", bundle.tag),
    }
    limits = (target.timeouts.start, target.timeouts.delivery)
    run = ScriptRun(strategy.script, inputs, *limits, strategy.libraries)
    answers = run_script_on_each(target.hosts_door(), hosts, run, StartedContainers)
    failures = [answer for answer in answers.values() if isinstance(answer, HostError)]
    if len(failures) > target.rollout.failure_budget:
        raise failures[0]
    _log({n: answer for n, answer in answers.items() if not isinstance(answer, HostError)})
    return [_host_outcome(name, answer) for name, answer in answers.items()]


def _host_outcome(name: str, answer: StartedContainers | HostError) -> HostOutcome:
    if isinstance(answer, HostError):
        get_run_logger().warning("%s kept the release before: %s", name, answer.message)
        return HostOutcome(name, (), "", failure=answer.message)
    return HostOutcome(name, answer.changed, answer.configuration, answer.note, answer.receipt)


@task(name="prune images", task_run_name="prune images", **_STEP)
def prune_images(target: Environment, hosts: Sequence[Host]) -> dict[str, int]:
    """Remove images that no retained release needs; the bytes that each host gained."""
    inputs = {"TT_RETAIN": str(target.rollout.retained_releases)}
    answers = _run(target, hosts, "prune", PrunedImages, inputs, target.timeouts.look)
    return {name: answer.freed_bytes for name, answer in answers.items()}


@task(name="list containers", task_run_name="list containers", **_STEP)
def list_containers(
    target: Environment, hosts: Sequence[Host]
) -> dict[str, tuple[RunningContainer, ...]]:
    """The project's containers on each host, as ``docker compose ps --all`` has them."""
    answers = _run(target, hosts, "ps", ListedContainers, {}, target.timeouts.look)
    return {name: answer.containers for name, answer in answers.items()}


@task(name="record release", task_run_name="record {done.bundle.tag} as healthy", **_STEP)
def record_release(
    target: Environment, hosts: Sequence[Host], done: Rollout, *, generation: int
) -> None:
    """Write on each host that this release proved healthy: its future way back."""
    inputs = {
        **_bundle(done.bundle),
        "TT_GENERATION": str(generation),
        "TT_CONFIGURATION": done.reached[0].configuration,
        "TT_NOW": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    _run(target, hosts, "record", RecordedRelease, inputs, target.timeouts.look)


def layout_inputs(target: Environment) -> dict[str, str]:
    """What every script may need to know of an environment; nothing of it is secret."""
    layout = target.layout
    return {
        "TT_CLONE": layout.clone,
        "TT_COMPOSE_FILE": layout.compose_file,
        "TT_PROJECT": layout.project,
        "TT_APP_SERVICE": layout.app_service,
        "TT_APP_PORT": str(layout.app_port),
        "TT_DATA_STORES": " ".join(layout.data_stores),
        "TT_INIT_SERVICE": layout.init_service,
        "TT_GATEWAY": layout.gateway,
        "TT_TEMPLATE": layout.alertmanager_template,
        "TT_TOKEN_FILE": layout.token_file,
        "TT_DOPPLER_PROJECT": target.doppler.project,
        "TT_DOPPLER_CONFIG": target.doppler.config,
        "TT_IMAGE_REPOSITORY": target.image,
        "TT_REGISTRY": target.image.partition("/")[0],
        "TT_REGISTRY_USER": target.registry.username,
    }


def _bundle(bundle: Bundle) -> dict[str, str]:
    return {
        "TT_APP_IMAGE": bundle.image,
        "TT_APP_VERSION": bundle.version,
        "TT_TAG": bundle.tag,
        "TT_REVISION": bundle.revision,
    }


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


def _run(
    target: Environment,
    hosts: Sequence[Host],
    step: str,
    kind: type[Answer],
    inputs: Mapping[str, str],
    seconds: int,
    *,
    libraries: tuple[str, ...] = (),
) -> dict[str, Answer]:
    given = {**layout_inputs(target), **inputs}
    run = ScriptRun(step, given, seconds, target.timeouts.delivery, libraries)
    answers = run_script(target.hosts_door(), hosts, run, kind)
    _log(answers)
    return answers


def _log(answers: Mapping[str, HostAnswer]) -> None:
    logger = get_run_logger()
    for name, answer in answers.items():
        facts = answer.model_dump(exclude=_NOT_LOGGED)
        shown = ", ".join(f"{key} {value}" for key, value in facts.items() if value)
        logger.info("%s: %s done; %s", name, answer.step, shown)
