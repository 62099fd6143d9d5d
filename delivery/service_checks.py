"""What the worker sees for itself: AWS, GitHub, Doppler, the registry."""

import datetime
from collections.abc import Iterator, Set
from dataclasses import dataclass

from delivery.checks import Check, Level
from delivery.errors import ConfigurationError, DeliveryError, TransientError
from delivery.expiry import Ending, judge_ending, moment_of
from delivery.host_checks import ImageSight, judged
from delivery.preflight_policy import PreflightPolicy


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """A host's SSM agent as Systems Manager knows it; ``last_ping`` is aware."""

    ping: str
    last_ping: datetime.datetime
    version: str = ""


@dataclass(frozen=True, slots=True)
class GitHubAccess:
    """What GitHub lets the token do, and when it ends (as GitHub writes it; empty: not said)."""

    push: bool
    expires: str = ""


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """One of a Doppler config's tokens; ``access`` is "read" or "read/write"."""

    slug: str
    access: str = ""
    expires: str = ""


def of_error(name: str, error: DeliveryError, *, host: str = "", warn: bool = False) -> Check:
    """A check that could not be made, in the error's own words."""
    level = Level.WARN if warn else Level.FAIL
    return Check(name, level, error.message, error.next_command, host)


def agent_check(
    host: str, agent: AgentStatus | None, *, now: datetime.datetime, policy: PreflightPolicy
) -> Check:
    """Whether the host's SSM agent is there to hear a command."""
    look = "sudo systemctl restart amazon-ssm-agent   # on the host"
    if agent is None:
        return judged(
            "ssm agent", host, "", remedy=look,
            problem="Systems Manager does not know the instance: no agent, or no instance profile",
        )  # fmt: skip
    heard = agent.last_ping.astimezone(datetime.UTC)
    silent = (now - heard).total_seconds() / 60
    problem = f"{agent.ping}, last heard of at {heard:%Y-%m-%d %H:%M:%S} UTC"
    if agent.ping != "Online":
        return judged("ssm agent", host, "", problem=problem, remedy=look)
    late = silent > policy.agent_silence_minutes
    return judged(
        "ssm agent", host, f"online, version {agent.version}",
        problem=problem if late else "", remedy=look, warn=True,
    )  # fmt: skip


def rights_check(
    denied: ConfigurationError | None, *, may_cancel: bool = True, only_agents: bool = False
) -> Check:
    """The rights that asking harmlessly shows; sending has been tried by then.

    ``only_agents``: only the look at the agents was denied; a command may still go.
    """
    problem = denied.message if denied else ""
    if not problem and not may_cancel:
        problem = "the role lacks ssm:CancelCommand: a command that hangs cannot be stopped"
    return judged(
        "aws rights", "", "ec2:DescribeInstances, ssm:SendCommand and what goes with it",
        problem=problem, remedy="Compare the worker's role with the policy in README.md.",
        warn=not denied or only_agents,
    )  # fmt: skip


def github_checks(
    seen: GitHubAccess | DeliveryError, *, now: datetime.datetime, policy: PreflightPolicy
) -> Iterator[Check]:
    """May the token tag, and for how long yet?"""
    if isinstance(seen, DeliveryError):
        yield of_error("github", seen, warn=isinstance(seen, TransientError))
        return
    remedy = (
        "GitHub, Settings, Developer settings: a token with 'contents: write' on the repository"
    )
    yield judged(
        "github", "", "the token may push tags",
        problem="" if seen.push else "the token may read the repository, but not tag it",
        remedy=remedy,
    )  # fmt: skip
    ending = Ending("GitHub token", moment_of(seen.expires), f"{remedy}; then register again")
    if check := judge_ending(ending, now=now, days=policy.expiry_days):
        yield check


def names_check(
    seen: frozenset[str] | DeliveryError, host_names: Set[str], needed: Set[str]
) -> Check:
    """The worker's token is for the same config as the host's: they see the same needed names."""
    name = "doppler (worker)"
    if isinstance(seen, DeliveryError):
        return of_error(name, seen, warn=True)
    differ = sorted((seen ^ host_names) & needed) if host_names else []
    return judged(
        name, "", f"{len(seen)} names", warn=True,
        problem=f"worker and host see different names: {', '.join(differ)}" if differ else "",
        remedy="The environment's Doppler block and the host's token file must be of one config.",
    )  # fmt: skip


def access_checks(
    tokens: tuple[ServiceToken, ...],
    slug: str,
    host: str,
    *,
    now: datetime.datetime,
    policy: PreflightPolicy,
) -> Iterator[Check]:
    """What Doppler tells of the host's token: its end, and whether it may do more than read."""
    token = next((each for each in tokens if slug and each.slug == slug), None)
    if token is None:
        return
    remedy = "Generate a service token (read) and put it into the host's token file"
    ending = Ending("Doppler token", moment_of(token.expires), remedy)
    if check := judge_ending(ending, now=now, days=policy.expiry_days, host=host):
        yield check
    yield judged(
        "doppler scope", host, "read only", warn=True,
        problem="" if token.access in ("read", "") else
        f"the host's token may {token.access}: reading is all that a host needs",
        remedy=remedy,
    )  # fmt: skip


def registry_check(seen: ImageSight | DeliveryError | None, image: str) -> Check:
    """The worker's login to the registry; no image yet is an answer, too."""
    if isinstance(seen, DeliveryError):
        return of_error("registry (worker)", seen, warn=isinstance(seen, TransientError))
    size = f"{seen.compressed_bytes / 1e6:.0f} MB, {seen.platform}" if seen else "no image yet"
    return judged("registry (worker)", "", f"{image}: {size}")
