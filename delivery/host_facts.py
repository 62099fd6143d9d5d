"""The facts of ``host/diagnose.sh``, read into values.

The script gathers text as the programs print it, each part bounded; what does not read is
passed over here, since half a picture is better than none. All text is redacted on the way in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from delivery.host_script import HostAnswer
from delivery.redaction import redact

Text = Annotated[str, AfterValidator(redact)]
Lines = tuple[Text, ...]


PARTS = frozenset(
    {
        "disks", "memory", "containers", "token", "registry", "compose", "names", "postgres",
        "redis", "ports", "kernel", "actuator", "events", "logs",
    }
)  # fmt: skip
"""What ``diagnose.sh`` looks at, by the names of the fields below."""


class ContainerFacts(BaseModel):
    """One container of the project; ``memory`` is its limit in bytes, 0 for none."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    service: str
    name: str
    id: str = ""
    image: str = ""
    state: str = ""
    health: str = ""
    exit_code: int = 0
    oom: bool = False
    restarts: int = 0
    started: str = ""
    error: Text = ""
    memory: int = 0
    ports: str = ""

    @property
    def called(self) -> str:
        """The container's name as people type it."""
        return self.name.removeprefix("/")

    @property
    def well(self) -> bool:
        """Whether it runs, and is healthy if it can say so."""
        return self.state == "running" and self.health in ("", "healthy")

    @property
    def in_words(self) -> str:
        """For evidence: how it stands."""
        parts = [
            f"{self.called}: {self.state or 'unknown'}",
            self.health,
            f"exit code {self.exit_code}" if self.state in ("exited", "restarting") else "",
            "OOM-killed" if self.oom else "",
            f"restarted {self.restarts} times" if self.restarts else "",
            self.error,
        ]
        return ", ".join(part for part in parts if part)


class HostFacts(HostAnswer):
    """The answer of ``diagnose.sh``, as the host's programs said it."""

    now: int = 0
    engine: str = ""
    doppler_answered: bool = False
    registry_asked: bool = False
    disks: Lines = ()
    memory: Lines = ()
    containers: tuple[ContainerFacts, ...] = ()
    token: Text = ""
    doppler: Text = ""
    registry: Text = ""
    compose: Lines = ()
    names: Lines = ()
    postgres: Text = ""
    redis: Text = ""
    ports: Lines = ()
    kernel: Lines = ()
    actuator: Lines = ()
    events: Lines = ()
    last_failure: Text = ""
    logs: Text = ""
    unseen: tuple[str, ...] = ()
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """One file system; sizes in KiB."""

    mount: str
    size: int
    free: int
    inodes: int
    inodes_free: int


def disks(facts: HostFacts) -> list[Disk]:
    """The file systems that matter; one that is mounted at several places counts once."""
    rows = (line.split("|") for line in facts.disks)
    found = {tuple(row[1:]): Disk(row[0], *map(number, row[1:])) for row in rows if len(row) == 5}
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Event:
    """Something that befell a container: ``start``, ``die``, ``oom``, ``health_status: ...``."""

    at: int
    action: str
    service: str
    container: str
    exit_code: str


def events(facts: HostFacts) -> list[Event]:
    """What happened lately, oldest first."""
    rows = (line.split("|") for line in facts.events)
    return [Event(number(row[0]), *row[1:]) for row in rows if len(row) == 5]


@dataclass(frozen=True, slots=True)
class RedisNode:
    """What one Redis node says of the cluster; ``error`` is all there is if it does not answer."""

    name: str
    state: str = ""
    assigned: int = 0
    known: int = 0
    role: str = ""
    link: str = ""
    error: str = ""

    @property
    def in_words(self) -> str:
        """For evidence."""
        if not self.state:
            return f"{self.name}: {self.error or 'does not answer'}"
        link = f", link to its master {self.link}" if self.link else ""
        return (
            f"{self.name}: cluster_state:{self.state}, {self.assigned} slots assigned, "
            f"knows {self.known} node(s), {self.role or 'no role'}{link}"
        )


def redis_nodes(facts: HostFacts) -> list[RedisNode]:
    """Every node that was asked, in order."""
    return [
        _redis_node(block) for block in f"\n{facts.redis}".split("\nnode ")[1:] if block.strip()
    ]


def _redis_node(block: str) -> RedisNode:
    name, *lines = block.split("\n")
    said = dict(line.split(":", 1) for line in lines if ":" in line)
    errors = [line for line in lines if line[:1].isupper()]
    return RedisNode(
        name=name.strip(),
        state=said.get("cluster_state", ""),
        assigned=number(said.get("cluster_slots_assigned", "")),
        known=number(said.get("cluster_known_nodes", "")),
        role=said.get("role", ""),
        link=said.get("master_link_status", ""),
        error=errors[0] if errors else "",
    )


def unheard_nodes(facts: HostFacts) -> frozenset[str]:
    """Redis nodes that run and said nothing in time, while no other node calls one failed."""
    running = {c.service for c in facts.containers if c.state == "running"}
    members = (line.split() for line in facts.redis.split("\n") if line.startswith("member "))
    if any("fail" in member[3].split(",") for member in members if len(member) > 3):
        return frozenset()
    silent = {node.name for node in redis_nodes(facts) if not node.state and not node.error}
    return frozenset(silent & running)


@dataclass(frozen=True, slots=True)
class TokenFile:
    """The file of Doppler's token; never what is in it."""

    there: bool
    mode: str = ""
    owner: str = ""
    size: int = 0
    carriage_return: bool = False
    broken: bool = False


def token_file(facts: HostFacts) -> TokenFile | None:
    """How the token file stands; None if the host did not say."""
    if facts.token.strip() == "no":
        return TokenFile(there=False)
    row = facts.token.strip().split("|")
    if len(row) != 6 or row[0] != "yes":
        return None
    return TokenFile(True, row[1], row[2], number(row[3]), row[4] == "yes", row[5] == "yes")


@dataclass(frozen=True, slots=True)
class LastFailure:
    """The last step on this host that failed: when, which, why, and its log's end."""

    at: int
    step: str
    failed: str
    tail: str


def last_failure(facts: HostFacts) -> LastFailure | None:
    """What ``lib.sh`` kept of it; None if nothing failed since the host booted."""
    head, _, rest = facts.last_failure.partition("\n")
    at, _, step = head.partition(" ")
    failed, _, tail = rest.partition("\n")
    return LastFailure(number(at), step, failed, tail) if number(at) else None


@dataclass(frozen=True, slots=True)
class Actuator:
    """What one container of the application answers; status 0: nothing."""

    container: str
    status: int
    body: str = ""


def actuators(facts: HostFacts) -> list[Actuator]:
    """The application's containers, and the public port under the name ``public``."""
    rows = (line.split(" ", 2) for line in facts.actuator)
    return [Actuator(row[0], number(row[1]), "".join(row[2:])) for row in rows if len(row) > 1]


@dataclass(frozen=True, slots=True)
class ComposeView:
    """What Compose makes of its file and Doppler's secrets."""

    error: str = ""
    without_container: list[str] = field(default_factory=list)
    without_image: list[str] = field(default_factory=list)


def compose_view(facts: HostFacts) -> ComposeView:
    """Services without a container and images that are not here, or why Compose cannot say."""
    said = list(keyed(facts.compose))
    return ComposeView(
        error=next((rest for key, rest in said if key == "error"), ""),
        without_container=[rest for key, rest in said if key == "service"],
        without_image=[rest for key, rest in said if key == "image"],
    )


def log_of(facts: HostFacts, container: str) -> list[str]:
    """The last lines of a container that is not well; empty if none were gathered."""
    for block in f"\n{facts.logs}".split("\n=== ")[1:]:
        name, *lines = block.split("\n")
        if name.strip() == container:
            return [line for line in lines if line.strip()]
    return []


def keyed(lines: Sequence[str], separator: str = " ") -> Iterator[tuple[str, str]]:
    """Each line as what stands before the first separator and what stands after."""
    for line in lines:
        key, found, rest = line.partition(separator)
        if found:
            yield key, rest.strip()


def number(text: str) -> int:
    """A count out of text from outside; 0 if it is none."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0
