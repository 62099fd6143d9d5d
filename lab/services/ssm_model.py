"""What Systems Manager knows of a command, and how its state moves. No I/O here.

The rules are those of AWS's "Understanding command statuses": an invocation is Pending
until the agent takes it, InProgress until the agent reports, and ends as Success, Failed,
TimedOut (delivery or execution) or Cancelled; the command's own status follows from its
invocations, `MaxConcurrency` and `MaxErrors`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

TERMINAL = frozenset({"Success", "Failed", "TimedOut", "Cancelled"})
COUNTS_AS_ERROR = frozenset({"Failed", "ExecutionTimedOut"})
"""Details that count against MaxErrors; a delivery that timed out does not."""

STDOUT_LIMIT = 24_000
STDERR_LIMIT = 8_000


@dataclass(slots=True)
class Invocation:
    """One command on one instance."""

    instance_id: str
    status: str = "Pending"
    details: str = "Pending"
    released: bool = False
    """Whether MaxConcurrency lets it be sent."""
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int = -1
    stdout: str = ""
    stderr: str = ""

    @property
    def is_over(self) -> bool:
        """Whether its status can no longer change."""
        return self.status in TERMINAL

    def end(self, status: str, details: str, now: float) -> None:
        """Move to a final status."""
        self.status, self.details, self.ended_at = status, details, now


@dataclass(slots=True)
class Command:
    """One SendCommand with an invocation for each of its instances."""

    command_id: str
    requested_at: float
    document: str
    parameters: dict[str, list[str]]
    comment: str
    instance_ids: list[str]
    targets: list[dict[str, Any]]
    delivery_seconds: int
    execution_seconds: int
    max_concurrency: str
    max_errors: str
    invocations: dict[str, Invocation] = field(default_factory=dict)
    cancelled: bool = False

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What `to_record` wrote."""
        rows = record.pop("invocations")
        invocations = {row["instance_id"]: Invocation(**row) for row in rows}
        return cls(**record, invocations=invocations)

    def to_record(self) -> dict[str, Any]:
        """Plain data for the disk."""
        return {**asdict(self), "invocations": [asdict(i) for i in self.invocations.values()]}

    @property
    def is_over(self) -> bool:
        """Whether nothing of it can change any more."""
        return all(invocation.is_over for invocation in self.invocations.values())

    @property
    def errors(self) -> int:
        """How many invocations count against MaxErrors."""
        return sum(i.details in COUNTS_AS_ERROR for i in self.invocations.values())

    @property
    def is_over_error_limit(self) -> bool:
        """Whether so many failed that no further one is sent."""
        return self.errors > _amount(self.max_errors, len(self.invocations))

    def advance(self, now: float) -> bool:
        """Apply what time and the invocations' results bring about; whether anything changed."""
        before = [(i.status, i.released) for i in self.invocations.values()]
        for invocation in self.invocations.values():
            self._expire(invocation, now)
        if self.is_over_error_limit:
            self._terminate_unsent(now)
        self._release()
        return before != [(i.status, i.released) for i in self.invocations.values()]

    def accept(self, instance_id: str, now: float) -> bool:
        """The agent takes the command: whether it may run it."""
        invocation = self.invocations[instance_id]
        if invocation.status != "Pending" or not invocation.released:
            return False
        invocation.status = invocation.details = "InProgress"
        invocation.started_at = now
        return True

    def report(self, instance_id: str, result: Result, now: float) -> None:
        """The agent tells how it ended; a result for what is over already changes nothing."""
        invocation = self.invocations[instance_id]
        if invocation.is_over:
            return
        invocation.exit_code = result.exit_code
        invocation.stdout = result.stdout[:STDOUT_LIMIT]
        invocation.stderr = result.stderr[:STDERR_LIMIT]
        details = "ExecutionTimedOut" if result.status == "TimedOut" else result.status
        invocation.end(result.status, details, now)
        self.advance(now)

    def cancel(self, instance_ids: list[str], now: float) -> None:
        """Cancel on these instances, or on all; what already runs is only asked to stop."""
        for instance_id in instance_ids or list(self.invocations):
            invocation = self.invocations[instance_id]
            if invocation.status == "Pending":
                invocation.end("Cancelled", "Cancelled", now)
            elif invocation.status == "InProgress":
                invocation.status = invocation.details = "Cancelling"
        self.cancelled = True
        self.advance(now)

    def status(self) -> tuple[str, str]:
        """The status of the command as a whole, and its details.

        Success says no more than that fewer failed than MaxErrors allows: some may have.
        """
        invocations = list(self.invocations.values())
        if not invocations:
            return "Success", "NoInstancesInTag"
        if not all(i.is_over for i in invocations):
            return self._open_status(invocations)
        if self.cancelled and any(i.details == "Cancelled" for i in invocations):
            return "Cancelled", "Cancelled"
        if self.is_over_error_limit:
            timed_out = all(i.details == "ExecutionTimedOut" for i in invocations)
            return ("TimedOut", "ExecutionTimedOut") if timed_out else ("Failed", "Failed")
        if all(i.details == "DeliveryTimedOut" for i in invocations):
            return "TimedOut", "DeliveryTimedOut"
        complete = all(i.status == "Success" for i in invocations)
        return "Success", "Success" if complete else "Incomplete"

    def _open_status(self, invocations: list[Invocation]) -> tuple[str, str]:
        if any(i.status == "Cancelling" for i in invocations):
            return "Cancelling", "Cancelling"
        untouched = all(i.status == "Pending" for i in invocations)
        return ("Pending", "Pending") if untouched else ("InProgress", "InProgress")

    def _expire(self, invocation: Invocation, now: float) -> None:
        delivered_by = self.requested_at + self.delivery_seconds
        # An agent may take a command and never be heard of again.
        over_by = delivered_by + self.execution_seconds
        if invocation.status == "Pending" and now >= delivered_by:
            invocation.end("TimedOut", "DeliveryTimedOut", now)
        elif invocation.status in ("InProgress", "Cancelling") and now >= over_by:
            invocation.end("TimedOut", "ExecutionTimedOut", now)

    def _terminate_unsent(self, now: float) -> None:
        for invocation in self.invocations.values():
            if invocation.status == "Pending":
                invocation.end("Cancelled", "Terminated", now)

    def _release(self) -> None:
        at_once = max(1, _amount(self.max_concurrency, len(self.invocations)))
        running = sum(i.released and not i.is_over for i in self.invocations.values())
        for invocation in self.invocations.values():
            if running >= at_once:
                return
            if invocation.status == "Pending" and not invocation.released:
                invocation.released = True
                running += 1


@dataclass(frozen=True, slots=True)
class Result:
    """What an agent reports of one invocation."""

    status: str
    exit_code: int
    stdout: str
    stderr: str


def _amount(text: str, whole: int) -> int:
    """A number, or a percentage of all instances."""
    return int(text.removesuffix("%")) * whole // 100 if text.endswith("%") else int(text)
