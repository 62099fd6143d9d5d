"""A registered environment whose far ends are doubles on loopback, new ones for each test."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import get_client
from prefect.blocks.notifications import SlackWebhook
from prefect.context import SettingsContext, get_settings_context
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY
from prefect_aws import AwsCredentials
from prefect_aws.client_parameters import AwsClientParameters
from prefect_docker import DockerRegistryCredentials
from pydantic import SecretStr

from blocks.doppler import DopplerSecrets
from blocks.environment import Environment
from delivery.report import Report
from deployments.server import ensure_limit
from flows.ending import report_of
from flows.rollout import rollout
from tests.fake_environment import SECRETS, settings
from tests.fakes import DopplerDouble, Handler, RegistryDouble, served
from tests.prefect_world import run_log
from tests.repositories import GitHubOf, WorkingRepository
from tests.scripted_hosts import SHA, HostWorld, ScriptedHosts
from tests.slack_double import SlackDouble

__all__ = ["run_log"]


COMPOSE = """\
services:
  app:
    image: ${APP_IMAGE:?by digest}
    environment: {DDL_AUTO: "${DDL_AUTO:?what Hibernate does}"}
  gateway:
    image: haproxy
    ports: ["8080:8080"]
"""


@dataclass
class World:
    """One environment, registered; and what lies behind its doors."""

    name: str
    image: str
    application: WorkingRepository
    aws: ScriptedHosts
    github: GitHubOf
    registry: RegistryDouble
    slack: SlackDouble
    doppler: DopplerDouble

    @property
    def host(self) -> HostWorld:
        """Its only host."""
        return self.aws.host

    def built(self, tag: str, revision: str = SHA) -> str:
        """Have a release's image in the registry; its reference by digest."""
        digest = self.registry.put(tag, revision, version=tag.removeprefix("v"))
        return f"{self.image}@{digest}"

    def running(self, tag: str) -> str:
        """Have a release in the registry and running, healthy, on the host; its image."""
        image = self.built(tag)
        self.host.runs(image, tag.removeprefix("v"))
        return image

    def rolled_out(self, tag: str, **parameters: Any) -> Report:
        """The report of putting a built release on the host."""
        state: Any = rollout(self.name, tag, **parameters, return_state=True)
        return report_of(state)


class Relay:
    """A double's place on loopback for the whole session; each test puts its own there."""

    def __init__(self) -> None:
        self.to: Handler | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert self.to is not None, "a request between two tests"
        return self.to(request)


@dataclass
class Registered:
    """The environment that all tests of flows share: registering one takes seconds."""

    name: str
    image: str
    source: Path
    aws: Relay
    github: Relay
    registry: Relay
    slack: Relay
    doppler: Relay


@pytest.fixture(scope="session")
def registered(
    prefect_server: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registered]:
    """An environment on Prefect's test server, quick to judge: one look, a second's patience."""
    source = tmp_path_factory.mktemp("source") / "application"
    relays = [Relay() for _ in range(5)]
    with served(*relays) as (at_aws, at_github, at_registry, at_slack, at_doppler):
        webhook = f"{at_slack.url}/services/T1/B1/{SECRETS['slack']}"
        image = f"{at_registry.address}/tt/app"
        Environment(
            **settings(
                name="testing",
                image=image,
                git_url=str(source),
                github_api_url=at_github.url,
                preflight={"agent_patience_seconds": 0},
                # A fleet's setting: it must not spare a single host.
                rollout={"failure_budget": 1},
                slack=SlackWebhook(url=SecretStr(webhook), allow_private_urls=True),
                health={
                    "passes": 1,
                    "interval_seconds": 0.1,
                    "span_seconds": 0,
                    "deadline_seconds": 1,
                },
                soak={"watch_seconds": 1, "interval_seconds": 0.1},
                verification={"patience_seconds": 0},
                aws=AwsCredentials(
                    aws_access_key_id="testing",
                    aws_secret_access_key=SecretStr(SECRETS["aws"]),
                    region_name="ap-northeast-2",
                    aws_client_parameters=AwsClientParameters(endpoint_url=at_aws.url),
                ),
                doppler=DopplerSecrets(
                    project="tt",
                    config="prd",
                    service_token=SecretStr(SECRETS["doppler"]),
                    api_url=at_doppler.url,
                ),
                registry=DockerRegistryCredentials(
                    username="tt-bot",
                    password=SecretStr(SECRETS["registry"]),
                    registry_url=at_registry.address,
                ),
            )
        ).save("testing", overwrite=True)
        yield Registered("testing", image, source, *relays)


@pytest.fixture(scope="session")
def without_heartbeat(prefect_server: None) -> SettingsContext:
    """Prefect's settings but for one, made once: it reads them all anew for each change of one.

    Each flow would wait up to a second for its heart to stop beating.
    """
    now = get_settings_context()
    settings = now.settings.copy_with_update({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    return SettingsContext(profile=now.profile, settings=settings)


@pytest.fixture
def world(
    registered: Registered,
    without_heartbeat: SettingsContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """The registered environment, with nothing behind its doors yet."""
    monkeypatch.setenv("TT_CACHE", str(tmp_path / "cache"))
    application = WorkingRepository(registered.source)
    application.write("docker/docker-compose.yml", COMPOSE)
    application.write("monitoring/alertmanager/alertmanager.yml", "route: {receiver: none}\n")
    application.commit("feat: first")
    aws, github, registry = ScriptedHosts(), GitHubOf(application), RegistryDouble()
    slack = registered.slack.to = SlackDouble()
    doppler = registered.doppler.to = DopplerDouble()
    registered.aws.to, registered.github.to, registered.registry.to = aws, github, registry
    with get_client(sync_client=True) as client:
        ensure_limit(client, f"deploy-{registered.name}")
    with without_heartbeat:
        yield World(
            registered.name, registered.image, application, aws, github, registry, slack, doppler
        )
    shutil.rmtree(registered.source)
