"""The way back that was taken: how long it took, what it cost, whether all came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from delivery.markdown import code, escape, table
from delivery.receipt import failures
from delivery.rollout import Bundle, HostOutcome


@dataclass(frozen=True, slots=True)
class Restoration:
    """A way back, timed from the moment that the release was found not to hold.

    ``ways`` has, for each host that was touched, what it goes back to; None: nothing.
    ``began`` is that moment by the worker's clock that only grows, ``started_seconds`` when every
    host had answered, ``verified_seconds`` when the health
    check said that what serves again is healthy; 0 if it did not get that far.
    """

    ways: Mapping[str, Bundle | None]
    hosts: tuple[HostOutcome, ...] = ()
    started_seconds: float = 0.0
    verified_seconds: float = 0.0
    began: float = 0.0

    @property
    def without(self) -> list[str]:
        """The hosts that have no way back."""
        return [host for host, bundle in self.ways.items() if bundle is None]

    @property
    def versions(self) -> str:
        """What the hosts go back to, each version once."""
        return ", ".join(sorted({bundle.version for bundle in self.ways.values() if bundle}))

    @property
    def traffic_seconds(self) -> float:
        """When the last host had its traffic back; 0 if no host had lost it."""
        return max((self._traffic_back(host) for host in self.hosts), default=0.0)

    def _traffic_back(self, host: HostOutcome) -> float:
        """Each host by its own answer: another one may have come minutes later."""
        answered = host.answered_at - self.began if host.answered_at else self.started_seconds
        if host.since_switch:
            return max(0.0, answered - host.since_switch)
        return answered if host.changed else 0.0

    @property
    def _went(self) -> list[tuple[HostOutcome, Bundle]]:
        pairs = ((host, self.ways.get(host.host)) for host in self.hosts)
        return [(host, bundle) for host, bundle in pairs if bundle]

    def as_json(self) -> dict[str, Any]:
        """The way back for programs: plain values only."""
        return {
            "version": self.versions,
            "traffic_seconds": round(self.traffic_seconds, 3),
            "verified_seconds": round(self.verified_seconds, 3),
            "without": self.without,
            "hosts": [
                {
                    "host": host.host,
                    "version": bundle.version,
                    "how": _how(host),
                    "failure": host.failure,
                    "traffic_seconds": round(self._traffic_back(host), 3),
                    "configuration_as_recorded": _as_recorded(bundle, host),
                    "receipt": host.receipt.model_dump() if host.receipt else None,
                }
                for host, bundle in self._went
            ],
        }

    def as_markdown(self) -> str:
        """The section of the report: a row a host."""
        verified = f"healthy after {self.verified_seconds:.1f} s" if self.verified_seconds else ""
        title = f"## Back to {escape(self.versions)}" + (f": {verified}" if verified else "")
        rows = [self._row(host, bundle) for host, bundle in self._went]
        nowhere = "**no way back**: nothing healthy on record"
        rows += [(escape(host), "", nowhere, "", "", "") for host in self.without]
        if not rows:
            return title
        header = (
            "Host",
            "Release",
            "How",
            "Traffic back after",
            "Failed of served",
            "Configuration",
        )
        return title + "\n\n" + table(header, rows)

    def _row(self, host: HostOutcome, bundle: Bundle) -> tuple[str, ...]:
        if host.failure:
            how = f"**did not go back**: {escape(host.failure)}"
            return (escape(host.host), escape(bundle.version), how, "", "", "")
        return (
            escape(host.host),
            escape(bundle.version),
            _how(host),
            f"{self._traffic_back(host):.1f} s",
            failures(host.receipt) if host.receipt else "not measured",
            _configuration(bundle, host),
        )


def configuration_note(bundle: Bundle, configuration: str) -> str:
    """What to say of a bundle that came back with another configuration; empty if nothing."""
    if "" in (bundle.configuration, configuration) or bundle.configuration == configuration:
        return ""
    return (
        "the configuration is not the one on record: a value in Doppler has changed since "
        f"{bundle.tag} proved healthy"
    )


def _as_recorded(bundle: Bundle, host: HostOutcome) -> bool | None:
    if "" in (bundle.configuration, host.configuration):
        return None
    return host.configuration == bundle.configuration


def _configuration(bundle: Bundle, host: HostOutcome) -> str:
    as_recorded = _as_recorded(bundle, host)
    if as_recorded is None:
        return "none on record"
    return f"as recorded, {code(host.configuration[:12])}" if as_recorded else "**differs**"


def _how(host: HostOutcome) -> str:
    if host.failure:
        return "did not go back"
    if host.warm:
        return "still warm"
    return "started anew" if host.changed or host.since_switch else "never stopped serving"


def restoration_section(restoration: Restoration | None) -> str:
    """The section; empty if no way back was taken."""
    return restoration.as_markdown() if restoration else ""
