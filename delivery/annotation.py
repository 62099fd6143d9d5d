"""A deploy as a mark on Grafana's dashboards, in the words of its ``POST /api/annotations``.

https://grafana.com/docs/grafana/latest/developers/http_api/annotations/: times are
milliseconds since 1970, a mark with an end is shown as a region, the text may be HTML.
"""

import datetime
import json
from html import escape

from delivery.host_script import HostAnswer
from delivery.redaction import redact
from delivery.report import Outcome, Report

_LONGEST_TEXT = 500
_MARKED = {
    Outcome.DEPLOYED,
    Outcome.ROLLED_BACK,
    Outcome.ROLLBACK_FAILED,
    Outcome.NO_WAY_BACK,
}


class Annotated(HostAnswer):
    """The answer of ``annotate.sh``; False if there is no Grafana on the host."""

    annotated: bool = False


def annotation(report: Report, *, kind: str) -> str | None:
    """The mark as JSON; None for a deploy that changed nothing that is served."""
    failed_on_hosts = report.outcome is Outcome.FAILED and bool(report.health.probes)
    if report.outcome not in _MARKED and not failed_on_hosts:
        return None
    tags = [
        "rollback" if kind == "rollback" else "deploy",
        report.environment,
        report.version,
        report.outcome.value,
    ]
    end = report.started + datetime.timedelta(seconds=report.duration_seconds)
    return json.dumps(
        {
            "time": _milliseconds(report.started),
            "timeEnd": _milliseconds(end),
            "tags": [tag for tag in tags if tag],
            "text": _text(report),
        }
    )


def _text(report: Report) -> str:
    said = escape(redact(f"{report.headline} (by {report.actor})"))[:_LONGEST_TEXT]
    if not report.run_url.startswith(("http://", "https://")):
        return said
    return f'{said} <a href="{escape(redact(report.run_url))}">run</a>'


def _milliseconds(moment: datetime.datetime) -> int:
    return round(moment.timestamp() * 1000)
