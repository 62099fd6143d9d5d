"""Who is told of which alert, and which alert silences which, asked of Alertmanager itself.

No engine is needed, only Debian's Alertmanager. That one reads a file of its own at a fixed place,
which is given to it in a mount namespace: one more thing that not every machine allows.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.processes import wait_until
from tests.free_ports import free_port
from tests.stack.files import MONITORING, alert_rules, read_yaml
from tools.stack_programs import environment

pytestmark = pytest.mark.e2e

WITH_ITS_FILES = """
share=$(dirname "$(command -v prometheus-alertmanager)")/../share/prometheus
mount -t tmpfs none /usr/share
ln -s "$share" /usr/share/prometheus
exec prometheus-alertmanager "$@"
"""
RECEIVERS = {"critical": "slack-critical", "warning": "slack-warning", "drill": "slack-drill"}
RULES = {rule["alert"]: rule["labels"] for rule in alert_rules()}
JOBS = [
    job["job_name"]
    for job in read_yaml(MONITORING / "prometheus" / "prometheus.yml")["scrape_configs"]
    if job["job_name"] != "tt-backend"  # TargetDown leaves it out
]
DETAILS_OF_THE_APPLICATION = {
    "ApplicationUnhealthy",
    "DeployErrorRateRegression",
    "HighErrorRate",
    "HighLatency",
}
SILENCED = {
    "ApplicationDown": {
        *DETAILS_OF_THE_APPLICATION,
        "ApplicationRestarting",
        "ContainerMemoryHigh",
        "DatabaseConnectionsFailing",
        "HikariPoolExhausted",
        "JvmHeapHigh",
        "NoReleaseServes",
    },
    "PostgresDown": {
        *DETAILS_OF_THE_APPLICATION,
        "DatabaseConnectionsFailing",
        "HikariPoolExhausted",
        "PostgresConnectionsNearLimit",
        "PostgresDeadlocks",
        "PostgresExclusiveLocks",
        "PostgresLongTransaction",
    },
    "RedisClusterDown": {
        *DETAILS_OF_THE_APPLICATION,
        "RedisEvictions",
        "RedisMasterWithoutReplica",
        "RedisMemoryHigh",
        "RedisReplicationLinkDown",
        "RedisSlotsMissing",
    },
    "RedisNodeDown": {"RedisMasterWithoutReplica", "RedisReplicationLinkDown"},
    "GatewayDown": {"TargetDown of gateway"},
    "AlertmanagerDown": {"TargetDown of alertmanager"},
    "PostgresExporterDown": {"TargetDown of postgres"},
    "RedisExporterDown": {"TargetDown of redis", "TargetDown of redis-exporter"},
}
"""What is down, and everything that is not told while it is."""


def alert(name: str) -> dict[str, str]:
    """An alert's labels, as its rule gives them; `TargetDown of JOB` has a job as well."""
    name, _, job = name.partition(" of ")
    return {"alertname": name, **RULES[name], **({"job": job} if job else {})}


DETAILS = [
    *sorted(set(RULES) - set(SILENCED) - {"TargetDown"}),
    *(f"TargetDown of {job}" for job in JOBS),
]
"""Every alert that silences nothing."""


def name_of(labels: dict[str, str]) -> str:
    return labels["alertname"] + (f" of {labels['job']}" if "job" in labels else "")


class Alertmanager:
    """A running one, with the stack's own configuration."""

    def __init__(self, port: int) -> None:
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}/api/v2", timeout=30, trust_env=False
        )

    def fire(self, *names: str, minutes: int = 5) -> None:
        """Tell it of these alerts; with minutes below zero, that they are over."""
        ends = datetime.now(UTC) + timedelta(minutes=minutes)
        starts = datetime.now(UTC) - timedelta(minutes=9)
        told = [
            {"labels": alert(n), "startsAt": starts.isoformat(), "endsAt": ends.isoformat()}
            for n in names
        ]
        self.http.post("/alerts", json=told).raise_for_status()

    def alerts(self) -> list[dict[str, Any]]:
        """Every alert that fires."""
        found: list[dict[str, Any]] = self.http.get("/alerts").raise_for_status().json()
        return found

    def silenced(self) -> set[str]:
        """The names of those that another one silences."""
        return {name_of(a["labels"]) for a in self.alerts() if a["status"]["inhibitedBy"]}

    def silences(self, names: set[str]) -> bool:
        """Whether it comes to silence exactly these."""
        deadline = time.monotonic() + 30
        while self.silenced() != names and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.silenced() == names


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    folder = tmp_path_factory.mktemp("alertmanager")
    text = (MONITORING / "alertmanager" / "alertmanager.yml").read_text()
    # As the deploy renders it, but for a Slack that nobody is.
    (folder / "alertmanager.yml").write_text(
        text.replace("${SLACK_WEBHOOK_AUTH}", "http://127.0.0.1:9/services").replace(
            "/etc/alertmanager-templates", str(MONITORING / "alertmanager" / "templates")
        )
    )
    command = [
        *("unshare", "--user", "--map-root-user", "--mount", "sh", "-euc", WITH_ITS_FILES, "sh"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'storage'}",
        "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{(port := free_port())}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment(os.environ), stdout=log, stderr=log)
    try:
        wait_until_ready(port, folder / "log")
        yield Alertmanager(port)
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_until_ready(port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(
                f"http://127.0.0.1:{port}/-/ready", timeout=30, trust_env=False
            ).raise_for_status()
            return
        except httpx.HTTPError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)


@pytest.fixture
def alertmanager(running: Alertmanager) -> Iterator[Alertmanager]:
    """It, with nothing firing."""
    yield running
    over = [name_of(a["labels"]) for a in running.alerts()]
    running.fire(*over, minutes=-1)


def test_each_alert_goes_to_the_receiver_of_its_severity_alone(alertmanager: Alertmanager) -> None:
    names = [*DETAILS, *SILENCED]
    alertmanager.fire(*names)
    wanted = {name: [RECEIVERS[alert(name)["severity"]]] for name in names}

    def told() -> dict[str, list[str]]:
        alerts = alertmanager.alerts()
        return {name_of(a["labels"]): [r["name"] for r in a["receivers"]] for a in alerts}

    wait_until(lambda: told() == wanted, 30)
    assert told() == wanted


def test_what_is_critical_comes_together_by_domain_but_for_deploys(
    alertmanager: Alertmanager,
) -> None:
    alertmanager.fire("ApplicationRestarting", "HikariPoolExhausted", "DeployErrorRateRegression")
    wanted = {
        frozenset({("domain", "app")}): 2,
        frozenset({("alertname", "DeployErrorRateRegression")}): 1,
    }

    def found() -> dict[frozenset[tuple[str, str]], int]:
        groups = alertmanager.http.get("/alerts/groups").raise_for_status().json()
        return {frozenset(g["labels"].items()): len(g["alerts"]) for g in groups if g["alerts"]}

    wait_until(lambda: found() == wanted, 30)
    assert found() == wanted


@pytest.mark.parametrize("down", SILENCED)
def test_what_is_down_silences_its_details_and_nothing_else(
    alertmanager: Alertmanager, down: str
) -> None:
    alertmanager.fire(down, *DETAILS)
    assert alertmanager.silences(SILENCED[down]), alertmanager.silenced() ^ SILENCED[down]


@pytest.mark.parametrize(
    ("first", "second", "silenced"),
    [
        ("ApplicationDown", "GatewayDown", set()),
        ("ApplicationDown", "PostgresDown", set()),
        ("PostgresDown", "PostgresExporterDown", {"PostgresExporterDown"}),
        ("RedisClusterDown", "RedisExporterDown", {"RedisExporterDown"}),
        ("RedisClusterDown", "RedisNodeDown", {"RedisNodeDown"}),
        ("PostgresDown", "RedisClusterDown", set()),
    ],
)
def test_of_two_causes_only_what_follows_from_the_other_is_silenced(
    alertmanager: Alertmanager, first: str, second: str, silenced: set[str]
) -> None:
    a_detail = min(SILENCED[first])  # that it is silenced tells that Alertmanager has judged
    alertmanager.fire(first, second, a_detail)
    assert alertmanager.silences({a_detail, *silenced}), alertmanager.silenced()


def test_no_rule_of_inhibition_is_without_a_case_here() -> None:
    rules = read_yaml(MONITORING / "alertmanager" / "alertmanager.yml")["inhibit_rules"]
    sources = " ".join(text for rule in rules for text in rule["source_matchers"])
    assert all(name in sources for name in SILENCED)
    assert all("alertname" in text for rule in rules for text in rule["source_matchers"])
