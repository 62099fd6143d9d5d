"""Prefect as a user would start it: a server, the registration, the deployments, a worker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from lab.environment import variables
from lab.errors import LabError
from lab.lab import ROOT, Lab
from lab.postgres import DATABASE, Postgres, can_run, install_postgres

ENVIRONMENT = "lab"
WORK_POOL = "tt-deploy"
REGISTERED = ("deployments", "flows", "tasks", "blocks", "delivery")
"""Packages that registration and deployments are made from, beside `prefect.yaml`."""
IN_BATCHES = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "25",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "25",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
"""What tasks do is written down once a second, not with a transaction for each of their states."""
SERVER = {
    # Leases held in memory are lost with the server, and runs that hold a slot abort.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    # A busy machine stands still for seconds; a server that gives up then ends runs.
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    **IN_BATCHES,
}
"""How a server is set up here, the lab's and those of the tests."""
COMMAND_SECONDS = 300
DATABASE_PROCESS = "prefect-database"


def environment(lab: Lab) -> dict[str, str]:
    """The environment of everything of Prefect's here: `lab env`, and where its data lies."""
    url = f"http://localhost:{lab.settings.ports['prefect']}/api"
    programs = [str(lab.tools().root / "bin"), sysconfig.get_path("scripts"), os.environ["PATH"]]
    return {
        **os.environ,
        **variables(lab),
        "PATH": os.pathsep.join(programs),
        "PREFECT_HOME": str(lab.settings.home / "prefect"),
        # The UI in the browser asks port 4200 unless it is told.
        "PREFECT_UI_API_URL": url,
        # A worker asks for work every 10 s unless told; a person waits for that.
        "PREFECT_WORKER_QUERY_SECONDS": os.environ.get("PREFECT_WORKER_QUERY_SECONDS", "2"),
        **SERVER,
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
    }


def start_database(lab: Lab) -> str | None:
    """Start the server's PostgreSQL; say so if this machine cannot run it."""
    database = database_of(lab)
    if database is None:
        return "none: Prefect's embedded one serves"
    database.create()
    lab.processes.start(DATABASE_PROCESS, database.command)
    lab.processes.wait_ready(DATABASE_PROCESS, database.answers, deadline_seconds=180)
    database.have_database(DATABASE)
    return None


def database_of(lab: Lab) -> Postgres | None:
    """The PostgreSQL of the lab's Prefect server; None where that has to do without."""
    settings = lab.settings
    if not settings.database_password or not can_run():
        return None
    programs = install_postgres(lab.cache)
    data = settings.home / "database"
    return Postgres(data, settings.ports["database"], programs, settings.database_password)


def start_server(lab: Lab) -> None:
    """Start the server on its database; return once it answers."""
    port, database = lab.settings.ports["prefect"], database_of(lab)
    command = [program("prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    where = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database.url(DATABASE)} if database else {}
    lab.processes.start("prefect-server", command, env={**environment(lab), **where}, cwd=ROOT)
    lab.processes.wait_ready("prefect-server", lambda: is_healthy(port), deadline_seconds=300)


def is_healthy(port: int) -> bool:
    """Whether the server answers its health check."""
    url = f"http://127.0.0.1:{port}/api/health"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # our own port
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def register(lab: Lab) -> str | None:
    """Register the lab as an environment of the product and create its deployments.

    Not done again for the same product and the same lab: both look at everything there is,
    which takes longer than all the rest of an `up` that finds the lab up.
    """
    note = lab.settings.home / "prefect" / "registered"
    product = product_digest(ROOT, variables(lab))
    if note.exists() and note.read_text() == product:
        return "as before"
    run("registration", lab, [sys.executable, "-m", "deployments.register", ENVIRONMENT])
    # Its own alone: the schedules of the others would fail, their environments being unknown.
    deploy = [program("prefect"), "--no-prompt", "deploy", "--name", ENVIRONMENT]
    run("deployments", lab, deploy)
    note.write_text(product)
    return None


def product_digest(root: Path, facts: Mapping[str, str]) -> str:
    """What stands for all that registration reads: the product's files, the lab's facts."""
    summary = sha256(repr(sorted(facts.items())).encode())
    sources = [file for name in REGISTERED for file in (root / name).rglob("*.py")]
    sources += [*root.glob("*.yaml"), *(root / "deployments").rglob("*.yaml")]
    for file in sorted(sources):
        summary.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return summary.hexdigest()


def start_worker(lab: Lab) -> None:
    """Start the worker that runs the flows."""
    command = [program("prefect"), "worker", "start", "--pool", WORK_POOL, "--name", "lab"]
    lab.processes.start("prefect-worker", command, env=environment(lab), cwd=ROOT)


def run(name: str, lab: Lab, command: Sequence[str]) -> None:
    """Run one of the product's own commands; raise `LabError` with what it said if it fails."""
    log = lab.processes.log(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        code = subprocess.call(
            command,
            env=environment(lab),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
        )
    if code:
        said = lab.processes.tail(name)
        raise LabError(f"{name} failed with status {code} (all of it in {log}):\n{said}")


def program(name: str) -> str:
    """A program of this Python environment; raise `LabError` if it is not installed."""
    beside = Path(sysconfig.get_path("scripts"), name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise LabError(f"{name} is not installed: run `make setup`")
    return found
