"""Which runs may be forgotten: old ones that ended, but never what an operator would look for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from delivery.markdown import table

CHANGING_FLOWS = ("deploy", "rollback", "rollout")
"""The flows that change what an environment runs; the last of their runs are kept."""

_CHANGED_NOTHING = frozenset({"Planned", "Superseded"})


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended, whatever its end."""

    id: str
    flow: str
    environment: str
    state: str
    """The state's name: ``Deployed``, ``RolledBack``, ``Completed``, ..."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted, or would have been: how many runs of each flow, how many artifacts."""

    runs: tuple[tuple[str, int], ...]
    artifacts: int
    dry_run: bool
    more: bool
    """Whether there was more than one run of this flow deletes; the next goes on."""

    @property
    def total(self) -> int:
        """How many runs."""
        return sum(number for _, number in self.runs)

    def as_markdown(self) -> str:
        """For the run's Artifacts page."""
        done = "would be deleted" if self.dry_run else "deleted"
        lines = [f"# {self.total} old runs {done}, and {self.artifacts} artifacts"]
        if self.runs:
            rows = [(flow, str(number)) for flow, number in self.runs]
            lines.append(table(("flow", "runs"), rows))
        if self.more:
            lines.append("There are more; the next run goes on.")
        return "\n\n".join(lines) + "\n"


def is_change(run: EndedRun, environment: str) -> bool:
    """Whether this run is one of those whose last ones an environment keeps."""
    mine = run.environment == environment and run.flow in CHANGING_FLOWS
    return mine and run.state not in _CHANGED_NOTHING


def forgettable(
    old: Iterable[EndedRun], environment: str, last_changes: Sequence[EndedRun]
) -> list[EndedRun]:
    """Of old runs, those of this environment that are none of its last changes."""
    kept = {run.id for run in last_changes}
    return [run for run in old if run.environment == environment and run.id not in kept]


def forgotten(runs: Iterable[EndedRun], *, artifacts: int, dry_run: bool, more: bool) -> Forgotten:
    """The account of what was deleted, the flow with the most runs first."""
    numbers: dict[str, int] = {}
    for run in runs:
        numbers[run.flow] = numbers.get(run.flow, 0) + 1
    ordered = sorted(numbers.items(), key=lambda each: (-each[1], each[0]))
    return Forgotten(tuple(ordered), artifacts, dry_run, more)
