"""What one lab is called, where it listens and which credentials it invented.

Everything is chosen once, at the first `up`, and kept in `$TT_LAB_HOME/lab.json`
(mode 600), so that every later command and every service agrees on it.
"""

from __future__ import annotations

import json
import os
import secrets
import string
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from lab.errors import LabError
from lab.ports import choose_port

SERVICE_PORTS = {
    "registry": 5000,
    "mirror": 5001,
    "aws": 5010,
    "github": 5011,
    "doppler": 5012,
    "slack": 5013,
    "prefect": 4200,
    "database": 5432,
}
"""The number each service would like, by service."""

HOST_PORTS = {
    "app": (8080, 18080),
    "prometheus": (9090, 19090),
    "alertmanager": (9093, 19093),
    "grafana": (3001, 13001),
    "proxy": (8404, 18404),
}
"""Port inside the first host and the one it would like on this machine, by what answers there."""

HOST_PORT_STEP = 100
"""Host N would like the first host's ports plus (N - 1) times this."""


@dataclass(frozen=True, slots=True)
class Host:
    """One "EC2 instance": a container with a Docker engine of its own."""

    name: str
    container: str
    ports: dict[str, int]
    """Loopback port on this machine, by the names of `HOST_PORTS`."""
    instance_id: str = ""
    """AWS's name for it; empty until the instance was launched."""

    @property
    def app_url(self) -> str:
        """Where the application of this host answers."""
        return f"http://localhost:{self.ports['app']}"


@dataclass(frozen=True, slots=True)
class LabSettings:
    """Everything about one lab that does not change while it exists."""

    home: Path
    name: str
    ports: dict[str, int]
    hosts: tuple[Host, ...]
    github_token: str
    registry_username: str
    registry_password: str
    doppler_token: str
    slack_path: str
    aws_access_key_id: str
    aws_secret_access_key: str
    webhook_secret: str
    slack_bot_token: str = ""
    database_password: str = ""
    """Of Prefect's PostgreSQL; empty in labs that were made before there was one."""
    owner: str = "tt-lab"
    repository: str = "tt-backend"
    region: str = "ap-northeast-2"
    engine: str = ""
    """`private`, or the address of the engine that answered when the lab was made."""

    @classmethod
    def create(cls, home: Path, *, hosts: int = 1, promised: frozenset[int] = frozenset()) -> Self:
        """Choose ports that are not promised, invent the credentials and write them down."""
        name = lab_name(home)
        taken = set(promised)
        ports = {key: choose_port(wish, taken) for key, wish in SERVICE_PORTS.items()}
        settings = cls(
            home=home,
            name=name,
            ports=ports,
            hosts=tuple(new_host(name, number, taken) for number in range(1, hosts + 1)),
            github_token="ghp_" + random_text(36),
            registry_username="tt-lab",
            registry_password="ghp_" + random_text(36),
            doppler_token="dp.st.prd." + random_text(43),
            slack_path=f"/services/T{random_id(10)}/B{random_id(10)}/{random_text(24)}",
            aws_access_key_id="AKIA" + random_id(16),
            aws_secret_access_key=random_text(40),
            webhook_secret=random_text(40),
            slack_bot_token=f"xoxb-{random_text(12)}-{random_text(24)}",
            database_password=random_text(32),
        )
        settings.save()
        return settings

    @classmethod
    def load(cls, home: Path) -> Self:
        """Read what `create` wrote; raise `LabError` if this home holds no lab."""
        try:
            fields: dict[str, Any] = json.loads(settings_file(home).read_text())
        except FileNotFoundError:
            raise LabError(f"no lab in {home}: start one with `python -m lab up`") from None
        hosts = tuple(Host(**host) for host in fields.pop("hosts"))
        return cls(**{**fields, "home": home, "hosts": hosts})

    def save(self) -> None:
        """Write the settings so that only their owner can read them, whole or not at all."""
        self.home.mkdir(parents=True, exist_ok=True)
        target = settings_file(self.home)
        draft = target.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({**asdict(self), "home": str(self.home)}, indent=2) + "\n")
        draft.rename(target)

    def with_hosts(self, number: int, *, promised: frozenset[int] = frozenset()) -> Self:
        """The same lab with at least this many hosts; those that exist keep their ports."""
        taken = {port for host in self.hosts for port in host.ports.values()}
        taken |= {*self.ports.values(), *promised}
        more = range(len(self.hosts) + 1, number + 1)
        return replace(self, hosts=self.hosts + tuple(new_host(self.name, n, taken) for n in more))

    def host(self, name: str) -> Host:
        """The host of this name, number or instance id; raise `LabError` if there is none."""
        for number, host in enumerate(self.hosts, start=1):
            if name in (host.name, host.container, host.instance_id, str(number)):
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise LabError(f"no host {name!r} in this lab; there is {known}")

    def url(self, service: str) -> str:
        """Where a service answers, from this machine and from inside a host alike."""
        return f"http://localhost:{self.ports[service]}"

    @property
    def slug(self) -> str:
        """The application's repository as `owner/name`."""
        return f"{self.owner}/{self.repository}"

    @property
    def registry(self) -> str:
        """The registry as it stands in an image reference."""
        return f"localhost:{self.ports['registry']}"

    @property
    def run(self) -> Path:
        """Where records of running processes and sockets lie."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """Where the lab's processes write what they have to say."""
        return self.home / "logs"


def settings_file(home: Path) -> Path:
    """Where the settings of the lab in this home are kept."""
    return home / "lab.json"


def default_home() -> Path:
    """`TT_LAB_HOME`, or `.lab` in this repository."""
    chosen = os.environ.get("TT_LAB_HOME")
    return Path(chosen).absolute() if chosen else Path(__file__).resolve().parents[1] / ".lab"


def default_cache() -> Path:
    """Where downloads are kept; `down` leaves them alone."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tt-lab"


def lab_name(home: Path) -> str:
    """A name that two labs on one machine do not share: it is made from the home."""
    return "tt-lab-" + sha256(str(home).encode()).hexdigest()[:6]


def new_host(lab: str, number: int, taken: set[int]) -> Host:
    """Host `number` (from 1) with its ports chosen."""
    name = f"TT-ec2-{number}"
    offset = (number - 1) * HOST_PORT_STEP
    ports = {key: choose_port(wish + offset, taken) for key, (_, wish) in HOST_PORTS.items()}
    return Host(name=name, container=f"{lab}-{name}", ports=ports)


def random_text(length: int) -> str:
    """Letters and digits that nobody guesses."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def random_id(length: int) -> str:
    """Capitals and digits, as AWS and Slack write their identifiers."""
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(length))
