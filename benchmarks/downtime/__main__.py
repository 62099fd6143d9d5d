"""``python -m benchmarks.downtime``: what each way of deploying costs those who are served.

In the lab that is up, under an open-loop load on loopback (15 new connections a second, 15
requests a second on kept ones, one slow request a second). Fails if ours loses a request.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.downtime.ways import Comparison, Row
from lab.settings import default_home
from tools.driving import Delivering, DrivenLab


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.downtime", description=__doc__)
    parser.add_argument("--deploys", type=int, default=1, help="how often ours is measured")
    parser.add_argument("--ours-only", action="store_true", help="leave today's ways out")
    options = parser.parse_args()
    comparison = Comparison(Delivering(DrivenLab.at(default_home())))
    ours = [comparison.ours() for _ in range(options.deploys)]
    rows = ours + ([] if options.ours_only else comparison.bare())
    print(as_table(rows))
    lost = sum(row.failed for row in ours)
    print(f"ours lost {lost} of {sum(row.asked for row in ours)} requests")
    return 1 if lost or not all(row.serving for row in ours) else 0


def as_table(rows: Sequence[Row]) -> str:
    """The rows as a table for a person; Markdown, so that the docs can quote it."""
    head = "| way | asked | failed | longest gap | p99 | wall time |\n|---|---|---|---|---|---|"
    lines = [
        f"| {row.way} | {row.asked} | {row.failed} | {row.longest_gap_seconds:.1f} s "
        f"| {row.p99_seconds * 1000:.0f} ms | {row.wall_seconds:.1f} s |"
        + ("" if row.serving else " **the new release never served**")
        for row in rows
    ]
    return "\n".join([head, *lines])


if __name__ == "__main__":
    sys.exit(main())
