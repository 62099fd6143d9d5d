"""Databases of the Prefect servers of the tests, in one Postgres for each process.

Imports nothing of Prefect: every process of pytest ends what it may have begun here.
"""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from lab.packages import locked
from lab.postgres import Postgres
from tests.postgres_servers import a_postgres, postgres_in, running

DATABASE_URL = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
_MIGRATED = "prefect-as-migrated"
_shared = ExitStack()
_running: list[Postgres] = []


def a_database(name: str) -> str:
    """The address of a database with Prefect's tables, made from one that was migrated once.

    Not SQLite: a server on it stands still for a minute now and then (docs/prefect.md).
    """
    postgres = _shared_postgres()
    postgres.have_database(name, template=_MIGRATED)
    return postgres.url(name)


def _shared_postgres() -> Postgres:
    """The one that this process's Prefect servers share; it has the database `_MIGRATED`."""
    if not _running:
        _running.append(_shared.enter_context(a_postgres(like=_migrated())))
    return _running[0]


def end_databases() -> None:
    """End the Postgres of this process, if one was begun."""
    _shared.close()
    _running.clear()


def _migrated() -> Path:
    """The data folder for all of a run's processes: to make the tables takes each five seconds."""
    place = Path(os.environ["FOLDER_OF_THE_RUN"], "postgres")
    with locked(place.with_name("postgres.lock")):
        if not place.exists():
            draft = postgres_in(place.with_name("postgres-draft"))
            with running(draft):
                draft.have_database(_MIGRATED)
                where = {DATABASE_URL: draft.url(_MIGRATED)}
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
