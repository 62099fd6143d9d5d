"""`python -m lab fault TARGET KIND`: breaks a part of the lab, for a while or until told.

The services and the registry break themselves (`lab/services/faults.py`); what befalls a
host is done to its container and lasts no longer than the host's next reboot, but for a
full disk and a fast clock.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.asking import ask
from lab.errors import LabError
from lab.lab import ROOT, Lab
from lab.services.aws import ec2_client
from lab.settings import Host

CLEAR = "clear"
SERVICE_KINDS = (
    "down", "slow", "error", "throttle", "reset", "garbage", "unauthorized", "forbidden", "limit",
)  # fmt: skip
TARGETS: dict[str, tuple[str, str | None]] = {
    "github": ("github", None),
    "doppler": ("doppler", None),
    "registry": ("registry", None),
    "slack": ("slack", None),
    "aws": ("aws", None),
    "ssm": ("aws", "ssm$"),
    "ec2": ("aws", "ec2$"),
}
"""Services by the name of the fault's target, with the requests that belong to it."""
FILL = "/disk/fault-fill"
HELD_AGENT = "/run/tt-lab/ssm-agent.held"
PRELOADED = "/etc/ld.so.preload"
FAST = "+60s"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `fault`."""
    parser = subparsers.add_parser(
        "fault",
        help="break a service or a host, or mend it (`clear`)",
        description=f"Services ({', '.join(TARGETS)}): {', '.join(SERVICE_KINDS)}. "
        f"Hosts (`host`, or a host's name): {', '.join(HOST_FAULTS)}. All: {CLEAR}.",
    )
    parser.add_argument("target", help="a service, `host`, or the name or number of a host")
    parser.add_argument("kind", help="what is to happen")
    parser.add_argument("--for", type=float, dest="seconds", help="seconds until it ends")
    parser.add_argument("--match", help="services: only requests that this expression finds")
    parser.add_argument("--count", type=int, help="services: only so many requests")
    parser.add_argument("--delay", type=float, help="slow: seconds an answer is held back")
    parser.add_argument("--status", type=int, help="error: the HTTP status")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Cause the fault; 0 once it is in force."""
    lab = Lab.load(args.home)
    if args.target in TARGETS:
        print(json.dumps(break_service(lab, args)))
    else:
        hosts = lab.settings.hosts
        for host in hosts if args.target == "host" else [lab.settings.host(args.target)]:
            befall(lab, host, args.kind, args.seconds)
    return 0


def break_service(lab: Lab, args: argparse.Namespace) -> Any:
    """Tell a service which fault to have; return what is in force there now."""
    service, match = TARGETS[args.target]
    if args.kind == CLEAR:
        return ask(lab.settings, service, "fault", method="DELETE")
    fault = {
        "kind": args.kind,
        "seconds": args.seconds,
        "match": args.match or match,
        "count": args.count,
        "delay_seconds": args.delay,
        "status": args.status,
    }
    said = {key: value for key, value in fault.items() if value is not None}
    return ask(lab.settings, service, "fault", body=said)


def befall(lab: Lab, host: Host, kind: str, seconds: float | None) -> None:
    """Let a fault happen to a host, and have it mended after so many seconds if given."""
    known = {**HOST_FAULTS, CLEAR: clear}
    if kind not in known:
        raise LabError(f"nothing called {kind!r} happens to hosts; there is {', '.join(known)}")
    known[kind](lab, host)
    print(f"{host.name}: {kind}")
    if seconds is not None:
        mend_later(lab, host, seconds)


def mend_later(lab: Lab, host: Host, seconds: float) -> None:
    """Leave a process behind that clears the host's faults after this time."""
    name = f"mend-{host.name}"
    lab.processes.stop(name)
    waiting = f'sleep {seconds}; exec "$0" -m lab --home "$1" fault "$2" {CLEAR}'
    command: list[str | Path] = [
        "bash",
        "-c",
        waiting,
        sys.executable,
        lab.settings.home,
        host.name,
    ]
    lab.processes.start(name, command, cwd=ROOT)


def stop(lab: Lab, host: Host) -> None:
    """Shut the host down, as "Stop instance" does."""
    lab.instance(host).stop()
    ec2_client(lab.settings).stop_instances(InstanceIds=[host.instance_id])


def start(lab: Lab, host: Host) -> None:
    """Start it again; nothing happens if it runs."""
    ec2_client(lab.settings).start_instances(InstanceIds=[host.instance_id])
    lab.instance(host).start()


def reboot(lab: Lab, host: Host) -> None:
    """Shut it down and start it."""
    lab.instance(host).reboot()


def fill_disk(lab: Lab, host: Host) -> None:
    """Leave not one free block on the host's disk."""
    instance = lab.instance(host)
    if not instance.succeeds("mountpoint", "--quiet", "/disk"):
        raise LabError(f"{host.name} has no disk of its own (TT_LAB_DISK_GB was 0 at its start)")
    # Most of it is only reserved, so this machine's disk does not fill; the rest is written.
    script = (
        "free=$(df --output=avail --block-size=1M /disk | tail -n 1); "
        f'((free < 64)) || fallocate --length "$((free - 32))M" {FILL}; '
        f"dd if=/dev/zero of={FILL} bs=64K oflag=append conv=notrunc status=none || true"
    )
    instance.run("bash", "-c", script)


def kill_agent(lab: Lab, host: Host) -> None:
    """Kill the Systems Manager agent and keep it from coming back; what it started lives on."""
    script = f'touch {HELD_AGENT}; kill -KILL "$(cat /run/tt-lab/ssm-agent.pid)" || true'
    lab.instance(host).run("bash", "-c", script)


def fast_clock(lab: Lab, host: Host) -> None:
    """Have every program that starts on the host from now on see a clock a minute ahead.

    The clock itself is this machine's: libfaketime stands before the C library. Go's programs,
    which use none, still see the right time, and so do containers.
    """
    script = (
        f'echo "{FAST}" > /etc/faketimerc; '
        f"find /usr/lib -name libfaketime.so.1 | grep . > {PRELOADED}"
    )
    lab.instance(host).run("bash", "-c", script)


def clear(lab: Lab, host: Host) -> None:
    """Mend whatever was done to it; while its disk is full it may not boot."""
    ec2_client(lab.settings).start_instances(InstanceIds=[host.instance_id])
    instance = lab.instance(host)
    instance.power_on()
    # Its disk is mounted once init has come so far.
    script = (
        "until [[ -e /run/tt-lab/booted ]]; do sleep 0.1; done; "
        f"rm --force {FILL} {HELD_AGENT} {PRELOADED}"
    )
    instance.run("timeout", "60", "bash", "-c", script)
    instance.wait_booted()


HOST_FAULTS: dict[str, Callable[[Lab, Host], None]] = {
    "stop": stop,
    "start": start,
    "reboot": reboot,
    "fill-disk": fill_disk,
    "kill-agent": kill_agent,
    "fast-clock": fast_clock,
}
