"""What drift is compared with beside the hosts: the branch, Doppler's names, the last look."""

from collections.abc import Sequence

from prefect import get_client, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import ObjectNotFound
from prefect.variables import Variable

from blocks.environment import Environment
from delivery.checks import Check
from delivery.drift_memory import compare, to_remember
from delivery.errors import DeliveryError, SecretsError, TransientError
from tasks.notify import tell_of_drift
from tasks.release import open_source
from tasks.retrying import BACKOFF_SECONDS, retried

_LOOK = retried(BACKOFF_SECONDS[:2])


@task(name="follow the branch", task_run_name="is {revision:.12} on the branch?", **_LOOK)
def follow_branch(target: Environment, revision: str) -> int | None:
    """How many commits the branch is ahead of what runs; None if it does not lead there.

    Brings the worker's clone up to date first. Raises RevisionNotFound if there is no branch.
    """
    source = open_source(target)
    source.refresh()
    return source.commits_between(revision, source.head_of(target.branch))


@task(name="ask for the names", task_run_name="names in Doppler", **_LOOK)
def ask_names(target: Environment) -> frozenset[str] | DeliveryError:
    """The names that the worker's token sees; a refusal is a value."""
    try:
        return target.doppler.names()
    except TransientError:
        raise
    except SecretsError as error:
        return error


@task(name="is a deploy at work", task_run_name="is {target.lock} held?", **_LOOK)
def deploy_is_at_work(target: Environment) -> bool:
    """Whether a deploy, rollout or rollback of the environment holds its slot right now."""
    with get_client(sync_client=True) as client:
        try:
            limit = client.read_global_concurrency_limit_by_name(target.lock)
        except ObjectNotFound:
            return False
    return bool(limit.active_slots)


@task(name="notice a change", task_run_name="anything new?", cache_policy=NO_CACHE, retries=0)
def notice_change(target: Environment, checks: Sequence[Check]) -> bool:
    """Whether the findings are others than the last time; if so, people are told.

    They are remembered in the Prefect variable ``drift-ENVIRONMENT`` once they were told, so
    that a run that dies in between tells them again rather than never.
    """
    name = f"drift-{target.name}"
    change = compare(checks, Variable.get(name))
    if change.changed:
        tell_of_drift(target, change.found, mended=change.mended)
        Variable.set(name, to_remember(checks), overwrite=True)
        get_run_logger().info("drift changed: %d finding(s)", len(change.found))
    return change.changed
