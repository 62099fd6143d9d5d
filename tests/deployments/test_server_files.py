"""What deployments/server promises, read from its files."""

import os
import subprocess
from pathlib import Path

import prefect.settings
import yaml

from lab import prefect as prefect_of_the_lab
from lab.packages import DebianPackages, PackageSet, unpack

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "deployments" / "server"
SERVICES = yaml.safe_load((SCRIPTS / "compose.yaml").read_text())["services"]
# Read straight from the environment, without a setting of its own.
WITHOUT_A_SETTING = {"PREFECT_SERVER_ENCRYPTION_KEY"}


def test_the_compose_file_keeps_every_promise_of_its_document() -> None:
    services = SERVICES
    assert set(services) == {"postgres", "server", "worker", "webhook", "proxy", "backup"}
    for name, service in services.items():
        if name != "backup":
            assert service["restart"] == "unless-stopped", name
        assert "latest" not in service["image"], name
        assert name == "proxy" or "ports" not in service, f"{name} is reachable from outside"
        assert name in ("backup", "proxy") or "healthcheck" in service, name
    server = services["server"]["environment"]
    assert "PREFECT_SERVER_API_AUTH_STRING" in server
    assert "PREFECT_SERVER_ENCRYPTION_KEY" in server
    assert server["PREFECT_SERVER_DATABASE_CONNECTION_URL"].startswith("postgresql+asyncpg://")


def test_every_setting_of_the_server_is_one_that_prefect_has() -> None:
    names = {name for name in SERVICES["server"]["environment"] if name.startswith("PREFECT_")}
    unknown = {name for name in names if not hasattr(prefect.settings, name)}
    assert unknown == WITHOUT_A_SETTING


def test_tasks_are_written_down_in_batches_as_in_the_lab() -> None:
    batches = prefect_of_the_lab.IN_BATCHES
    assert batches.items() <= SERVICES["server"]["environment"].items()
    # Prefect cuts it down to whole seconds, and with none it would never rest.
    assert int(batches["PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL"]) >= 1


def test_runs_and_their_artifacts_are_kept_for_a_while_and_then_go() -> None:
    environment = SERVICES["server"]["environment"]
    assert "flow_runs" in environment["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"]
    days = int(environment["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"]) / 86_400
    assert 30 <= days <= 365


def test_the_proxy_reads_its_configuration(tmp_path: Path) -> None:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tt-lab"
    files = DebianPackages(cache).fetch(PackageSet("bookworm", ("caddy",)))
    unpack(files, tmp_path)
    checked = subprocess.run(
        [tmp_path / "usr/bin/caddy", "validate", "--config", SCRIPTS / "Caddyfile"],
        env={"HOME": str(tmp_path), "TT_PREFECT_HOST": "prefect.example.com"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stderr
