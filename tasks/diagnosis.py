"""Looking at hosts that are not well, and the few remedies that may be applied to them."""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.aws_hosts import Agent, Host
from blocks.environment import Environment
from delivery.diagnosis import diagnose, unreachable, unread
from delivery.diagnosis_words import Told
from delivery.errors import DeliveryError, HostError, HostTimedOut, HostUnreachable
from delivery.findings import Action, Finding
from delivery.host_facts import HostFacts
from delivery.host_script import HostAnswer
from delivery.host_state import PrunedImages
from delivery.mending import Attempt, is_gone, is_hidden
from delivery.scene import Scene
from tasks.bounded import within
from tasks.hosts import layout_inputs
from tasks.ssm import ScriptRun, run_script, run_script_on_each

LOOK_SECONDS = 60.0
_WINDOW_SECONDS = 900
_GATHER_SECONDS = 35
_DELIVERY_SECONDS = 30
_REMEDY_SECONDS = 240
_CONFIRM_SECONDS = 90.0
_MEMORY_LOGS = "/run/tt-deploy/logs"
"""Where these scripts log: in memory, for the disk may be what is full."""


class AppliedRemedy(HostAnswer):
    """The answer of ``remedy.sh``."""

    action: str = ""


@task(
    name="look for causes",
    task_run_name="look for causes on {target.name}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def find_causes(
    target: Environment, told: Told | None = None, *, window_seconds: int = _WINDOW_SECONDS
) -> list[Finding]:
    """What is wrong on the environment's hosts, the most telling first; touches nothing.

    ``told`` is how a deploy failed. Takes a minute at most, whatever hangs: a host that has
    not answered by then is a finding too.
    """
    findings = look(target, told, window_seconds=window_seconds)
    logger = get_run_logger()
    for finding in findings:
        logger.info("%s: %s (%s)", finding.host, finding.summary, finding.confidence)
    return findings


def look(
    target: Environment,
    told: Told | None = None,
    *,
    window_seconds: int = _WINDOW_SECONDS,
    deadline_seconds: float = LOOK_SECONDS,
) -> list[Finding]:
    """``find_causes`` without Prefect."""
    try:
        return within(deadline_seconds, lambda: _look(target, told, window_seconds))
    except TimeoutError:
        evidence = [f"no answer within {deadline_seconds:g} s to a script that takes a few"]
        where = told.host if told and told.host else target.tag_value
        return unreachable(_scene(target, where), evidence, told)


def _look(target: Environment, told: Told | None, window_seconds: int) -> list[Finding]:
    """Ask AWS about the instances first: a script for a host that is away would only wait."""
    door = target.hosts_door()
    try:
        hosts = door.running(target.tag_key, target.tag_value)
        states = door.states(target.tag_key, target.tag_value)
    except DeliveryError as error:
        return _unasked(target, error, told)
    findings = []
    if len(hosts) != target.expected_hosts:
        wanted = f"expected {target.expected_hosts} running, found {len(hosts)}"
        stands = [f"{instance}: {state}" for instance, state in states.items()]
        scene = _scene(target, target.tag_value)
        findings += unreachable(scene, [wanted, *stands], first=_start(states))
    agents = _agents(target, hosts)
    silent = [host for host in hosts if host.instance_id in agents]
    for host in silent:
        scene = _scene(target, host.name)
        findings += unreachable(scene, [agents[host.instance_id]], _meant(told, host))
    awake = [host for host in hosts if host not in silent]
    return findings + (_ask(target, awake, told, window_seconds) if awake else [])


def _unasked(target: Environment, error: DeliveryError, told: Told | None) -> list[Finding]:
    """AWS took no question: what it said, and first of all what that error is mended by."""
    scene = _scene(target, target.tag_value)
    return unreachable(scene, [error.message], told, first=error.next_command)


def _start(states: Mapping[str, str]) -> str:
    """The command that starts the instances that are stopped; empty if none is."""
    stopped = [instance for instance, state in states.items() if state == "stopped"]
    return f"aws ec2 start-instances --instance-ids {' '.join(stopped)}" if stopped else ""


def _agents(target: Environment, hosts: Sequence[Host]) -> dict[str, str]:
    """What is to be said of the agents that are not online, by instance id."""
    if not hosts:
        return {}
    try:
        agents = {agent.instance_id: agent for agent in target.hosts_door().agents(hosts)}
    except DeliveryError:
        return {}  # without the right to ask, the script itself will tell
    stands = {host.instance_id: _stands(agents.get(host.instance_id)) for host in hosts}
    return {instance: words for instance, words in stands.items() if words}


def _stands(agent: Agent | None) -> str:
    if agent is None:
        return "its agent never registered with Systems Manager (role, network, agent?)"
    if agent.ping == "Online":
        return ""
    since = datetime.datetime.now(datetime.UTC) - agent.last_ping
    return f"PingStatus {agent.ping}, last heard of {since.total_seconds():.0f} s ago"


def _ask(
    target: Environment, hosts: Sequence[Host], told: Told | None, window_seconds: int
) -> list[Finding]:
    """Every host gathers its facts, and each is judged by itself."""
    try:
        answers = gather(target, hosts, window_seconds)
    except DeliveryError as error:
        return _unasked(target, error, told)
    findings: list[Finding] = []
    for host in hosts:
        findings += _judge(_scene(target, host.name), answers[host.name], _meant(told, host))
    return findings


def gather(
    target: Environment, hosts: Sequence[Host], window_seconds: int
) -> dict[str, HostFacts | HostError]:
    """The facts of every host, in one round trip; ``window_seconds`` is how far back it looks."""
    inputs = {
        **layout_inputs(target),
        "TT_LOG_DIRECTORY": _MEMORY_LOGS,
        "TT_SINCE_SECONDS": str(window_seconds),
        "TT_NAMES": urlsplit(target.doppler.api_url).hostname or "",
        "TT_REDIS_NODES": " ".join(target.layout.redis_addresses(target.health.redis_nodes)),
    }
    run = ScriptRun("diagnose", inputs, _GATHER_SECONDS, _DELIVERY_SECONDS)
    return run_script_on_each(target.hosts_door(), hosts, run, HostFacts)


def _judge(scene: Scene, answer: HostFacts | HostError, told: Told | None) -> list[Finding]:
    if isinstance(answer, HostFacts):
        return diagnose(scene, answer, told)
    if isinstance(answer, HostUnreachable | HostTimedOut):
        words = [answer.message, answer.last_words]
        return unreachable(scene, words, told, first=answer.next_command)
    return unread(scene, Told("diagnose", answer.message, answer.last_words), told)


def _meant(told: Told | None, host: Host) -> Told | None:
    """The failure, if it was this host's or nobody said whose it was."""
    return told if told is not None and told.host in ("", host.name) else None


def _scene(target: Environment, host: str) -> Scene:
    return Scene(
        environment=target.name,
        host=host,
        layout=target.layout,
        doppler_project=target.doppler.project,
        doppler_config=target.doppler.config,
        registry=target.image.partition("/")[0],
        redis_nodes=target.health.redis_nodes,
    )


@task(
    name="apply remedy",
    task_run_name="{finding.remedy.action} on {finding.host}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def mend(
    target: Environment,
    finding: Finding,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Attempt, list[Finding]]:
    """Apply a finding's remedy and look again; the attempt, and what there is to see now.

    It counts as fixed only if a second look has read what told of it and no longer shows it;
    what needs a while to come up is given a while.
    """
    try:
        _apply(target, finding)
    except DeliveryError as error:
        return Attempt(finding, fixed=False, words=error.message), look(target)
    began = clock()
    while True:
        seen = look(target)
        if is_gone(finding, seen, target.tag_value):
            return Attempt(finding, fixed=True), seen
        if clock() - began > _CONFIRM_SECONDS:
            hidden = is_hidden(finding, seen, target.tag_value)
            words = "a second look could not see it" if hidden else "a second look still shows it"
            return Attempt(finding, fixed=False, words=words), seen
        sleep(3)


def _apply(target: Environment, finding: Finding) -> None:
    """The remedy's script on the finding's host, under the host's lock."""
    hosts = target.hosts_door().running(target.tag_key, target.tag_value)
    host = next((each for each in hosts if each.name == finding.host), None)
    if host is None:
        raise HostUnreachable("The host is not among the running ones.", where=finding.host)
    inputs = {**layout_inputs(target), "TT_LOG_DIRECTORY": _MEMORY_LOGS}
    action = finding.remedy.action
    if action is Action.PRUNE:
        inputs["TT_RETAIN"] = str(target.rollout.retained_releases)
        inputs["TT_STOP_SECONDS"] = str(target.rollout.stop_seconds)
        _run(target, host, "prune", inputs, PrunedImages)
        return
    inputs |= {"TT_ACTION": str(action), "TT_CONTAINER": finding.remedy.container}
    _run(target, host, "remedy", inputs, AppliedRemedy)


def _run(
    target: Environment, host: Host, step: str, inputs: dict[str, str], kind: type[HostAnswer]
) -> None:
    run = ScriptRun(step, inputs, _REMEDY_SECONDS, target.timeouts.delivery)
    run_script(target.hosts_door(), [host], run, kind)
