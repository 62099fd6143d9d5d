"""Faults that a service of the lab can be told to have, one mechanism for all of them.

`POST /_lab/fault` switches one on, `GET` lists those in force, `DELETE` ends them all.
A fault has a kind, and optionally lasts so many `seconds`, hits only requests whose label
(`METHOD /path?query detail`) the regular expression `match` finds, and only the first
`count` of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

Kind = Literal[
    "down", "slow", "error", "throttle", "reset", "garbage", "unauthorized", "forbidden", "limit"
]


def _regular_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


class FaultRequest(BaseModel):
    """What the lab is asked to break; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    seconds: Annotated[float, Field(gt=0)] | None = None
    match: Annotated[str, AfterValidator(_regular_expression)] | None = None
    count: Annotated[int, Field(gt=0)] | None = None
    delay_seconds: Annotated[float, Field(ge=0)] = 5.0
    """How long a `slow` answer is held back."""
    status: Annotated[int, Field(ge=400, le=599)] = 500
    """What `error` answers."""
    retry_after_seconds: Annotated[int, Field(ge=0)] = 1
    """What `throttle` and `limit` ask the caller to wait."""


@dataclass(slots=True)
class ActiveFault:
    """A fault in force, and how often it struck."""

    request: FaultRequest
    ends_at: float | None
    struck: int = 0

    def is_over(self, now: float) -> bool:
        """Whether its time or its number of requests is used up."""
        too_late = self.ends_at is not None and now >= self.ends_at
        return too_late or (self.request.count is not None and self.struck >= self.request.count)

    def hits(self, label: str, *, spared: bool) -> bool:
        """Whether it applies to a request; a spared one must be named by `match`."""
        if self.request.match is None:
            return not spared
        return re.search(self.request.match, label) is not None


class FaultBoard:
    """The faults of one service; the newest that fits a request applies to it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._faults: list[ActiveFault] = []

    def add(self, request: FaultRequest) -> None:
        """Put a fault in force from now on."""
        ends_at = None if request.seconds is None else self._clock() + request.seconds
        self._faults.insert(0, ActiveFault(request, ends_at))

    def clear(self) -> None:
        """End every fault."""
        self._faults.clear()

    def active(self) -> list[ActiveFault]:
        """The faults in force, newest first."""
        now = self._clock()
        self._faults = [fault for fault in self._faults if not fault.is_over(now)]
        return list(self._faults)

    def strike(self, label: str, *, spared: bool = False) -> FaultRequest | None:
        """The fault that this request suffers, counted as one stroke; None if it is spared."""
        for fault in self.active():
            if fault.hits(label, spared=spared):
                fault.struck += 1
                return fault.request
        return None


class Voice(Protocol):
    """How one service words its refusals."""

    def refuse(self, fault: FaultRequest, label: str) -> Response:
        """The answer to `error`, `throttle`, `limit`, `unauthorized` or `forbidden`."""
        ...


STATUS = {"throttle": 429, "limit": 429, "unauthorized": 401, "forbidden": 403}
"""The HTTP status of each kind of refusal where a service has no words of its own for it."""


class PlainVoice:
    """Refusals in plain JSON, for a service whose callers look at the status alone."""

    def refuse(self, fault: FaultRequest, label: str) -> Response:
        """Answer with the status that belongs to the fault."""
        status = STATUS.get(fault.kind, fault.status)
        headers = {"Retry-After": str(fault.retry_after_seconds)} if status == 429 else {}
        return JSONResponse({"error": fault.kind, "request": label}, status, headers)
