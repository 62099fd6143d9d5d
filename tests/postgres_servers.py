"""A real Postgres of a test's own, on loopback: the one that the lab's images are made of."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.postgres import DATABASE, Postgres, install_postgres
from lab.settings import default_cache
from tests.free_ports import free_port

PASSWORD = "a-password-of-these-tests"
_STARTS_WITHIN_SECONDS = 180
_ENDS_WITHIN_SECONDS = 30


@contextmanager
def a_postgres(database: str = DATABASE, *, like: Path | None = None) -> Iterator[Postgres]:
    """A Postgres that is up and has this database; what it has ends with it.

    It begins with a copy of the data folder ``like``, if one is given.
    """
    with tempfile.TemporaryDirectory(prefix="tt-postgres-") as name:
        server = postgres_in(Path(name) / "data")
        if like:
            shutil.copytree(like, server.data)
        with running(server):
            server.have_database(database)
            yield server


def postgres_in(data: Path) -> Postgres:
    """One that is not up, with its data in this folder."""
    return Postgres(data, free_port(), install_postgres(default_cache()), PASSWORD)


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


def _wait_for(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    due = time.monotonic() + _STARTS_WITHIN_SECONDS
    while not server.answers():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < due, "Postgres did not start"
        time.sleep(0.05)
