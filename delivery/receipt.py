"""The receipt of a takeover: what the host measured while one release replaced another."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from delivery.markdown import escape, table


class Window(BaseModel):
    """What a prober at the public port saw in a stretch of time; latencies of good answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float


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


def receipt_section(receipts: Sequence[tuple[str, Receipt]]) -> str:
    """The receipts of a deploy, a row a host, with a plot of the latencies; empty if none."""
    if not receipts:
        return ""
    rows = [
        (
            escape(host),
            f"{receipt.gateway_requests}",
            f"{receipt.gateway_errors}",
            f"{receipt.longest_gap_ms:.0f} ms",
            *(_latencies(w) for w in (receipt.before, receipt.during, receipt.after)),
        )
        for host, receipt in receipts
    ]
    header = (
        "Host",
        "Requests served",
        "Failed",
        "Longest gap",
        "p50/p99 before",
        "during",
        "after",
    )
    return "## Receipt\n\n" + table(header, rows) + "\n\n" + _plot(receipts[0][1])


def _latencies(window: Window) -> str:
    if window.requests == 0:
        return "not measured"
    return f"{window.p50_ms:.0f}/{window.p99_ms:.0f} ms"


def _plot(receipt: Receipt) -> str:
    windows = (receipt.before, receipt.during, receipt.after)
    p50 = ", ".join(f"{window.p50_ms:.1f}" for window in windows)
    p99 = ", ".join(f"{window.p99_ms:.1f}" for window in windows)
    return (
        "```mermaid\n"
        "xychart-beta\n"
        '    title "Latency at the public port (bars: p99, line: p50)"\n'
        '    x-axis ["before", "during", "after"]\n'
        '    y-axis "ms"\n'
        f"    bar [{p99}]\n"
        f"    line [{p50}]\n"
        "```"
    )
