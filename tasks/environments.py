"""Loading an environment, and letting only one deploy into it at a time."""

import datetime
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from uuid import UUID

from prefect import get_client, runtime
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.concurrency.asyncio import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
)
from prefect.concurrency.sync import concurrency

from blocks.environment import Environment
from delivery.errors import ConfigurationError, Refused

# One that waits, or that was carried out while this one waited: slots are not given in order.
_NEWER = [StateType.RUNNING, StateType.PENDING, StateType.SCHEDULED, StateType.COMPLETED]
_DELIVERIES = ["deploy", "rollout", "rollback"]
_WAIT_SECONDS = 3600.0
_LEASE_SECONDS = 60.0
_LONG_AGO = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@contextmanager
def one_deploy_at_a_time(target: Environment) -> Iterator[None]:
    """Hold the environment's slot; waits for another deploy or rollback to end.

    The slot frees itself about a minute after its holder was killed. Raises Refused after
    an hour of waiting, and ConfigurationError if the limit was never registered.
    """
    with ExitStack() as held:
        try:
            held.enter_context(
                concurrency(
                    target.lock,
                    occupy=1,
                    timeout_seconds=_WAIT_SECONDS,
                    strict=True,
                    lease_duration=_LEASE_SECONDS,
                    raise_on_lease_renewal_failure=False,
                )
            )
        except AcquireConcurrencySlotTimeoutError:
            raise Refused(
                f"Another deploy has held {target.name} for an hour.",
                where=target.name,
                next_command=f"prefect gcl inspect {target.lock}",
            ) from None
        except ConcurrencySlotAcquisitionError:
            raise ConfigurationError(
                f"The concurrency limit {target.lock!r} does not exist or cannot be taken.",
                next_command=f"python -m deployments.register {target.name}",
            ) from None
        yield


def refuse_the_form_of_another(environment: str) -> None:
    """Raise Refused if this run's deployment is of another environment.

    Its form lets the environment be typed; whoever opened ``deploy/staging`` and typed
    ``production`` was mistaken in one of the two.
    """
    deployment = runtime.deployment.id
    if not deployment:
        return
    with get_client(sync_client=True) as client:
        own = client.read_deployment(UUID(str(deployment))).parameters.get("environment")
    if own and own != environment:
        raise Refused(
            f"This deployment is of {own}; {environment} has one of its own.",
            where=environment,
            next_command=f"prefect deployment run {runtime.flow_run.flow_name}/{environment}",
        )


def superseded_by() -> str | None:
    """The name of a newer delivery to the same environment; None if this is the newest.

    Asked once the slot is ours: whoever finds a newer one that waits, or that came first and
    did its work, steps aside. So of many deploys that queue up the newest has the last word,
    and a deploy that was asked for before a rollback does not undo it. A rollback steps aside
    for a newer deploy only once that has done its work: service is not kept waiting for it.
    """
    own = runtime.flow_run.id
    if not own:
        return None
    with get_client(sync_client=True) as client:
        me = client.read_flow_run(UUID(own))
        kinds = _kinds(client, me)
        others = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=sorted(set(kinds.values())))),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_NEWER)),
                expected_start_time=FlowRunFilterExpectedStartTime(
                    after_=_age(me)[0], before_=datetime.datetime.now(datetime.UTC)
                ),
            ),
        )
    newer = [
        run
        for run in others
        if _wants_the_same(run, me) and _age(run) > _age(me) and not _may_wait(run, me, kinds)
    ]
    return max(newer, key=_age).name if newer else None


def _kinds(client: SyncPrefectClient, me: FlowRun) -> dict[UUID, str]:
    """The flows whose runs may supersede each other, by id: this one's, and all deliveries."""
    own = client.read_flow(me.flow_id)
    named = FlowFilter(name=FlowFilterName(any_=_DELIVERIES))
    return {own.id: own.name} | {
        each.id: each.name for each in client.read_flows(flow_filter=named)
    }


def _may_wait(run: FlowRun, me: FlowRun, kinds: Mapping[UUID, str]) -> bool:
    """Whether ``me`` is a rollback, and ``run`` something newer that has not been done yet."""
    rolls_back = kinds[me.flow_id] == "rollback" != kinds[run.flow_id]
    return rolls_back and run.state_type != StateType.COMPLETED


def _wants_the_same(run: FlowRun, me: FlowRun) -> bool:
    same = run.parameters.get("environment") == me.parameters.get("environment")
    return same and not run.parameters.get("dry_run")


def _age(run: FlowRun) -> tuple[datetime.datetime, str]:
    return run.expected_start_time or run.created or _LONG_AGO, str(run.id)
