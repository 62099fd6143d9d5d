"""One lab: its settings, its processes and its engine, for every command that needs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.engine import PRIVATE, Engine, Toolbox, engine_answers, install_tools
from lab.errors import LabError
from lab.instance import Instance
from lab.packages import DebianPackages
from lab.private_engine import PrivateEngine
from lab.processes import Processes
from lab.settings import Host, LabSettings, default_cache, lab_name

ROOT = Path(__file__).resolve().parents[1]
"""The repository: where `python -m` finds the product and the lab."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab and where its parts are kept."""

    settings: LabSettings
    processes: Processes
    cache: Path
    packages: DebianPackages

    @classmethod
    def of(cls, settings: LabSettings) -> Lab:
        """The lab with these settings."""
        cache = default_cache()
        processes = Processes(settings.name, settings.run, settings.logs)
        return cls(settings, processes, cache, DebianPackages(cache))

    @classmethod
    def load(cls, home: Path) -> Lab:
        """The lab in this home; raises `LabError` if there is none."""
        return cls.of(LabSettings.load(home))

    def tools(self) -> Toolbox:
        """Docker's programs, downloaded and unpacked if they are not there."""
        return install_tools(self.cache, self.packages)

    def private_engine(self) -> PrivateEngine | None:
        """The lab's own engine, or None if it uses one that was there before."""
        if self.settings.engine != PRIVATE:
            return None
        return PrivateEngine(self.settings.home, self.settings.name, self.processes)

    def start_engine(self) -> Engine:
        """The lab's engine, started if it is the lab's to start."""
        private = self.private_engine()
        return private.start(self.tools()) if private else self.engine()

    def engine(self) -> Engine:
        """The lab's engine; raises `LabError` if it does not answer."""
        address = self.docker_host
        if not engine_answers(address):
            raise LabError(f"no Docker engine answers at {address}: run `python -m lab up`")
        return Engine(address, self.tools())

    @property
    def docker_host(self) -> str:
        """Where the lab's engine listens, as in `DOCKER_HOST`."""
        private = self.private_engine()
        return private.address if private else self.settings.engine

    def instance(self, host: Host) -> Instance:
        """One of its hosts."""
        return Instance(self.engine(), self.settings, host)


def lock_file(home: Path) -> Path:
    """What `up` and `down` of one home hold, so that they come one after the other.

    It lies in the cache, since the home comes and goes.
    """
    return default_cache() / "locks" / f"{lab_name(home)}.lock"
