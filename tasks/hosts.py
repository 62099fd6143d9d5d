"""The steps of a rollout on the hosts, each a task with its own log, limit and result."""

import datetime
from collections.abc import Mapping, Sequence

from prefect import get_run_logger, task

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.errors import HostNotFound
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
    SyncedSource,
    host_state,
)
from delivery.redaction import redact
from delivery.rollout import Bundle, Rollout
from delivery.stack_plan import StackPlan, plan_stack
from tasks.retrying import BACKOFF_SECONDS, retried
from tasks.ssm import Answer, ScriptRun, run_script

_NOT_LOGGED = {"ok", "step", "failed", "next", "record", "containers", "images", "services"}
_STEP = retried(BACKOFF_SECONDS)


@task(name="find hosts", task_run_name="find hosts of {target.name}", **_STEP)
def find_hosts(target: Environment) -> list[Host]:
    """The environment's running instances; HostNotFound unless exactly as many as expected."""
    return running_hosts(target)


def running_hosts(target: Environment) -> list[Host]:
    """The same, for a task that looks further."""
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
    answers = run_step(
        target,
        hosts,
        "observe",
        ObservedHost,
        {},
        target.timeouts.look,
    )
    return [host_state(name, answer) for name, answer in answers.items()]


@task(name="sync source", task_run_name="sync source to {bundle.tag}", **_STEP)
def sync_source(target: Environment, hosts: Sequence[Host], bundle: Bundle) -> None:
    """Bring each host's clone to exactly the released revision."""
    inputs = {
        "TT_REVISION": bundle.revision,
        "TT_BRANCH": target.branch,
        "TT_GIT_URL": redact(target.clone_url),
    }
    run_step(target, hosts, "sync", SyncedSource, inputs, target.timeouts.sync)


@task(name="render alertmanager", task_run_name="render alertmanager.yml", **_STEP)
def render_alertmanager(target: Environment, hosts: Sequence[Host]) -> None:
    """Fill Alertmanager's template with Doppler's values, in memory on the host."""
    if target.layout.alertmanager_template:
        run_step(
            target,
            hosts,
            "render",
            RenderedConfiguration,
            {},
            target.timeouts.look,
        )


@task(name="pull images", task_run_name="pull {bundle.tag}", **_STEP)
def pull_images(
    target: Environment, hosts: Sequence[Host], bundle: Bundle, *, allow_data_stores: bool = False
) -> tuple[StackPlan, ...]:
    """Log in, pull what is missing, log out: one script, so no login outlives it.

    Answers with what starting the bundle will do to each service, host by host.
    """
    answers = run_step(
        target,
        hosts,
        "pull",
        PulledImages,
        bundle_inputs(bundle),
        target.timeouts.pull,
    )
    return tuple(
        plan_stack(
            name,
            answer.services,
            target.layout,
            allow_data_stores=allow_data_stores,
            strategy=target.rollout.strategy,
        )
        for name, answer in answers.items()
    )


@task(name="prune images", task_run_name="prune images", **_STEP)
def prune_images(
    target: Environment, hosts: Sequence[Host], *, retire: bool = False
) -> dict[str, int]:
    """Remove images that no retained release needs; the bytes that each host gained.

    ``retire`` lets the release before go first, which was kept warm until now.
    """
    policy = target.rollout
    inputs = {
        "TT_RETAIN": str(policy.retained_releases),
        "TT_RETIRE": "yes" if retire else "no",
        "TT_STOP_SECONDS": str(policy.stop_seconds),
    }
    seconds = target.timeouts.look + policy.stop_seconds
    answers = run_step(target, hosts, "prune", PrunedImages, inputs, seconds)
    return {name: answer.freed_bytes for name, answer in answers.items()}


@task(name="list containers", task_run_name="list containers", **_STEP)
def list_containers(
    target: Environment, hosts: Sequence[Host]
) -> dict[str, tuple[RunningContainer, ...]]:
    """The project's containers on each host, as ``docker compose ps --all`` has them."""
    answers = run_step(target, hosts, "ps", ListedContainers, {}, target.timeouts.look)
    return {name: answer.containers for name, answer in answers.items()}


@task(name="record release", task_run_name="record {done.bundle.tag} as healthy", **_STEP)
def record_release(
    target: Environment, hosts: Sequence[Host], done: Rollout, *, generation: int
) -> None:
    """Write on each host that this release proved healthy: its future way back.

    One command for all, but for hosts whose configurations differ: a value changed in Doppler
    between two waves.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    alike: dict[str, list[Host]] = {}
    configurations = {reached.host: reached.configuration for reached in done.reached}
    for host in hosts:
        alike.setdefault(configurations[host.name], []).append(host)
    for configuration, group in alike.items():
        inputs = {
            **bundle_inputs(done.bundle),
            "TT_GENERATION": str(generation),
            "TT_CONFIGURATION": configuration,
            "TT_NOW": now,
        }
        run_step(target, group, "record", RecordedRelease, inputs, target.timeouts.look)


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
        "TT_REDIS_NODES": " ".join(layout.redis_addresses(target.health.redis_nodes)),
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


def bundle_inputs(bundle: Bundle) -> dict[str, str]:
    """What a script needs to know of a bundle."""
    return {
        "TT_APP_IMAGE": bundle.image,
        "TT_APP_VERSION": bundle.version,
        "TT_TAG": bundle.tag,
        "TT_REVISION": bundle.revision,
    }


def run_step(
    target: Environment,
    hosts: Sequence[Host],
    step: str,
    kind: type[Answer],
    inputs: Mapping[str, str],
    seconds: int,
) -> dict[str, Answer]:
    """Run a script of ``host/`` on the hosts with an environment's inputs; log what it said."""
    given = {**layout_inputs(target), **inputs}
    run = ScriptRun(step, given, seconds, target.timeouts.delivery)
    answers = run_script(target.hosts_door(), hosts, run, kind)
    log_answers(answers)
    return answers


def log_answers(answers: Mapping[str, HostAnswer]) -> None:
    """One line a host: what its script said, without what is long."""
    logger = get_run_logger()
    for name, answer in answers.items():
        facts = answer.model_dump(exclude=_NOT_LOGGED)
        shown = ", ".join(f"{key} {value}" for key, value in facts.items() if value)
        logger.info("%s: %s done; %s", name, answer.step, shown)
