"""Which announcements reach a channel: by what they weigh, and by the hour."""

import datetime
import enum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator

from delivery.policies import Policy

_HOUR = r"(?:[01]\d|2[0-3]):[0-5]\d"
QuietHours = Annotated[str, StringConstraints(pattern=rf"^(?:{_HOUR}-{_HOUR})?$")]
PageUrl = Annotated[str, StringConstraints(pattern=r"^(?:https?://[^\s<>|\"]{1,500})?$")]


class Weight(enum.IntEnum):
    """What an announcement weighs: nothing changed yet, something did, somebody must look."""

    ROUTINE = 0
    CHANGE = 1
    PROBLEM = 2


_LIGHTEST = {"all": Weight.ROUTINE, "changes": Weight.CHANGE, "problems": Weight.PROBLEM}


class NotificationPolicy(Policy):
    """What the environment's channel hears of, and when it is left in peace."""

    level: Literal["all", "changes", "problems", "none"] = Field(
        default="all",
        description="all: starts and deploys that found nothing to do, too. changes: what "
        "changed, and problems. problems: failures, ways back, drift. none: nothing.",
    )
    quiet_hours: QuietHours = Field(
        default="", description="Such as 22:00-08:00: only problems are announced then."
    )
    time_zone: str = Field(default="Asia/Seoul", description="The time zone of the quiet hours.")
    problems_in_quiet_hours: bool = Field(
        default=True, description="Whether problems get through the quiet hours."
    )
    application_url: PageUrl = Field(
        default="", description="Where users find the application; GitHub links to it."
    )
    dashboard_url: PageUrl = Field(
        default="", description="Grafana's page about deploys; announcements link to it."
    )

    @field_validator("time_zone")
    @classmethod
    def _time_zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("use a name of the IANA time zone database: Asia/Seoul") from None
        return name

    def wants(self, weight: Weight, *, at: datetime.datetime) -> bool:
        """Whether something of this weight is to be announced at this (aware) time."""
        if self.level == "none" or weight < _LIGHTEST[self.level]:
            return False
        if weight is Weight.PROBLEM and self.problems_in_quiet_hours:
            return True
        return not self._is_quiet(at)

    def _is_quiet(self, at: datetime.datetime) -> bool:
        """The first minute of the quiet hours belongs to them, the last does not."""
        if not self.quiet_hours:
            return False
        begin, end = map(datetime.time.fromisoformat, self.quiet_hours.split("-"))
        now = at.astimezone(ZoneInfo(self.time_zone)).time()
        if begin <= end:
            return begin <= now < end
        return now >= begin or now < end
