"""The alert drill: one alert, said to be a drill, on the whole way from Prometheus to Slack.

Slack's webhooks cannot be read back. That Slack took a message is told by Alertmanager's own
counters: requests to the drill's receiver, and those of them that failed.
"""

from delivery.checks import Check, Level
from delivery.host_script import HostAnswer

ALERT = "AlertPathDrill"
RECEIVER = "slack-drill"


class Drill(HostAnswer):
    """The answer of ``drill.sh``; seconds since the drill began, -1 for what never came.

    ``last_hours`` is the age of the last drill if this one was left out for its sake.
    """

    last_hours: float = -1.0
    fired: float = -1.0
    received: float = -1.0
    delivered: float = -1.0
    resolved: float = -1.0
    refusals: int = 0
    said: str = ""


def judge_drill(drill: Drill, host: str) -> list[Check]:
    """One check for each leg of the way; the legs after a broken one are not judged."""
    if drill.last_hours >= 0:
        evidence = f"left out: the last one was {drill.last_hours:.1f} h ago"
        return [Check("drill", Level.PASS, evidence, host=host)]
    legs = [
        ("drill: Prometheus fires", drill.fired, "docker compose -p tt logs prometheus"),
        ("drill: reaches Alertmanager", drill.received, "docker compose -p tt logs prometheus"),
        ("drill: Slack takes it", drill.delivered, "docker compose -p tt logs alertmanager"),
        ("drill: resolved in Slack", drill.resolved, "docker compose -p tt logs alertmanager"),
    ]
    checks: list[Check] = []
    for name, seconds, remedy in legs:
        if seconds < 0:
            return [*checks, Check(name, Level.FAIL, _why_not(drill), remedy, host)]
        checks.append(Check(name, Level.PASS, f"{seconds:.0f} s after it began", host=host))
    return checks


def _why_not(drill: Drill) -> str:
    refused = f"; {drill.refusals} request(s) to Slack failed" if drill.refusals else ""
    said = f"; {drill.said}" if drill.said else ""
    return f"not within {drill.seconds:.0f} s{refused}{said}"
