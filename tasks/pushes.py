"""From a moved branch to one run of ``deploy``: asked for once, whoever notices the push."""

import time
import uuid
from collections.abc import Callable, Sequence

from prefect import task

from blocks.deploy_trigger import DeployTrigger, DeployWish
from blocks.environment import Environment
from blocks.github import GitHubRepository
from delivery.errors import PrefectUnavailable
from delivery.host_state import HostState
from delivery.trigger import (
    AskedRun,
    Call,
    Changes,
    Decision,
    decide_on_changes,
    is_asked_for,
)
from tasks.retrying import BACKOFF_SECONDS, retried

# Any fixed value does: it makes the same wish the same event for every asker.
_WISHES = uuid.UUID("6f2d3c1e-6f43-5d0a-9a55-74742d64706c")
_RUN_APPEARS_WITHIN_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 1.0


@task(
    name="follow branch",
    timeout_seconds=600,
    task_run_name="follow {target.branch}",
    **retried(BACKOFF_SECONDS),
)
def follow_branch(target: Environment, deployed: str) -> str:
    """Ask for a deploy of the branch's head if it is due; in words, what was found.

    ``deployed`` is the commit that runs; empty if nothing does. Safe to retry: a deploy
    that was asked for is not asked for again.
    """
    github = target.github_door()
    try:
        head = github.branch_head(target.branch)
        if head is None:
            return f"There is no branch {target.branch}."
        if head == deployed:
            return f"{head[:12]} is deployed."
        decision = settle(_since(deployed), github, head)
    finally:
        github.close()
    if decision.call is Call.IGNORE:
        return f"{head[:12]} deploys nothing: {decision.reason}."
    wish = push_wish(target, head, actor="watch", reason=decision.reason)
    if ask_for_deploy(DeployTrigger(target.name), wish):
        return f"A deploy of {head[:12]} was started: {decision.reason}."
    return f"A deploy of {head[:12]} was asked for before."


def deployed_revision(states: Sequence[HostState]) -> str:
    """The commit that last proved healthy on every host; empty if they differ or lack one."""
    found = {state.last_healthy.revision if state.last_healthy else "" for state in states}
    return found.pop() if len(found) == 1 else ""


def _since(deployed: str) -> Decision:
    if deployed:
        return Decision(Call.COMPARE, "the branch has moved", deployed)
    return Decision(Call.DEPLOY, "no one release is recorded on every host")


def settle(decision: Decision, github: GitHubRepository, head: str) -> Decision:
    """The decision itself, or what GitHub's comparison makes of it if that was asked for."""
    if decision.call is not Call.COMPARE:
        return decision
    settled = decide_on_changes(changes_between(github, decision.base, head))
    return Decision(settled.call, f"{settled.reason} ({decision.reason})")


def changes_between(github: GitHubRepository, base: str, head: str) -> Changes | None:
    """Every file that differs, those included that a rewritten history took back.

    GitHub compares from where both last were the same; unless the head simply follows the
    base, the other half of the difference lies on the way back.
    """
    there = github.compare(base, head)
    if there is None:
        return None
    if there.linear:
        return Changes(there.paths, there.complete)
    back = github.compare(head, base)
    if back is None:
        return None
    return Changes((*there.paths, *back.paths), there.complete and back.complete)


def push_wish(target: Environment, head: str, *, actor: str, reason: str) -> DeployWish:
    """The wish to have the head of the environment's branch deployed."""
    return DeployWish(
        environment=target.name,
        repository=target.repository,
        branch=target.branch,
        revision=head,
        actor=actor or "a push",
        reason=f"push to {target.branch}: {reason}",
    )


def ask_for_deploy(
    trigger: DeployTrigger, wish: DeployWish, *, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """See to it that a run deploys the wish's revision; False if one was asked for before.

    Returns when the run is there. Two askers at once send the same event, which the server
    takes once. Raises PrefectUnavailable if no run came of it: ask again then.
    """
    runs = trigger.asked_runs()
    if is_asked_for(wish.revision, runs):
        return False
    trigger.announce(wish, _event_id(wish, runs))
    for _ in range(round(_RUN_APPEARS_WITHIN_SECONDS / _LOOK_EVERY_SECONDS)):
        sleep(_LOOK_EVERY_SECONDS)
        if _came_of_it(wish, runs, trigger.asked_runs()):
            return True
    raise PrefectUnavailable(
        "An event asked for a deploy and no run came of it.",
        where=f"deploy/{wish.environment}",
        next_command="prefect automation ls   # is the deployment's trigger there, and on?",
    )


def _event_id(wish: DeployWish, runs: list[AskedRun]) -> uuid.UUID:
    """The same for all who ask for this revision after the same run."""
    latest = runs[0].id if runs else ""
    return uuid.uuid5(_WISHES, f"{wish.environment}\n{wish.revision}\n{latest}")


def _came_of_it(wish: DeployWish, before: list[AskedRun], now: list[AskedRun]) -> bool:
    known = {run.id for run in before}
    return any(run.revision == wish.revision and run.id not in known for run in now)
