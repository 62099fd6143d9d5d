"""Looking before the first change: hosts, services and the files of the revision, as values.

What is a finding is returned and judged in ``delivery``; only what may pass is raised, to be
tried again.
"""

import datetime
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from prefect import get_run_logger, task

from blocks.aws_hosts import Agent, Host
from blocks.environment import Environment
from blocks.tls import certificate_end
from delivery.checks import Check
from delivery.errors import (
    ConfigurationError,
    DeliveryError,
    HostError,
    HostNotFound,
    HostUnreachable,
    SecretsError,
    SourceError,
    SourceUnavailable,
    TransientError,
)
from delivery.needs import Needs, SourceFiles, needs_of
from delivery.preflight import HostSight, Site
from delivery.preflight_facts import PreflightHost
from delivery.service_checks import AgentStatus, ServiceToken, agent_check, of_error, rights_check
from delivery.survey import SeenHosts, SeenServices, instances_check
from tasks.hosts import layout_inputs, running_hosts
from tasks.release import open_source
from tasks.retrying import BACKOFF_SECONDS, retried
from tasks.ssm import ScriptRun, run_script_on_each

_LOOK = retried(BACKOFF_SECONDS)
_DELIVERY_SECONDS = 30
_AGENT_PAUSE_SECONDS = 2.0
_TRIES = 3
_CONFIGURATION = "src/main/resources"
Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Look:
    """The hosts that were found and what was seen of them."""

    hosts: list[Host]
    seen: SeenHosts


@task(name="see the hosts", task_run_name="see {target.tag_value}", **_LOOK)
def see_hosts(target: Environment, *, patience_seconds: int = 30) -> Look:
    """Everything that can be known of the hosts, in one SSM round trip; touches nothing.

    A host that cannot be seen is a failed check. Doppler gets ``patience_seconds`` to answer.
    Safe to retry: it only looks.
    """
    try:
        hosts = running_hosts(target)
    except HostNotFound as error:
        return Look([], SeenHosts(checks=(of_error("instance", error),)))
    except ConfigurationError as error:
        return Look([], SeenHosts(checks=(rights_check(error),)))
    checks, reached = _agents(target, hosts)
    sights, unseen = _ask_hosts(target, reached, patience_seconds)
    return Look(hosts, SeenHosts(sights, (*checks, *unseen)))


def _agents(target: Environment, hosts: Sequence[Host]) -> tuple[list[Check], list[Host]]:
    """What Systems Manager says of the agents, and the hosts that a command may reach."""
    door = target.hosts_door()
    checks = [instances_check([host.name for host in hosts])]
    try:
        agents = _when_online(target, hosts)
    except ConfigurationError as error:
        return [*checks, rights_check(error, only_agents=True)], list(hosts)
    now = datetime.datetime.now(datetime.UTC)
    checks += [
        agent_check(host.name, agents.get(host.instance_id), now=now, policy=target.preflight)
        for host in hosts
    ]
    checks.append(rights_check(None, may_cancel=door.may_cancel()))
    online = {name for name, agent in agents.items() if agent.ping == "Online"}
    return checks, [host for host in hosts if host.instance_id in online]


def _when_online(target: Environment, hosts: Sequence[Host]) -> dict[str, AgentStatus]:
    """The agents once all are online, or as they are when patience is over: hosts may boot."""
    until = time.monotonic() + target.preflight.agent_patience_seconds
    while True:
        seen = {agent.instance_id: _status(agent) for agent in target.hosts_door().agents(hosts)}
        online = sum(agent.ping == "Online" for agent in seen.values())
        if online == len(hosts) or time.monotonic() >= until:
            return seen
        time.sleep(_AGENT_PAUSE_SECONDS)


def _status(agent: Agent) -> AgentStatus:
    return AgentStatus(agent.ping, agent.last_ping, agent.version)


def _ask_hosts(
    target: Environment, hosts: Sequence[Host], patience_seconds: int
) -> tuple[tuple[HostSight, ...], list[Check]]:
    if not hosts:
        return (), []
    run = ScriptRun(
        "preflight",
        {**layout_inputs(target), **_wishes(target, patience_seconds)},
        target.timeouts.look + patience_seconds,
        min(_DELIVERY_SECONDS, target.timeouts.delivery),
    )
    sent = time.time()
    try:
        answers = run_script_on_each(target.hosts_door(), hosts, run, PreflightHost)
    except ConfigurationError as error:
        return (), [rights_check(error)]
    answered = time.time()
    sights = [
        HostSight(name, answer, sent, answered)
        for name, answer in answers.items()
        if isinstance(answer, PreflightHost)
    ]
    unseen = [_unseen(n, answer) for n, answer in answers.items() if isinstance(answer, HostError)]
    for sight in sights:
        get_run_logger().info("%s: looked for %.1f s", sight.host, sight.facts.seconds)
    return tuple(sights), unseen


def _unseen(host: str, error: HostError) -> Check:
    name = "ssm agent" if isinstance(error, HostUnreachable) else "preflight script"
    return of_error(name, error, host=host)


def _wishes(target: Environment, patience_seconds: int) -> dict[str, str]:
    policy = target.preflight
    return {
        "TT_BRANCH": target.branch,
        "TT_PATIENCE": str(patience_seconds),
        "TT_DDL_VARIABLES": " ".join(policy.schema_variables),
        "TT_CERTIFICATES": " ".join(policy.certificate_files),
        "TT_GITHUB_API": target.github_api_url.rstrip("/"),
    }


@task(name="ask the services", task_run_name="ask GitHub, Doppler, the registry", **_LOOK)
def ask_services(target: Environment) -> SeenServices:
    """What the worker's own tokens are good for, side by side; errors are values here."""
    policy = target.preflight
    with ThreadPoolExecutor(4) as side_by_side:
        github = side_by_side.submit(_value, lambda: _github(target))
        names = side_by_side.submit(_value, target.doppler.names)
        tokens = side_by_side.submit(_tokens, target)
        image = side_by_side.submit(_value, lambda: _image(target))
        endings = [
            (
                endpoint,
                side_by_side.submit(_value, lambda endpoint=endpoint: certificate_end(endpoint)),
            )
            for endpoint in policy.tls_endpoints
        ]
        return SeenServices(
            github=github.result(),
            names=names.result(),
            tokens=tokens.result(),
            image=image.result(),
            certificates=tuple((endpoint, ending.result()) for endpoint, ending in endings),
        )


def _value(
    ask: Callable[[], Seen], *, sleep: Callable[[float], None] = time.sleep
) -> Seen | DeliveryError:
    """What was answered, or the error: one that may pass is given a second and a third try."""
    for tries_left in range(_TRIES - 1, -1, -1):
        try:
            return ask()
        except TransientError as error:
            if not tries_left:
                return error
            sleep(1.0)
        except DeliveryError as error:
            return error
    raise AssertionError("the last try returns")


def _github(target: Environment) -> Any:
    github = target.github_door()
    try:
        return github.access()
    finally:
        github.close()


def _tokens(target: Environment) -> tuple[ServiceToken, ...]:
    try:
        return target.doppler.tokens()
    except (SecretsError, TransientError):  # then nobody says when they end
        return ()


def _image(target: Environment) -> Any:
    registry = target.registry_door()
    try:
        return registry.describe("latest")
    finally:
        registry.close()


@task(name="read what the revision needs", task_run_name="needs of {sha:.12}", **_LOOK)
def read_needs(target: Environment, sha: str) -> Needs | DeliveryError:
    """What the files of this very revision read, out of the worker's clone."""
    source, layout = open_source(target), target.layout
    try:
        compose = source.text_of(sha, layout.compose_file)
        template = layout.alertmanager_template
        named = [p for p in source.files_below(sha, _CONFIGURATION) if _is_configuration(p)]
        files = SourceFiles(
            compose_path=layout.compose_file,
            compose=compose,
            app_service=layout.app_service,
            template_path=template,
            template=source.text_of(sha, template) if template else "",
            application={path: source.text_of(sha, path) for path in named},
        )
        return needs_of(files)
    except SourceUnavailable:
        raise
    except (SourceError, ConfigurationError) as error:
        return ConfigurationError(
            f"The files of {sha[:12]} do not say what it needs: {error.message}",
            where=error.where,
            next_command=f"git show {sha[:12]}:{layout.compose_file}",
        )


def _is_configuration(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("application") and name.endswith((".yml", ".yaml", ".properties"))


def site_of(target: Environment) -> Site:
    """What a judgement needs to know of an environment."""
    return Site(
        environment=target.name,
        layout=target.layout,
        policy=target.preflight,
        project=target.doppler.project,
        config=target.doppler.config,
        image=target.image,
        registry_user=target.registry.username,
        git_url=target.clone_url,
    )
