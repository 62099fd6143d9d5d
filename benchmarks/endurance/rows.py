"""What each trial left: how it ended, what was lost, what lies about."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load import Figures


@dataclass(frozen=True, slots=True)
class Row:
    """One trial. ``wrong`` says what is not as it should be; empty if all is well."""

    trial: str
    outcome: str
    asked: int
    failed: int
    longest_gap_seconds: float
    seconds: float
    wrong: str = ""

    @property
    def verdict(self) -> str:
        """What is wrong, or that nothing is."""
        return self.wrong or "as it should be"

    @classmethod
    def of(
        cls, trial: str, outcome: str, figures: Figures, *, seconds: float, wrong: Sequence[str]
    ) -> "Row":
        """The row of a trial under load; a lost request is wrong in any case."""
        lost = len(figures.failed)
        ways = Counter(answer.error or str(answer.status) for answer in figures.failed)
        told = ", ".join(f"{count} by {way}" for way, count in ways.most_common(3))
        found = [*wrong, *([f"{lost} requests lost: {told}"] if lost else [])]
        return cls(
            trial=trial,
            outcome=outcome,
            asked=len(figures.answers),
            failed=lost,
            longest_gap_seconds=figures.longest_gap_seconds,
            seconds=seconds,
            wrong="; ".join(found),
        )


def as_table(rows: Sequence[Row]) -> str:
    """The rows for a person; Markdown, so that the docs can quote it."""
    head = (
        "| trial | outcome | asked | failed | longest gap | took | |\n|---|---|---|---|---|---|---|"
    )
    lines = [
        f"| {row.trial} | {row.outcome} | {row.asked} | {row.failed} "
        f"| {row.longest_gap_seconds:.1f} s | {row.seconds:.1f} s | {row.verdict} |"
        for row in rows
    ]
    return "\n".join([head, *lines])
