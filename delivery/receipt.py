"""The receipt of a takeover: what the host measured while one release replaced another."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from delivery.markdown import escape, table
from delivery.plot import Bar, Panel, chart


class Window(BaseModel):
    """What a prober at the public port saw in a stretch of time; latencies of good answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float

    @property
    def said(self) -> str:
        """The latencies, or why there are none."""
        if self.requests == 0:
            return "not measured"
        if self.requests == self.failed:
            return "no answer"
        return f"{self.p50_ms:.0f}/{self.p99_ms:.0f} ms"


class Receipt(BaseModel):
    """Before the new container started, until a second after traffic moved, and after that.

    ``longest_gap_ms`` lies between two good answers to the prober, which asks about ten
    times a second; ``gateway_requests`` and ``gateway_errors`` (5xx) are everybody's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: Window
    during: Window
    after: Window
    longest_gap_ms: float
    gateway_requests: int
    gateway_errors: int

    @property
    def windows(self) -> tuple[tuple[str, Window], ...]:
        """The stretches of time in their order, by name."""
        return (("before", self.before), ("during", self.during), ("after", self.after))


def failures(*receipts: Receipt) -> str:
    """How many failed of all that was asked: by everybody at the gateway, and by the probers."""
    windows = [window for receipt in receipts for _, window in receipt.windows]
    return (
        f"{sum(receipt.gateway_errors for receipt in receipts)} of "
        f"{sum(receipt.gateway_requests for receipt in receipts)} requests, "
        f"{sum(window.failed for window in windows)} of "
        f"{sum(window.requests for window in windows)} probes"
    )


def receipt_section(receipts: Sequence[tuple[str, Receipt]]) -> str:
    """The receipts of a deploy, a row and a group of bars a host; empty if there are none."""
    if not receipts:
        return ""
    rows = [
        (
            escape(host),
            failures(receipt),
            f"{receipt.longest_gap_ms:.0f} ms",
            *(window.said for _, window in receipt.windows),
        )
        for host, receipt in receipts
    ]
    header = ("Host", "Failed of served", "Longest gap", "p50/p99 before", "during", "after")
    return "## Receipt\n\n" + table(header, rows) + "\n\n" + _plot(receipts)


def _plot(receipts: Sequence[tuple[str, Receipt]]) -> str:
    panels = [
        Panel(
            tuple(_bar(name, window) for name, window in receipt.windows),
            host,
            f"failed: {failures(receipt)}",
        )
        for host, receipt in receipts
    ]
    return chart("Latency at the public port: p50 (dark)/p99", panels)


def _bar(name: str, window: Window) -> Bar:
    failed = f"{window.failed} of {window.requests} failed" if window.failed else ""
    return Bar(name, window.p99_ms, window.p50_ms, window.said, failed)
