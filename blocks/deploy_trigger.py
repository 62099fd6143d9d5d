"""The ``deploy`` deployment of one environment, as a push sees it: its runs, and the event
that starts one.

The event ``tt.push`` is turned into a run by the trigger of that deployment in
``prefect.yaml``.
"""

import uuid
from dataclasses import dataclass

from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterCreatedBy,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events import Event
from prefect.events.schemas.events import Resource

from blocks.prefect_api import connected
from delivery.trigger import AskedRun

PUSH_EVENT = "tt.push"
_FLOW = "deploy"
# As long as the deployment's parameters may be: a longer one would be refused.
_LONGEST_ACTOR = 100
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class DeployWish:
    """What a push asks for: this revision in this environment."""

    environment: str
    repository: str
    branch: str
    revision: str
    actor: str
    reason: str


class DeployTrigger:
    """The door to the deployment ``deploy/<environment>``; raises PrefectUnavailable alone."""

    def __init__(self, environment: str) -> None:
        self._environment = environment

    def asked_runs(self) -> list[AskedRun]:
        """The runs that events asked for, newest first, at most 20."""
        with connected() as client:
            runs = client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[_FLOW])),
                deployment_filter=DeploymentFilter(
                    name=DeploymentFilterName(any_=[self._environment])
                ),
                flow_run_filter=FlowRunFilter(
                    created_by=FlowRunFilterCreatedBy(type_=["AUTOMATION"])
                ),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=20,
            )
        return [_asked_run(run) for run in runs]

    def announce(self, wish: DeployWish, event_id: uuid.UUID) -> None:
        """Send the event; the server passes over an id that it saw in the last minutes."""
        event = Event(
            id=event_id,
            event=PUSH_EVENT,
            resource=Resource(
                {
                    "prefect.resource.id": f"tt.environment.{wish.environment}",
                    "prefect.resource.name": wish.environment,
                    "tt.repository": wish.repository,
                    "tt.branch": wish.branch,
                    "tt.revision": wish.revision,
                }
            ),
            payload={
                "revision": wish.revision,
                "actor": wish.actor[:_LONGEST_ACTOR],
                "reason": wish.reason[:_LONGEST_REASON],
            },
        )
        with connected() as client:
            client.request("POST", "/events", json=[event.model_dump(mode="json")])


def _asked_run(run: FlowRun) -> AskedRun:
    return AskedRun(
        id=str(run.id),
        revision=str(run.parameters.get("revision") or ""),
        crashed=run.state_type is StateType.CRASHED,
    )
