"""What ``host/preflight.sh`` answers: facts of a host, not yet judged.

Each part of the script is null if it could not look: nothing is concluded from that.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from delivery.host_state import ObservedHost


class Sight(BaseModel):
    """One part of the answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineSight(Sight):
    """Docker and the file systems; ``version`` is empty if the engine does not answer.

    A line of ``disks``: mount point, free bytes, bytes, free inodes, inodes.
    """

    version: str
    compose: str
    architecture: str
    disks: tuple[str, ...] | None = ()


class TokenSight(Sight):
    """The file of the Doppler token. ``plain``: nothing but what a token is made of."""

    exists: bool
    mode: str = ""
    owner: int = 0
    returns: int = 0
    newlines: int = 0
    plain: bool = True


class IdentitySight(Sight):
    """Whether Doppler accepts the token at all, and which of the config's tokens it is."""

    accepted: bool
    slug: str = ""


class RegistrySight(Sight):
    """The registry login with the host's token, and the status of asking for the image."""

    login: Literal["ok", "refused", "silent", "no token"]
    pull: int = 0
    said: str = ""


class SecretsSight(Sight):
    """What the host's token opens in Doppler: names alone.

    ``ddl`` has lines "NAME destructive" or "NAME safe"; ``definitions`` lines "service hash";
    ``undefined`` says why the compose file could not be filled in.
    """

    state: Literal["ok", "refused", "silent", "no token"]
    said: str = ""
    names: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    ddl: tuple[str, ...] = ()
    registry: RegistrySight | None = None
    pull_token_expires: str = ""
    definitions: tuple[str, ...] = ()
    undefined: str = ""


class CloneSight(Sight):
    """The host's git clone; ``said`` is the branch's head, or why the remote is not reachable."""

    exists: bool
    revision: str = ""
    edited: tuple[str, ...] = ()
    reachable: bool = True
    said: str = ""


class PreflightHost(ObservedHost):
    """The answer of ``preflight.sh``: what ``observe.sh`` sees, and everything else.

    ``tables`` is -1 if the database could not be asked; a line of ``certificates`` has the
    seconds since 1970 (0: unreadable) and the file, one of ``ports`` the port and its holder.
    """

    busy: bool = False
    clock: float = 0.0
    tools: tuple[str, ...] | None = None
    memory: int | None = None
    engine: EngineSight | None = None
    token: TokenSight | None = None
    identity: IdentitySight | None = None
    secrets: SecretsSight | None = None
    clone: CloneSight | None = None
    ports: tuple[str, ...] | None = None
    tables: int | None = None
    certificates: tuple[str, ...] | None = None

    @property
    def engine_answers(self) -> bool:
        """Whether there is a Docker engine to speak of."""
        return self.engine is not None and bool(self.engine.version)

    @property
    def defined(self) -> Mapping[str, str]:
        """The hash of each service's definition by the files and values of now."""
        lines = self.secrets.definitions if self.secrets else ()
        return dict(_pair(line) for line in lines)

    @property
    def held_ports(self) -> Mapping[int, str]:
        """Who listens on which port; the project's own containers are "ours"."""
        pairs = (_pair(line) for line in self.ports or ())
        return {int(port): holder for port, holder in pairs}


def _pair(line: str) -> tuple[str, str]:
    first, _, rest = line.partition(" ")
    return first, rest
