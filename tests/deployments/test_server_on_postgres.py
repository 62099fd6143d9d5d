"""The server that docs/server.md describes: on Postgres, with a login, backups, two workers."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.variables import Variable

from deployments.automations import SILENCE_SECONDS, crash_of_silent_runs
from deployments.server import ensure_automation
from lab.postgres import Postgres
from tests.postgres_servers import a_postgres
from tests.prefect_servers import (
    ROOT,
    PrefectServer,
    a_worker,
    prefect_server_in,
    serve_a_deploy,
)

pytestmark = [pytest.mark.prefect(own_server=True), pytest.mark.timeout(1200)]

LOGIN = "admin:a-password-of-these-tests"
SCRIPTS = ROOT / "deployments" / "server"


@dataclass
class Place:
    """The server, its database and where its backups lie."""

    server: PrefectServer
    postgres: Postgres
    backups: Path

    def script(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPTS / name, *arguments],
            env={**self.postgres.environment, "TT_BACKUPS": str(self.backups)},
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("server")
    with a_postgres() as postgres:
        settings = {
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url("prefect"),
            "PREFECT_SERVER_API_AUTH_STRING": LOGIN,
            "PREFECT_API_AUTH_STRING": LOGIN,
        }
        with prefect_server_in(folder, settings=settings) as server:
            yield Place(server, postgres, folder / "backups")


def until(holds: Callable[[], bool], *, seconds: float) -> None:
    due = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < due, "it did not come to hold"
        time.sleep(1)


def test_nothing_is_answered_without_the_login(place: Place) -> None:
    asked = httpx.post(f"{place.server.api_url}/flow_runs/filter", json={}, timeout=20)
    assert asked.status_code == 401


def test_a_worker_that_is_killed_in_mid_run_leaves_a_run_that_another_makes_good(
    place: Place,
) -> None:
    serve_a_deploy()
    with get_client(sync_client=True) as client:
        ensure_automation(client, crash_of_silent_runs())
    with a_worker(place.server, "one") as one:
        lost = start_a_deploy(seconds=300)
        until(lambda: read(lost).state_type is StateType.RUNNING, seconds=300)
        until(lambda: deploying(lost) is not None, seconds=240)
        with a_worker(place.server, "two"):
            lose_the_machine(one, deploying(lost))
            started = time.monotonic()
            made_good = start_a_deploy(seconds=0)
            until(lambda: read(made_good).state_type is StateType.COMPLETED, seconds=300)
            until(lambda: read(lost).state_type is StateType.CRASHED, seconds=240)
            assert time.monotonic() - started < SILENCE_SECONDS + 300
    state = read(lost).state
    assert state is not None
    assert "No heartbeat" in (state.message or "")


def start_a_deploy(*, seconds: float) -> FlowRun:
    run = run_deployment(
        "deploy/production", parameters={"seconds": seconds}, timeout=0, as_subflow=False
    )
    assert isinstance(run, FlowRun)
    return run


def read(run: FlowRun) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run.id)


def deploying(run: FlowRun) -> int | None:
    """The process that the run's own log says is at work."""
    with get_client(sync_client=True) as client:
        lines = client.request(
            "POST", "/logs/filter", json={"logs": {"flow_run_id": {"any_": [str(run.id)]}}}
        ).json()
    said = [line["message"] for line in lines if "in process" in line["message"]]
    return int(said[0].rpartition(" ")[2]) if said else None


def lose_the_machine(worker: subprocess.Popen[bytes], process: int | None) -> None:
    """Kill the worker and the run at once: nobody is left to report either."""
    assert process is not None
    os.killpg(worker.pid, signal.SIGSTOP)
    os.kill(process, signal.SIGKILL)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(timeout=60)


def test_a_restore_brings_back_what_the_backup_saw(place: Place) -> None:
    Variable.set("tt_restored", "at the backup", overwrite=True)
    backup = place.script("backup.sh")
    assert backup.returncode == 0, backup.stderr
    Variable.set("tt_restored", "after it", overwrite=True)
    dump = Path(backup.stdout.strip())
    assert dump.stat().st_mode & 0o077 == 0

    refused = place.script("restore.sh", str(dump))
    assert (refused.returncode, "stop the server first" in refused.stderr) == (1, True)

    place.server.stop()
    until(lambda: nobody_is_connected(place.postgres), seconds=60)
    restored = place.script("restore.sh", str(dump))
    assert restored.returncode == 0, restored.stderr
    place.server.start()
    assert Variable.get("tt_restored") == "at the backup"
    kept = place.postgres.sql("select datname from pg_database where datname like '%before%'")
    assert kept.startswith("prefect_before_")


def nobody_is_connected(postgres: Postgres) -> bool:
    """A backend goes a moment after the client that it served."""
    asked = "select count(*) from pg_stat_activity where datname = 'prefect'"
    asked += " and backend_type <> 'autovacuum worker'"
    return postgres.sql(asked, database="postgres") == "0"


def test_a_dump_that_cannot_be_read_is_refused_and_nothing_is_touched(
    place: Place, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.dump"
    broken.write_bytes(b"PGDMP and then nothing")
    assert place.script("restore.sh", str(broken)).returncode != 0
    assert place.postgres.sql("select 1") == "1"


def test_a_backup_that_fails_leaves_nothing_that_looks_like_one(place: Place) -> None:
    elsewhere = Place(place.server, place.postgres, place.backups / "failing")
    failed = subprocess.run(
        [SCRIPTS / "backup.sh"],
        env={
            **place.postgres.environment,
            "PGDATABASE": "nothing_there",
            "TT_BACKUPS": str(elsewhere.backups),
        },
        capture_output=True,
        timeout=120,
    )
    assert failed.returncode != 0
    assert list(elsewhere.backups.iterdir()) == []


def test_old_backups_go_when_a_new_one_is_there(place: Place) -> None:
    place.backups.mkdir(exist_ok=True)
    old = place.backups / "prefect-20200101T000000.000Z.dump"
    old.write_bytes(b"old")
    os.utime(old, (0, 0))
    fresh = Path(place.script("backup.sh").stdout.strip())
    assert fresh.exists()
    assert not old.exists()
