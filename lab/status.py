"""`python -m lab status`: where everything is, and whether it is up."""

from __future__ import annotations

import argparse
import json
from typing import Any

from lab.engine import engine_answers
from lab.lab import Lab
from lab.ports import answers
from lab.settings import Host, LabSettings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `status`."""
    parser = subparsers.add_parser("status", help="where everything is, and whether it is up")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the status; 1 if there is no lab."""
    status = status_of(Lab.load(args.home))
    print(json.dumps(status, indent=2) if args.json else in_words(status))
    return 0


def status_of(lab: Lab) -> dict[str, Any]:
    """Every address and every state, as `status --json` prints them."""
    settings = lab.settings
    return {
        "name": settings.name,
        "home": str(settings.home),
        "environment": "lab",
        **host_urls(settings.hosts[0]),
        **service_urls(settings),
        "repository": settings.slug,
        "registry": settings.registry,
        "mirror": f"localhost:{settings.ports['mirror']}",
        "docker_host": lab.docker_host,
        "hosts": [host_status(lab, host) for host in settings.hosts],
        "services": {
            name: "up" if answers(port) else "down" for name, port in settings.ports.items()
        },
    }


def service_urls(settings: LabSettings) -> dict[str, str]:
    """Where the services answer."""
    return {
        "prefect_ui_url": settings.url("prefect"),
        "prefect_api_url": f"{settings.url('prefect')}/api",
        "github_url": settings.url("github"),
        "aws_url": settings.url("aws"),
        "doppler_url": settings.url("doppler"),
        "slack_url": settings.url("slack"),
    }


def host_urls(host: Host) -> dict[str, str]:
    """Where the stack of this host answers."""
    return {f"{name}_url": f"http://localhost:{port}" for name, port in host.ports.items()}


def host_status(lab: Lab, host: Host) -> dict[str, str]:
    """One host: its names, its state and its addresses."""
    state = lab.instance(host).state() if engine_answers(lab.docker_host) else "engine down"
    return {
        "name": host.name,
        "instance_id": host.instance_id,
        "container": host.container,
        "state": state,
        **host_urls(host),
    }


def in_words(status: dict[str, Any]) -> str:
    """The status for a person."""
    lines = [f"{status['name']} in {status['home']}"]
    lines += [f"  {key:<18} {value}" for key, value in status.items() if key.endswith("_url")]
    lines += [f"  {'registry':<18} {status['registry']}"]
    lines += [f"  {host['name']:<18} {host['state']}" for host in status["hosts"]]
    down = [name for name, state in status["services"].items() if state == "down"]
    return "\n".join([*lines, f"  down: {', '.join(down)}" if down else "  every service is up"])
