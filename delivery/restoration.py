"""The way back that was taken: how long it took, what it cost, whether all came back."""

from dataclasses import dataclass
from typing import Any

from delivery.markdown import code, escape, table
from delivery.rollout import Bundle, HostOutcome


@dataclass(frozen=True, slots=True)
class Restoration:
    """A way back, timed from the moment that the release was found not to hold.

    ``started_seconds`` is when every host had answered, ``verified_seconds`` when the health
    check said that what serves again is healthy; 0 if it did not get that far.
    """

    bundle: Bundle
    hosts: tuple[HostOutcome, ...] = ()
    started_seconds: float = 0.0
    verified_seconds: float = 0.0

    @property
    def traffic_seconds(self) -> float:
        """When the last host had its traffic back; 0 if no host had lost it."""
        return max((self._traffic_back(host) for host in self.hosts), default=0.0)

    def _traffic_back(self, host: HostOutcome) -> float:
        if host.since_switch:
            return max(0.0, self.started_seconds - host.since_switch)
        return self.started_seconds if host.changed else 0.0

    def as_json(self) -> dict[str, Any]:
        """The way back for programs: plain values only."""
        return {
            "version": self.bundle.version,
            "traffic_seconds": round(self.traffic_seconds, 3),
            "verified_seconds": round(self.verified_seconds, 3),
            "hosts": [
                {
                    "host": host.host,
                    "how": _how(host),
                    "traffic_seconds": round(self._traffic_back(host), 3),
                    "configuration_as_recorded": _as_recorded(self.bundle, host),
                    "receipt": host.receipt.model_dump() if host.receipt else None,
                }
                for host in self.hosts
            ],
        }

    def as_markdown(self) -> str:
        """The section of the report: a row a host."""
        verified = f"healthy after {self.verified_seconds:.1f} s" if self.verified_seconds else ""
        title = f"## Back to {escape(self.bundle.version)}" + (f": {verified}" if verified else "")
        if not self.hosts:
            return title
        rows = [
            (
                escape(host.host),
                _how(host),
                f"{self._traffic_back(host):.1f} s",
                f"{host.receipt.gateway_requests}" if host.receipt else "not measured",
                f"{host.receipt.gateway_errors}" if host.receipt else "not measured",
                _configuration(self.bundle, host),
            )
            for host in self.hosts
        ]
        header = ("Host", "How", "Traffic back after", "Requests", "Failed", "Configuration")
        return title + "\n\n" + table(header, rows)


def configuration_note(bundle: Bundle, configuration: str) -> str:
    """What to say of a bundle that came back with another configuration; empty if nothing."""
    if bundle.configuration in ("", configuration):
        return ""
    return (
        "the configuration is not the one on record: a value in Doppler has changed since "
        f"{bundle.tag} proved healthy"
    )


def _as_recorded(bundle: Bundle, host: HostOutcome) -> bool | None:
    return host.configuration == bundle.configuration if bundle.configuration else None


def _configuration(bundle: Bundle, host: HostOutcome) -> str:
    as_recorded = _as_recorded(bundle, host)
    if as_recorded is None:
        return "none on record"
    return f"as recorded, {code(host.configuration[:12])}" if as_recorded else "**differs**"


def _how(host: HostOutcome) -> str:
    if host.warm:
        return "still warm"
    return "started anew" if host.changed or host.since_switch else "never stopped serving"


def restoration_section(restoration: Restoration | None) -> str:
    """The section; empty if no way back was taken."""
    return restoration.as_markdown() if restoration else ""
