"""A real Postgres of a test's own, on loopback: the one that the lab's images are made of."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.postgres import DATABASE, Postgres, install_postgres
from lab.settings import default_cache
from tests.free_ports import free_port

PASSWORD = "a-password-of-these-tests"
_STARTS_WITHIN_SECONDS = 180
_shared = ExitStack()
_running: list[Postgres] = []


@contextmanager
def a_postgres(database: str = DATABASE) -> Iterator[Postgres]:
    """A Postgres that is up and has this database; what it has ends with it."""
    with tempfile.TemporaryDirectory(prefix="tt-postgres-") as name:
        programs = install_postgres(default_cache())
        server = Postgres(Path(name) / "data", free_port(), programs, PASSWORD)
        server.create()
        with (Path(name) / "log").open("wb") as log:
            process = subprocess.Popen(server.command, stdout=log, stderr=log)
        try:
            _wait_for(server, process, Path(name) / "log")
            server.have_database(database)
            yield server
        finally:
            process.kill()
            process.wait(30)


def shared_postgres() -> Postgres:
    """The one that this process's Prefect servers share; it ends with `end_shared_postgres`."""
    if not _running:
        _running.append(_shared.enter_context(a_postgres()))
    return _running[0]


def end_shared_postgres() -> None:
    """End it if it was started."""
    _shared.close()
    _running.clear()


def _wait_for(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    due = time.monotonic() + _STARTS_WITHIN_SECONDS
    while not server.answers():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < due, "Postgres did not start"
        time.sleep(0.05)
