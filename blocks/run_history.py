"""The runs that Prefect's server remembers: ours alone, told by their tag."""

import datetime
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterId,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from blocks.prefect_api import connected
from delivery.retention import EndedRun

PAGE = 200
"""The most that the server gives at once."""
BATCH = 50
"""So many runs are asked about, and deleted, between two looks."""

_ENDED = FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(TERMINAL_STATES)))


class RunHistory:
    """The door to ended runs; raises PrefectUnavailable alone."""

    def __init__(self, tag: str) -> None:
        self._tag = tag

    def newest(self, flows: Sequence[str], *, offset: int = 0) -> list[EndedRun]:
        """A page of these flows' ended runs, newest first."""
        with connected() as client:
            runs = client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=list(flows))),
                flow_run_filter=self._ended(None),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=PAGE,
                offset=offset,
            )
            return _described(client, runs)

    def ended_before(self, moment: datetime.datetime, *, offset: int = 0) -> list[EndedRun]:
        """A page of the runs that ended before then, oldest first."""
        with connected() as client:
            runs = client.read_flow_runs(
                flow_run_filter=self._ended(moment),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
                limit=PAGE,
                offset=offset,
            )
            return _described(client, runs)

    def parts_of(self, runs: Sequence[EndedRun]) -> list[EndedRun]:
        """The ended runs that at most ``BATCH`` runs started within themselves."""
        with connected() as client:
            parts = client.read_flow_runs(
                flow_run_filter=FlowRunFilter(
                    state=_ENDED,
                    parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=_ids(runs)),
                ),
                limit=PAGE,
            )
            return _described(client, parts)

    def artifacts_of(self, runs: Sequence[EndedRun], *, offset: int = 0) -> list[UUID]:
        """A page of the artifacts that at most ``BATCH`` runs have left."""
        with connected() as client:
            wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=_ids(runs)))
            found = client.read_artifacts(artifact_filter=wanted, limit=PAGE, offset=offset)
            return [each.id for each in found]

    def delete_artifacts(self, artifacts: Sequence[UUID]) -> None:
        """Delete these artifacts."""
        with connected() as client:
            for artifact in artifacts:
                client.delete_artifact(artifact)

    def delete(self, runs: Sequence[EndedRun]) -> None:
        """Delete these runs with their tasks and logs; one that is gone already is no error."""
        with connected() as client:
            for run in _ids(runs):
                with suppress(ObjectNotFound):
                    client.delete_flow_run(run)

    def _ended(self, before: datetime.datetime | None) -> FlowRunFilter:
        return FlowRunFilter(
            state=_ENDED,
            tags=FlowRunFilterTags(all_=[self._tag]),
            end_time=FlowRunFilterEndTime(before_=before) if before else None,
        )


def _described(client: SyncPrefectClient, runs: Sequence[FlowRun]) -> list[EndedRun]:
    flows = sorted({run.flow_id for run in runs})
    found = client.read_flows(flow_filter=FlowFilter(id=FlowFilterId(any_=flows))) if flows else []
    names = {flow.id: flow.name for flow in found}
    return [
        EndedRun(
            id=str(run.id),
            flow=names.get(run.flow_id, ""),
            environment=str(run.parameters.get("environment") or ""),
            state=run.state_name or "",
        )
        for run in runs
    ]


def _ids(runs: Sequence[EndedRun]) -> list[UUID]:
    return [UUID(run.id) for run in runs]
