"""A real Postgres of a test's own, on loopback: the one that the lab's images are made of."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lab.packages import locked
from lab.postgres import DATABASE, Postgres, install_postgres
from lab.settings import default_cache
from tests.free_ports import free_port

PASSWORD = "a-password-of-these-tests"
MIGRATED = "prefect-as-migrated"
_STARTS_WITHIN_SECONDS = 180
_ENDS_WITHIN_SECONDS = 30
_shared = ExitStack()
_running: list[Postgres] = []


@contextmanager
def a_postgres(database: str = DATABASE, *, like: Path | None = None) -> Iterator[Postgres]:
    """A Postgres that is up and has this database; what it has ends with it.

    It begins with a copy of the data folder ``like``, if one is given.
    """
    with tempfile.TemporaryDirectory(prefix="tt-postgres-") as name:
        programs = install_postgres(default_cache())
        server = Postgres(Path(name) / "data", free_port(), programs, PASSWORD)
        if like:
            shutil.copytree(like, server.data)
        with running(server):
            server.have_database(database)
            yield server


@contextmanager
def running(server: Postgres) -> Iterator[None]:
    """It is up; afterwards its data folder is whole, and nobody uses it."""
    server.create()
    said = server.data.with_name("log")
    with said.open("wb") as log:
        process = subprocess.Popen(server.command, stdout=log, stderr=log)
    try:
        _wait_for(server, process, said)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # without waiting for those who are connected
        try:
            process.wait(_ENDS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def shared_postgres() -> Postgres:
    """The one that this process's Prefect servers share; it ends with `end_shared_postgres`.

    It has the database `MIGRATED`, which has Prefect's tables.
    """
    if not _running:
        _running.append(_shared.enter_context(a_postgres(like=_migrated())))
    return _running[0]


def end_shared_postgres() -> None:
    """End it if it was started."""
    _shared.close()
    _running.clear()


def _migrated() -> Path:
    """The data folder for all of a run's processes: to make the tables takes each five seconds."""
    place = Path(os.environ["FOLDER_OF_THE_RUN"], "postgres")
    with locked(place.with_name("postgres.lock")):
        if not place.exists():
            draft = Postgres(
                place.with_name("postgres-draft"), free_port(), install_postgres(default_cache()),
                PASSWORD,
            )  # fmt: skip
            with running(draft):
                draft.have_database(MIGRATED)
                where = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": draft.url(MIGRATED)}
                command = ["-m", "prefect", "server", "database", "upgrade", "--yes"]
                subprocess.run(
                    [sys.executable, *command],
                    env={**os.environ, **where},
                    check=True,
                    capture_output=True,
                    timeout=300,
                )
            draft.data.rename(place)
    return place


def _wait_for(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    due = time.monotonic() + _STARTS_WITHIN_SECONDS
    while not server.answers():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < due, "Postgres did not start"
        time.sleep(0.05)
