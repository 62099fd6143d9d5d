"""An environment whose doors lead to doubles in this process."""

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from prefect_aws import AwsCredentials
from prefect_docker import DockerHost, DockerRegistryCredentials
from prefect_github import GitHubCredentials
from pydantic import PrivateAttr, SecretStr

from blocks.aws_hosts import Agent, AwsHosts, Host, Invocation, Output
from blocks.buildx import BuildOrder, Buildx
from blocks.doppler import DopplerSecrets
from blocks.environment import Environment
from blocks.github_api import GitHubApi
from blocks.registry import Registry
from delivery.image import ImageRepository
from tests.fakes import DopplerDouble, FakeClock, GitHubDouble, RegistryDouble
from tests.scripted_hosts import Ended, HostWorld

SECRETS = {
    "github": "ghp_" + "secret0of0github00",
    "registry": "secret-of-the-registry",
    "aws": "secret/of+the/aws/account",
    "doppler": "dp.st.prd." + "secret0of0doppler",
    "slack": "secret0of0slack",
}
IMAGE = "ghcr.io/tt/app"


class FakeDoppler(DopplerSecrets):
    """Doppler in this process; the block's own calls, and a double that answers them."""

    _block_type_name = "Fake Doppler"
    _block_type_slug = "fake-doppler"

    _double: DopplerDouble = PrivateAttr(default_factory=DopplerDouble)

    @property
    def double(self) -> DopplerDouble:
        """Doppler as this block sees it."""
        return self._double

    def get_client(self) -> httpx.Client:
        return httpx.Client(base_url=self.api_url, transport=self._double.transport())


def settings(**changes: Any) -> dict[str, Any]:
    """What an ``Environment`` needs, each field replaceable."""
    fields: dict[str, Any] = {
        "name": "testing",
        "repository": "tt/app",
        "image": IMAGE,
        "tag_value": "TT-ec2-1",
        "aws": AwsCredentials(region_name="ap-northeast-2"),
        "github": GitHubCredentials(token=SecretStr(SECRETS["github"])),
        "registry": DockerRegistryCredentials(
            username="tt-bot",
            password=SecretStr(SECRETS["registry"]),
            registry_url="ghcr.io",
        ),
        "docker_host": DockerHost(),
        "doppler": DopplerSecrets(
            project="tt", config="prd", service_token=SecretStr(SECRETS["doppler"])
        ),
    }
    return fields | changes


class FakeHosts(AwsHosts):
    """Systems Manager without the network: a script has ended as soon as it was sent."""

    def __init__(self, **worlds: HostWorld) -> None:
        self.worlds = worlds or {"TT-ec2-1": HostWorld()}
        self.sent: list[str] = []
        self.ping = "Online"
        self.limits: list[tuple[int, int]] = []
        self._ended: dict[str, dict[str, Ended]] = {}

    def may_cancel(self) -> bool:
        return True

    def running(self, tag: str, value: str) -> list[Host]:
        return [Host(f"i-{name}", name) for name in self.worlds]

    def states(self, tag: str, value: str) -> dict[str, str]:
        return {host.instance_id: "running" for host in self.running(tag, value)}

    def agents(self, hosts: Sequence[Host]) -> list[Agent]:
        heard = datetime.datetime.now(datetime.UTC)
        pings = {h: self.worlds[h.name].ping if self.ping == "Online" else self.ping for h in hosts}
        return [Agent(h.instance_id, ping, heard, "3") for h, ping in pings.items() if ping]

    def send(
        self, hosts: Sequence[Host], script: str, *, comment: str, delivery: int, execution: int
    ) -> str:
        self.sent.append(script)
        self.limits.append((delivery, execution))
        command = str(len(self.sent))
        self._ended[command] = {h.instance_id: self.worlds[h.name].run(script) for h in hosts}
        return command

    def invocations(self, command_id: str) -> list[Invocation]:
        ended = self._ended[command_id]
        return [Invocation(name, each.status, final=True) for name, each in ended.items()]

    def output(self, command_id: str, instance_id: str) -> Output:
        ended = self._ended[command_id][instance_id]
        return Output(ended.said, ended.noise)


class FakeBuilder(Buildx):
    """A builder that notes its orders and pushes an empty image with their labels."""

    def __init__(self, registry: RegistryDouble) -> None:
        self.orders: list[BuildOrder] = []
        self.files: list[dict[str, str]] = []
        self.pushes = True
        self._into = registry

    def build_and_push(
        self, order: BuildOrder, *, on_line: Callable[[str], None], timeout_seconds: float
    ) -> None:
        self.orders.append(order)
        self.files.append({p.name: p.read_text() for p in order.context.iterdir() if p.is_file()})
        on_line("#1 building")
        if self.pushes:
            start = "org.opencontainers.image."
            labels = {name.removeprefix(start): value for name, value in order.labels.items()}
            revision = labels.pop("revision")
            self._into.put(order.names[0].rpartition(":")[2], revision, **labels)


class FakeEnvironment(Environment):
    """``Environment`` with its doors replaced; everything else is the product's own."""

    _block_type_name = "Fake Environment"
    _block_type_slug = "fake-environment"

    _github: GitHubDouble = PrivateAttr(default_factory=GitHubDouble)
    _registry: RegistryDouble = PrivateAttr(default_factory=RegistryDouble)
    _hosts: FakeHosts = PrivateAttr(default_factory=FakeHosts)
    _clock: FakeClock = PrivateAttr(default_factory=FakeClock)
    _builder: FakeBuilder | None = PrivateAttr(default=None)

    @property
    def on_github(self) -> GitHubDouble:
        """GitHub as this environment sees it."""
        return self._github

    @property
    def in_registry(self) -> RegistryDouble:
        """The registry as this environment sees it."""
        return self._registry

    @property
    def hosts(self) -> FakeHosts:
        """The hosts of this environment."""
        return self._hosts

    @property
    def waits(self) -> list[float]:
        """The seconds that GitHub's door has waited, one by one."""
        return self._clock.sleeps

    def secrets(self) -> list[str]:
        """Every secret that this environment knows; none may be seen anywhere."""
        return list(SECRETS.values())

    def hosts_door(self) -> FakeHosts:
        return self._hosts

    def github_api(self, **manner: Any) -> GitHubApi:
        return GitHubApi(
            api_url="https://api.github.example",
            repository=self.repository,
            token=self.github_token(),
            transport=self._github.transport(),
            sleep=self._clock.sleep,
            clock=self._clock,
            **manner,
        )

    def registry_door(self) -> Registry:
        return Registry(
            ImageRepository.parse(self.image),
            username="tt-bot",
            password=SECRETS["registry"],
            transport=self._registry.transport(),
        )

    def builder_door(self) -> FakeBuilder:
        if self._builder is None:
            self._builder = FakeBuilder(self._registry)
        return self._builder


def environment(**changes: Any) -> FakeEnvironment:
    """A whole environment that touches nothing outside this process (but git, locally)."""
    doppler = FakeDoppler(project="tt", config="prd", service_token=SecretStr(SECRETS["doppler"]))
    return FakeEnvironment(**settings(**{"doppler": doppler, **changes}))
