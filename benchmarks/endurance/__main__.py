"""``python -m benchmarks.endurance``: what takes too long for every test run.

In the lab that is up: ten releases in a row; a worker killed at ten moments spread over a
deploy, which is then started again; a fleet of three. Under an open-loop load on loopback.
Fails if a request was lost while a healthy release could serve, or if anything is not as it
should be afterwards.
"""

import argparse
import sys
from collections.abc import Iterator

from benchmarks.endurance.fleet import fleet
from benchmarks.endurance.one_host import in_a_row, killed
from benchmarks.endurance.rows import Row, as_table
from lab.settings import default_home
from tools.driving import Delivering, DrivenLab

_TRIALS = ("deploys", "kills", "fleet")


def main() -> int:
    """Run the trials, print each as it ends and all in the end, and judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("trials", nargs="*", choices=[*_TRIALS, []], help=", ".join(_TRIALS))
    parser.add_argument("--times", type=int, default=10, help="deploys, and kills")
    options = parser.parse_args()
    rows: list[Row] = []
    for row in _rows(options.trials or _TRIALS, times=options.times):
        print(f"{row.trial}: {row.outcome}, {row.verdict}", flush=True)
        rows.append(row)
    print(as_table(rows))
    return 1 if any(row.wrong for row in rows) else 0


def _rows(trials: list[str] | tuple[str, ...], *, times: int) -> Iterator[Row]:
    lab = DrivenLab.at(default_home())
    one = Delivering(lab)
    if not one.serving():
        one.run("deploy")
    if "deploys" in trials:
        yield from in_a_row(one, times=times)
    if "kills" in trials:
        yield from killed(one, times=times)
    if "fleet" in trials:
        yield from fleet(lab)


if __name__ == "__main__":
    sys.exit(main())
