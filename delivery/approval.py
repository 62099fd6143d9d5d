"""What an approver is shown before the first change, and whether it still holds afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

from delivery.host_state import HostState
from delivery.markdown import code, table
from delivery.released import Release


@dataclass(frozen=True, slots=True)
class HostBefore:
    """What one host ran when the plan was made."""

    host: str
    version: str
    revision: str
    healthy: bool
    generation: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """A deploy that somebody is asked to agree to."""

    environment: str
    release: Release
    actor: str
    reason: str
    hosts: tuple[HostBefore, ...]

    def as_markdown(self) -> str:
        """What the approver reads: the change, the hosts, the way back, the notes."""
        release = self.release
        way_back = " and ".join(sorted({each.version for each in self.hosts if each.version}))
        facts = [
            ("Version", code(release.version)),
            ("Revision", code(release.sha)),
            ("Asked for by", f"{self.actor}, {self.reason}" if self.reason else self.actor),
            ("Way back", code(way_back) or "none: nothing healthy is recorded"),
        ]
        hosts = [
            (code(each.host), code(each.version) or "nothing", "yes" if each.healthy else "no")
            for each in self.hosts
        ]
        sections = [
            f"# Deploy {code(release.tag)} to {code(self.environment)}?",
            table(("", ""), facts),
            "## Hosts\n\n" + table(("Host", "Runs", "Healthy"), hosts),
            release.notes and f"## Release notes\n\n{release.notes}",
        ]
        return "\n\n".join(section for section in sections if section) + "\n"


def propose(
    environment: str, release: Release, states: Sequence[HostState], *, actor: str, reason: str
) -> Proposal:
    """The deploy of ``release`` onto hosts in these ``states``."""
    return Proposal(environment, release, actor, reason, _before(states))


def still_holds(proposal: Proposal, states: Sequence[HostState]) -> bool:
    """Whether the hosts are what the approver saw: the same ones, and no deploy in between."""
    return {(each.host, each.generation) for each in _before(states)} == {
        (each.host, each.generation) for each in proposal.hosts
    }


def _before(states: Sequence[HostState]) -> tuple[HostBefore, ...]:
    return tuple(
        HostBefore(
            state.host, state.version, state.revision, state.running_healthy, state.generation
        )
        for state in states
    )
