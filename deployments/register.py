"""Make a Prefect server know one environment: ``python -m deployments.register ENVIRONMENT``.

Creates or updates the block types, the environment's blocks, its concurrency limit, the
work pool and the automation that notices dead runs. Twice gives the same as once. The file
``deployments/environments/ENVIRONMENT.yaml`` says what is no secret; the secrets come from
the variables TT_GITHUB_TOKEN, TT_REGISTRY_USERNAME, TT_REGISTRY_PASSWORD, TT_DOPPLER_TOKEN
and, if there are any, TT_SLACK_WEBHOOK_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
No secret is ever printed. ``--docker`` makes the second work pool too (``docker_pool``).
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL

from blocks.environment import ENVIRONMENT_NAME, Environment
from delivery.errors import ConfigurationError, DeliveryError
from delivery.redaction import redact
from deployments import docker_pool
from deployments.automations import crash_of_silent_runs
from deployments.credentials import Credentials
from deployments.docker_pool import DockerPool
from deployments.environment_blocks import EnvironmentBlocks, environment_blocks
from deployments.environment_file import ENVIRONMENTS, load_file
from deployments.server import (
    Change,
    ensure_automation,
    ensure_docker_pool,
    ensure_limit,
    ensure_work_pool,
    store_block,
)

WORK_POOL = "tt-deploy"


class ServerUnreachable(DeliveryError):
    """The Prefect server did not answer, or refused."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if everything is registered, 1 if the server is not to be had, 2 for bad input."""
    asked = _parser().parse_args(arguments)
    try:
        blocks = prepare(asked.environment, asked.file, os.environ)
        docker = DockerPool.from_environment(os.environ) if asked.docker else None
        for change, kind, name in register(blocks, docker):
            sys.stdout.write(f"{change:<9}  {kind:<18}  {name}\n")
    except ServerUnreachable as error:
        sys.stderr.write(f"{redact(str(error))}\n")
        return 1
    except DeliveryError as error:
        sys.stderr.write(f"{redact(str(error))}\n")
        return 2
    return 0


def prepare(name: str, file: Path | None, environment: Mapping[str, str]) -> EnvironmentBlocks:
    """Everything that will be registered, validated; nothing was written yet.

    Raises ConfigurationError for a bad name, a bad file and for missing variables.
    """
    if not ENVIRONMENT_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot name an environment: use lower-case letters, digits and dashes."
        )
    path = file or ENVIRONMENTS / f"{name}.yaml"
    said = load_file(path, environment)
    try:
        return environment_blocks(name, said, Credentials.from_environment(environment))
    except ConfigurationError as error:
        error.where = error.where or str(path)
        raise


def register(
    blocks: EnvironmentBlocks, docker: DockerPool | None = None
) -> Iterator[tuple[Change, str, str]]:
    """Write what differs, one thing after the other: what was done, to what, its name.

    Raises ServerUnreachable if the server does not answer, at whatever point: what was
    written by then is right, and a second call writes the rest.
    """
    where = PREFECT_API_URL.value()
    if not where:
        raise ConfigurationError(
            "No Prefect server is named.",
            next_command="export PREFECT_API_URL=http://127.0.0.1:4200/api",
        )
    try:
        with get_client(sync_client=True) as client:
            _refuse_silence(client, where)
            # The pools first: they are what can be refused.
            if docker is not None:
                change = ensure_docker_pool(client, docker_pool.WORK_POOL, docker.job_template())
                yield change, "work pool", docker_pool.WORK_POOL
            yield ensure_work_pool(client, WORK_POOL), "work pool", WORK_POOL
            yield from _write(client, blocks)
    except (httpx.HTTPError, PrefectException) as error:
        raise _unreachable(where, error) from None


def _write(
    client: SyncPrefectClient, blocks: EnvironmentBlocks
) -> Iterator[tuple[Change, str, str]]:
    limit = f"deploy-{blocks.name}"
    yield ensure_limit(client, limit), "concurrency limit", limit
    Environment.register_type_and_schema()  # and those of its doors
    doors: dict[str, Block] = {}
    for field, block in blocks.doors.items():
        doors[field], change = store_block(client, block, blocks.document(field))
        yield change, "block", f"{block.get_block_type_slug()}/{blocks.document(field)}"
    environment = blocks.environment(doors)
    _, change = store_block(client, environment, blocks.name)
    yield change, "block", f"{environment.get_block_type_slug()}/{blocks.name}"
    automation = crash_of_silent_runs()
    yield ensure_automation(client, automation), "automation", automation.name


def _refuse_silence(client: SyncPrefectClient, where: str) -> None:
    problem = client.api_healthcheck()
    if problem is not None:
        raise _unreachable(where, problem)


def _unreachable(where: str, error: Exception) -> ServerUnreachable:
    response = getattr(error, "response", None)  # of a request that was answered
    if response is not None and response.status_code in (401, 403):
        return ServerUnreachable(
            "The Prefect server refuses the login.",
            where=where,
            next_command="export PREFECT_API_AUTH_STRING=user:password   # as the server has it",
        )
    return ServerUnreachable(
        f"The Prefect server does not answer as it should: {type(error).__name__}.",
        where=where,
        next_command="prefect server start   # or correct PREFECT_API_URL",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.register",
        description="Make a Prefect server know one environment. Twice gives the same as once.",
    )
    parser.add_argument("environment", help="its name: lab, staging, production")
    parser.add_argument(
        "--file", type=Path, help="its file (default: deployments/environments/NAME.yaml)"
    )
    parser.add_argument(
        "--docker", action="store_true", help="also the work pool whose runs are containers"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
