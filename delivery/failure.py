"""A failure as it is told: to people, to programs, free of secrets."""

from dataclasses import dataclass

from delivery.errors import DeliveryError
from delivery.markdown import code, escape, fenced
from delivery.redaction import redact


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed stage in an operator's words; free of secrets."""

    stage: str
    message: str
    where: str = ""
    last_words: str = ""
    next_command: str = ""

    @classmethod
    def of(cls, stage: str, error: BaseException) -> "Failure":
        """Read a failure off an exception; anything that is not ours shows its type."""
        if isinstance(error, DeliveryError):
            return cls(
                stage,
                redact(error.message),
                redact(error.where),
                redact(error.last_words),
                redact(error.next_command),
            )
        return cls(stage, redact(f"{type(error).__name__}: {error}"))

    def as_json(self) -> dict[str, str]:
        """The failure for programs."""
        return {
            "stage": self.stage,
            "message": self.message,
            "where": self.where,
            "last_words": self.last_words,
            "next_command": self.next_command,
        }


def failure_section(failure: Failure | None) -> str:
    """The failure for people; empty if there is none."""
    if failure is None:
        return ""
    lines = [f"## What failed: {escape(failure.stage)}", escape(failure.message)]
    if failure.where:
        lines.append(f"Where: {code(failure.where)}")
    if failure.last_words:
        lines.append("The last words were:\n\n" + fenced(failure.last_words))
    if failure.next_command:
        lines.append("Next, type:\n\n" + fenced(failure.next_command))
    return "\n\n".join(lines)
