"""When tokens and certificates end, and whether that is soon."""

import datetime
from dataclasses import dataclass

from delivery.checks import Check, Level

_GITHUBS = ("%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%d %H:%M:%S %z")


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends one day: what it is, when (aware; None: nobody says), what to do."""

    what: str
    at: datetime.datetime | None
    remedy: str


def moment_of(text: str) -> datetime.datetime | None:
    """A moment as GitHub's header or Doppler's API writes it; None if there is none."""
    for shape in _GITHUBS:
        try:
            read = datetime.datetime.strptime(text, shape)
        except ValueError:
            continue
        return read if read.tzinfo else read.replace(tzinfo=datetime.UTC)
    try:
        read = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=datetime.UTC)


def judge_ending(
    ending: Ending, *, now: datetime.datetime, days: float, host: str = ""
) -> Check | None:
    """The check of something that may end; None where nobody says when."""
    if ending.at is None:
        return None
    return judge_end(ending.what, ending.at, ending.remedy, now=now, days=days, host=host)


def judge_end(
    what: str,
    at: datetime.datetime,
    remedy: str,
    *,
    now: datetime.datetime,
    days: float,
    host: str = "",
) -> Check:
    """Fails if it is over, warns within so many days."""
    name, left = f"expiry: {what}", (at - now).total_seconds() / 86_400
    when = f"{at:%Y-%m-%d %H:%M} UTC"
    if left <= 0:
        return Check(name, Level.FAIL, f"ended on {when}", remedy, host)
    if left < days:
        return Check(name, Level.WARN, f"ends on {when}, in {left:.1f} days", remedy, host)
    return Check(name, Level.PASS, f"ends on {when}", host=host)
