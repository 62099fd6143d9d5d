"""What every command answers to programs, whatever it did and however it ended."""

from collections.abc import Mapping
from typing import Any

from delivery.errors import REFUSALS
from delivery.failure import Failure

_NOT_KNOWN = dict.fromkeys(("version", "previous_version", "revision", "digest"), "")


def whole_answer(told: Mapping[str, Any], *, environment: str, seconds: float) -> dict[str, Any]:
    """``told``, which has an outcome, with all else that programs are promised.

    What a command has nothing to say of is an empty text; ``seconds`` is how long it took, if
    it does not tell itself.
    """
    promised = {
        "outcome": told["outcome"],
        "environment": environment,
        **_NOT_KNOWN,
        "duration_seconds": round(seconds, 3),
    }
    return {**promised, **told}


def answer_of_failure(error: BaseException, *, environment: str, seconds: float) -> dict[str, Any]:
    """The same of a command that an error ended: REFUSED if asking again would not change it."""
    told = {
        "outcome": "REFUSED" if isinstance(error, REFUSALS) else "FAILED",
        "failure": Failure.of("", error).as_json(),
    }
    return whole_answer(told, environment=environment, seconds=seconds)
