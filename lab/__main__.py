"""`python -m lab COMMAND`: the cloud on one machine. See docs/lab.md."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.settings import default_home


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 for success, 1 for a `LabError`, 2 for bad usage, 141 if none listens."""
    args = parser().parse_args(arguments)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # As with `| head`. Python would flush once more as it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (LabError, subprocess.TimeoutExpired) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return code


def parser() -> argparse.ArgumentParser:
    """All commands, each from the module that carries it out."""
    # Imported here: a module that cannot be imported should not keep `--help` from working.
    from lab import commit, down, environment, execute, faults, inspect, status, up

    top = argparse.ArgumentParser(prog="python -m lab", description="The cloud on one machine.")
    top.add_argument(
        "--home", type=_absolute, default=default_home(), help="state directory (TT_LAB_HOME, .lab)"
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for module in (up, down, status, environment, execute, commit, faults, inspect):
        module.add_parser(commands)
    return top


def _absolute(path: str) -> Path:
    """One lab, however its home was written: its name is made from it, and git is told of it."""
    return Path(path).absolute()


if __name__ == "__main__":
    sys.exit(main())
