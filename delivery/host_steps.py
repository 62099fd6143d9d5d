"""What ran on the hosts in a deploy: a row for each script and host, failed ones too."""

from dataclasses import dataclass
from typing import Any

from delivery.errors import DeliveryError
from delivery.host_script import HostAnswer
from delivery.redaction import redact

_NOT_TOLD = {
    *("ok", "step", "failed", "next", "seconds"),
    *("record", "containers", "images", "services"),
}
_LOOKS = ("probe_", "diagnose")
_MOST_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class HostStep:
    """One script on one host: how long it took and what it said; free of secrets.

    ``seconds`` are the host's own; of a step that failed, those that the worker waited.
    """

    step: str
    host: str
    ended: str
    seconds: float
    said: str

    @classmethod
    def of(
        cls, step: str, host: str, answer: HostAnswer | DeliveryError, *, waited: float
    ) -> "HostStep":
        """Read a step off the answer of its script, or off the error that stands for it."""
        if isinstance(answer, DeliveryError):
            return cls(step, host, "failed", waited, _short(answer.message))
        return cls(step, host, "done", answer.seconds or waited, _short(_words_of(answer)))

    def row(self, environment: str) -> dict[str, Any]:
        """The step for the table; what a preflight saw is in its own."""
        has_its_own = self.step == "preflight" and self.ended == "done"
        return {
            "step": self.step,
            "host": self.host,
            "ended": self.ended,
            "seconds": round(self.seconds, 1),
            "what it said": f"see preflight-{environment}" if has_its_own else self.said,
        }


def is_noted(step: str) -> bool:
    """Whether a step is for the table: health and diagnosis have artifacts of their own."""
    return not step.startswith(_LOOKS)


def _words_of(answer: HostAnswer) -> str:
    """The plain facts of an answer; what is nested is in the report."""
    facts = answer.model_dump(exclude=_NOT_TOLD)
    return ", ".join(
        f"{name.replace('_', ' ')} {_plain(value)}"
        for name, value in facts.items()
        if value and not isinstance(value, dict)
    )


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _short(text: str) -> str:
    line = " ".join(redact(text).split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"
