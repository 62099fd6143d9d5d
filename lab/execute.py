"""`python -m lab exec HOST -- COMMAND`: runs a command on a host, as root, beside AWS."""

from __future__ import annotations

import argparse

from lab.errors import LabError
from lab.lab import Lab


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `exec`."""
    parser = subparsers.add_parser("exec", help="run a command on a host")
    parser.add_argument("host", help="its name, number or instance id")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND...; else a shell")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Become the command, if the host runs."""
    lab = Lab.load(args.home)
    instance = lab.instance(lab.settings.host(args.host))
    if (state := instance.state()) != "running":
        raise LabError(f"{args.host} is {state}: `python -m lab fault {args.host} start`")
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    instance.attach(command or ["bash"])
