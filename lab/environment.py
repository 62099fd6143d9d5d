"""What `python -m lab env` says: how a person, a test or a worker reaches the lab."""

from __future__ import annotations

import argparse
import shlex

from lab.lab import Lab
from lab.settings import LabSettings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `env`."""
    parser = subparsers.add_parser("env", help='exports for a shell: eval "$(python -m lab env)"')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one `export` line for each variable, the PATH first."""
    lab = Lab.load(args.home)
    print(f"export PATH={shlex.quote(str(lab.tools().root / 'bin'))}:$PATH")
    for name, value in variables(lab).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def variables(lab: Lab) -> dict[str, str]:
    """Every variable but PATH; the secrets are the lab's own and open nothing else."""
    settings = lab.settings
    return {**addresses(settings, lab.docker_host), **secrets(settings)}


def addresses(settings: LabSettings, docker_host: str) -> dict[str, str]:
    """Where everything is."""
    return {
        "PREFECT_API_URL": f"http://127.0.0.1:{settings.ports['prefect']}/api",
        "TT_LAB_HOME": str(settings.home),
        "TT_LAB_AWS_URL": settings.url("aws"),
        "TT_LAB_GITHUB_URL": settings.url("github"),
        "TT_LAB_REPOSITORY": settings.slug,
        "TT_LAB_REGISTRY": settings.registry,
        "TT_LAB_DOPPLER_URL": settings.url("doppler"),
        "TT_LAB_SLACK_URL": settings.url("slack"),
        "TT_LAB_DOCKER_HOST": docker_host,
        "TT_LAB_APP_URL": settings.hosts[0].app_url,
        "TT_LAB_GRAFANA_URL": f"http://localhost:{settings.hosts[0].ports['grafana']}",
        "AWS_DEFAULT_REGION": settings.region,
    }


def secrets(settings: LabSettings) -> dict[str, str]:
    """What the environment's blocks are registered with."""
    return {
        "TT_GITHUB_TOKEN": settings.github_token,
        "TT_REGISTRY_USERNAME": settings.registry_username,
        "TT_REGISTRY_PASSWORD": settings.registry_password,
        "TT_DOPPLER_TOKEN": settings.doppler_token,
        "TT_SLACK_WEBHOOK_URL": settings.url("slack") + settings.slack_path,
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key,
    }
