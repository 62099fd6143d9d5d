"""What the Prefect server itself watches over: runs that died without a word.

A worker that is stopped, or a machine that is lost, leaves its run RUNNING for ever. A run
sends heartbeats (``PREFECT_FLOWS_HEARTBEAT_FREQUENCY``, set in ``prefect.yaml`` and by
``flows.watched``); three that are missing in a row mark it Crashed. Seen 88 s after both were
killed.
"""

from datetime import timedelta

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from delivery.report import Outcome
from flows.watched import HEARTBEAT_SECONDS, TAG

SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS

_HEARTBEAT = "prefect.flow-run.heartbeat"
# The first heartbeat follows at once; a process may die between the two.
_RUNNING = "prefect.flow-run.Running"
# Prefect's own names and ours; a suspended run waits without a process. One that was
# forgotten here does no harm: the server never turns a run that ended into a Crashed one.
_ENDINGS = {
    f"prefect.flow-run.{name}"
    for name in (
        *("Completed", "Failed", "Cancelled", "Crashed", "Suspended"),
        *("Healthy", "Unhealthy", "Verified", "NotVerified"),
        *(outcome.state_name for outcome in Outcome),
    )
}


def crash_of_silent_runs() -> AutomationCore:
    """The automation that marks a run Crashed when its heartbeats stop."""
    return AutomationCore(
        name="tt-deploy: a run without heartbeats has crashed",
        description="Its process was killed together with its worker, or its machine is gone.",
        trigger=EventTrigger(
            after={_RUNNING, _HEARTBEAT},
            expect={_HEARTBEAT, *_ENDINGS},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}"}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENCE_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                message=f"No heartbeat for {SILENCE_SECONDS} s: the run's process is gone. "
                "Starting the deploy again is safe.",
            )
        ],
    )
