"""A real Prefect server of a test's own, which can be stopped and started again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    temporary_settings,
)
from prefect.workers.process import ProcessWorker

from lab.prefect import SERVER
from tests.free_ports import free_port
from tests.prefect_databases import DATABASE_URL, a_database

ROOT = Path(__file__).parents[1]
_STARTS_WITHIN_SECONDS = 240
_DELIVERY_SECONDS = 20


class PrefectServer:
    """The server, its database and whatever a test runs against it, under one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        self.folder = folder
        self._settings = dict(settings or {})
        self.port = port or free_port()
        if DATABASE_URL not in self._settings:
            self._settings[DATABASE_URL] = a_database(f"prefect-{self.port}-{time.monotonic_ns()}")
        self.api_url = f"http://127.0.0.1:{self.port}/api"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to work with this server."""
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_HOME": str(self.folder),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
            **SERVER,
            **self._settings,
        }

    def start(self) -> None:
        """Start it, on the database that it had; return when it answers."""
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, cwd=ROOT
            )
        due = time.monotonic() + _STARTS_WITHIN_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "server.log").read_text()[-3000:]
            assert time.monotonic() < due, "Prefect's server did not start"
            time.sleep(0.3)

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, or kill it as a power cut would."""
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=60)
        self._process = None

    def run(self, *command: str, timeout: float = 300) -> str:
        """Run a command against it; what it printed. Raises on a status other than 0."""
        done = self.attempt(command, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def attempt(
        self, command: Sequence[str], *, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command against it, whatever its end."""
        return subprocess.run(
            command,
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.api_url}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def prefect_server_in(
    folder: Path, *, settings: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[PrefectServer]:
    """A server that is up, and the one that this process speaks to meanwhile."""
    deliver_what_was_said()
    server = PrefectServer(folder, settings=settings, port=port)
    server.start()
    login = server.environment.get("PREFECT_API_AUTH_STRING")
    try:
        with temporary_settings(
            {PREFECT_API_URL: server.api_url, PREFECT_API_AUTH_STRING: login or None}
        ):
            yield server
            deliver_what_was_said()
    finally:
        server.stop()


def deliver_what_was_said() -> None:
    """Have this process's events and logs delivered, and the next ones sent to whoever is next.

    Prefect's senders keep to the server they began with. Left alone they would go on to a
    server that is gone, 1.5 s for each event, and the process would not end before that.
    """
    for sender in (EventsWorker, APILogWorker):
        sender.drain_all(timeout=_DELIVERY_SECONDS)


@contextmanager
def a_worker(
    server: PrefectServer, name: str, *, pool: str = "tt-deploy"
) -> Iterator[subprocess.Popen[bytes]]:
    """A process worker that is ready to take runs."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--name", name]
    with (server.folder / f"worker-{name}.log").open("ab") as log:
        worker = subprocess.Popen(
            command,
            env=server.environment,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        yield worker
    finally:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(timeout=60)


def serve_a_deploy() -> None:
    """The deployments ``deploy/production`` and ``deploy-in-turn/in-turn``, and their pool."""
    from tests.deployments.a_deploy import deploy, deploy_in_turn

    # What `prefect deploy` would ask the server for; two more processes take seconds to begin.
    pull = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
    quick = {"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}}
    with get_client(sync_client=True) as client:
        template = ProcessWorker.get_default_base_job_template()
        pool = WorkPoolCreate(name="tt-deploy", type="process", base_job_template=template)
        client.create_work_pool(pool)
        for flow, name, tags, variables in (
            (deploy, "production", ["tt-deploy"], quick),
            (deploy_in_turn, "in-turn", [], {}),
        ):
            client.create_deployment(
                flow_id=client.create_flow(flow),
                name=name,
                entrypoint=f"tests/deployments/a_deploy.py:{flow.fn.__name__}",
                pull_steps=[pull],
                parameter_openapi_schema=flow.parameters.model_dump_for_openapi(),
                work_pool_name=pool.name,
                tags=tags,
                job_variables=variables,
            )
