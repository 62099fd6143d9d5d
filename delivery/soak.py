"""Did a release make things worse? Errors and latency since it took over, beside before it.

The application's own counters are asked. Those of the old and the new container are different
series, so what a release has answered since it started is the new series' plain value: no
rate, nothing extrapolated from a few samples. Before is everything that was answered in the
minutes before its container was made.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from delivery.health import Sample, does_not_hold
from delivery.host_script import HostAnswer
from delivery.policies import SoakPolicy
from delivery.prometheus import numbers_by, read_vector

_ANSWERED = 'http_server_requests_seconds_count{uri!~"/actuator.*"%s}'
_FAILED = 'http_server_requests_seconds_count{uri!~"/actuator.*", status=~"5.."%s}'
_BUCKETS = 'http_server_requests_seconds_bucket{uri!~"/actuator.*"%s}'
_OF_THE_NEW = ', instance="$NEW"'


class SoakSight(HostAnswer):
    """The answer of ``probe_soak.sh``: what Prometheus said, so long after the takeover."""

    age_seconds: float
    said: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was answered in some time: requests, server errors among them, p95 in seconds.

    ``timed`` are the requests that the p95 is made of.
    """

    requests: float = 0.0
    errors: float = 0.0
    p95_seconds: float | None = None
    timed: float = 0.0

    @property
    def error_percent(self) -> float:
        """The share of requests that failed."""
        return 100 * self.errors / self.requests if self.requests else 0.0


def soak_query(policy: SoakPolicy) -> str:
    """One PromQL expression that gives every figure, each labelled ``figure``.

    The host puts in what it alone knows: ``$NEW`` (address:port of the new container),
    ``$MADE`` and ``$WARM`` (when it was made, when it counts as warm; seconds since 1970).
    """
    window = f"[{policy.before_minutes}m] @ $MADE"
    timed, buckets = _since_warm(_ANSWERED), _since_warm(_BUCKETS)
    figures = {
        "requests before": f"sum(increase({_ANSWERED % ''}{window}))",
        "errors before": f"sum(increase({_FAILED % ''}{window}))",
        "p95 before": _p95(f"increase({_BUCKETS % ''}{window})"),
        "requests after": f"sum({_ANSWERED % _OF_THE_NEW})",
        "errors after": f"sum({_FAILED % _OF_THE_NEW})",
        "p95 after": _p95(buckets),
        "timed after": f"sum({timed})",
    }
    labelled = (f'label_replace({e}, "figure", "{name}", "", "")' for name, e in figures.items())
    return " or ".join(labelled)


def _since_warm(selector: str) -> str:
    """What the new container has counted since it was warm: its first requests are slow."""
    new = selector % _OF_THE_NEW
    return f"({new} - ({new} @ $WARM or {new} * 0))"


def _p95(buckets: str) -> str:
    return f"histogram_quantile(0.95, sum by (le) ({buckets}))"


def read_traffic(said: str) -> tuple[Traffic, Traffic]:
    """Before and after, out of what Prometheus said; raises HostAnswerMalformed."""
    figures = numbers_by("figure", read_vector(said))
    timed_before = figures.get("requests before", 0.0)
    return (
        _traffic(figures, "before", timed=timed_before),
        _traffic(figures, "after", timed=figures.get("timed after", 0.0)),
    )


def _traffic(figures: Mapping[str, float], when: str, *, timed: float) -> Traffic:
    return Traffic(
        requests=figures.get(f"requests {when}", 0.0),
        errors=figures.get(f"errors {when}", 0.0),
        p95_seconds=figures.get(f"p95 {when}"),
        timed=timed,
    )


def judge_soak(before: Traffic, after: Traffic, policy: SoakPolicy) -> Sample:
    """Whether the release may stay: neither its errors nor its latency got worse.

    Worse is only what is worse by a factor *and* by an absolute amount, seen in enough
    requests on both sides. Without those nothing is judged, and that passes.
    """
    enough = policy.least_requests
    if min(before.requests, after.requests) < enough:
        return Sample(
            True,
            f"not enough traffic to judge: {before.requests:.0f} requests before, "
            f"{after.requests:.0f} since the takeover, {enough} needed of each",
        )
    evidence = f"{_errors(before, after)}; {_latency(before, after, enough)}"
    if _more_errors(before, after, policy):
        return does_not_hold(f"more requests fail than before the takeover: {evidence}")
    if _slower(before, after, policy):
        return does_not_hold(f"requests take longer than before the takeover: {evidence}")
    return Sample(True, evidence)


def _more_errors(before: Traffic, after: Traffic, policy: SoakPolicy) -> bool:
    was, now = before.error_percent, after.error_percent
    enough = after.errors >= policy.least_errors
    return enough and now > was * policy.error_factor and now - was > policy.error_percent


def _slower(before: Traffic, after: Traffic, policy: SoakPolicy) -> bool:
    was, now = before.p95_seconds, after.p95_seconds
    if was is None or now is None or after.timed < policy.least_requests:
        return False
    return now > was * policy.latency_factor and (now - was) * 1000 > policy.latency_ms


def _errors(before: Traffic, after: Traffic) -> str:
    return (
        f"{after.error_percent:.2f} % of {after.requests:.0f} requests failed "
        f"(before: {before.error_percent:.2f} % of {before.requests:.0f})"
    )


def _latency(before: Traffic, after: Traffic, enough: int) -> str:
    if before.p95_seconds is None or after.p95_seconds is None or after.timed < enough:
        return f"latency not judged, {after.timed:.0f} requests since it is warm"
    was, now = before.p95_seconds * 1000, after.p95_seconds * 1000
    return f"p95 {now:.0f} ms (before: {was:.0f} ms)"
