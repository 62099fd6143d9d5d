"""``python -m benchmarks``: what a deploy costs beside its host scripts, in the lab that is up."""

import argparse
import sys

from benchmarks.own_time import measure


def main() -> int:
    """Measure one deploy with nothing to build; 1 if our own time is over the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--limit", type=float, default=20.0, help="seconds of our own that are allowed"
    )
    limit = parser.parse_args().limit
    measured = measure()
    print(measured.as_text())
    print(f"allowed: {limit:.1f} s")
    return 0 if measured.own_seconds <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
