"""A person agrees before the first change: the run pauses, and holds no lock meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field

from blocks.environment import Environment
from delivery.approval import Proposal, propose, still_holds
from delivery.errors import Refused
from delivery.host_state import HostState
from delivery.journal import Journal
from delivery.rollout import running_tag
from tasks.hosts import find_hosts, observe_hosts
from tasks.release import find_revision, make_tag_and_release

_LOOK_EVERY_SECONDS = 5


class Answer(RunInput):
    """What the approver fills in."""

    decision: Literal["reject", "approve"] = Field(
        default="reject", title="Decision", description="Nothing is touched without an 'approve'."
    )
    approver: str = Field(
        default=...,
        title="Your name",
        description="The report names you.",
        min_length=1,
        max_length=100,
    )
    comment: str = Field(
        default="", title="Why", description="The report quotes it.", max_length=300
    )


@dataclass(frozen=True, slots=True)
class Approval:
    """Who agreed to what, and why."""

    proposal: Proposal
    approver: str
    comment: str

    @property
    def sentence(self) -> str:
        """For the report, beside the reason of whoever asked."""
        return f"approved by {self.approver}" + (f": {self.comment}" if self.comment else "")


class Gate:
    """What stands before the first change of one deploy; open where nothing is demanded.

    ``ask`` is called before the environment's slot is taken, ``confirm`` once it is held.
    """

    def __init__(self, revision: str | None, *, dry_run: bool = False) -> None:
        self._wished = revision
        self._dry_run = dry_run
        self._approval: Approval | None = None

    @property
    def revision(self) -> str | None:
        """The commit that was agreed to, for a branch may have moved since; else the wish."""
        return self._approval.proposal.release.sha if self._approval else self._wished

    def ask(self, target: Environment, journal: Journal) -> None:
        """Have the deploy approved, if the environment demands it and it is no dry run.

        Only looks: nothing is tagged, built or touched. Raises Refused if it is rejected or
        if nobody answers in time.
        """
        if self._dry_run or not target.approval.required:
            return
        with journal.stage("approval"):
            proposal = _propose(target, self._wished, journal)
            self._approval = ask(proposal, deadline_minutes=target.approval.deadline_minutes)
        journal.reason = "; ".join(filter(None, (journal.reason, self._approval.sentence)))

    def confirm(self, states: Sequence[HostState]) -> None:
        """Raise Refused if the hosts are not those that the approver saw."""
        if self._approval is None or still_holds(self._approval.proposal, states):
            return
        environment = self._approval.proposal.environment
        raise Refused(
            "Another deploy came between the approval and this one.",
            where=environment,
            next_command=f"prefect deployment run deploy/{environment}",
        )


def _propose(target: Environment, revision: str | None, journal: Journal) -> Proposal:
    states = observe_hosts(target, find_hosts(target))
    sha = find_revision(target, revision)
    release = make_tag_and_release(target, sha, running=running_tag(states), dry_run=True)
    return propose(target.name, release, states, actor=journal.actor, reason=journal.reason)


def ask(proposal: Proposal, *, deadline_minutes: float) -> Approval:
    """Pause this run with the proposal before the approver until there is an answer."""
    text = proposal.as_markdown()
    create_markdown_artifact(
        text,
        key=f"approval-{proposal.environment}",
        description=f"Waiting for an approval of {proposal.release.tag}",
    )
    try:
        answer = pause_flow_run(
            wait_for_input=Answer.with_initial_data(description=text),
            timeout=round(deadline_minutes * 60),
            poll_interval=_LOOK_EVERY_SECONDS,
        )
    except FlowPauseTimeout:
        raise Refused(
            f"Nobody approved {proposal.release.tag} within {deadline_minutes:g} minutes.",
            where=proposal.environment,
            next_command=f"prefect deployment run deploy/{proposal.environment}",
        ) from None
    if answer.decision != "approve":
        raise Refused(
            f"{answer.approver} rejected {proposal.release.tag}: {answer.comment or 'no reason'}.",
            where=proposal.environment,
        )
    approval = Approval(proposal, answer.approver, answer.comment)
    get_run_logger().info("%s %s", proposal.release.tag, approval.sentence)
    return approval
