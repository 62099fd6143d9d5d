"""The whole stack on the lab's host: it starts, it is watched, it survives what befalls it."""

import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.delivering import Delivering
from tests.e2e.metrics import query
from tests.repositories import login_to_github
from tests.stack.files import MONITORING, alert_rules, metrics

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

PROJECT = "label=com.docker.compose.project=tt"
TARGETS = {
    "alertmanager": 1,
    "gateway": 1,
    "postgres": 1,
    "prometheus": 1,
    "redis": 6,
    "redis-exporter": 1,
    "tt-backend": 1,
}
LAST_IMAGE = (
    r"""tail -n 1 /var/lib/tt-deploy/releases.jsonl | sed 's/.*"image":"\([^"]*\)".*/\1/'"""
)
UP_BY_HAND = r"""
set -eu
export APP_IMAGE DOPPLER_PROJECT=tt DOPPLER_CONFIG=prd
DOPPLER_TOKEN=$(tr -d '\r\n' </etc/tt-secrets/doppler-token)
export DOPPLER_TOKEN
cd /dockerProjects/tt-src/WEB7_9_B2ST_BE/docker
ALERTMANAGER_CONFIG=$(doppler run -- envsubst '${SLACK_WEBHOOK_AUTH}' \
    <../monitoring/alertmanager/alertmanager.yml)
export ALERTMANAGER_CONFIG
doppler run -- docker compose --progress quiet up --detach
"""
"""As the head of the compose file has it."""
ASKED = ("/actuator/health", "/api/tickets")
WITHOUT_DATA = {
    "jvm_gc_": "there is none before the first collection",
    "tt_deploy_restored_": "there is none before the first way back that was taken",
    "tt_dora_": "there is none before the first `history`; tests/e2e/test_notify.py sees them",
    "tt_drill": "there is none but during a drill; tests/e2e/test_verify.py sees it",
}
"""Beginnings of metrics that a fresh, idle stack need not have, and why."""


class Stack:
    """The stack on host 1, asked from outside as far as it can be."""

    def __init__(self, delivering: Delivering) -> None:
        self.delivering = delivering
        self.app_url = delivering.app_url

    def host(self, *command: str, timeout: float = 120) -> str:
        """What a command printed on the host."""
        return self.delivering.lab.exec(*command, timeout=timeout)

    def query(self, expression: str) -> list[Any]:
        """Prometheus' answer to an instant query."""
        return query(self.delivering, expression)

    def is_firing(self, alert: str) -> bool:
        """Whether an alert fires now."""
        return bool(self.query(f'ALERTS{{alertname="{alert}", alertstate="firing"}}'))

    def health(self) -> tuple[int, dict[str, Any]]:
        """The application's health: status code and body."""
        reply = httpx.get(f"{self.app_url}/actuator/health", timeout=30, trust_env=False)
        of_the_app = "json" in reply.headers.get("content-type", "")
        return reply.status_code, reply.json() if of_the_app else {}

    def not_healthy(self) -> list[str]:
        """Containers that are not as they should be, of the fifteen there should be."""
        shown = self.host(
            "docker", "ps", "--all", "--filter", PROJECT, "--format", "{{.Names}} {{.Status}}"
        ).splitlines()
        assert len(shown) == 15, shown
        wanted = {"tt-redis-cluster-init-1": "Exited (0)", "tt-redis-exporter-1": " Up "}
        return [line for line in shown if wanted.get(line.split()[0], "(healthy)") not in line]

    def slack(self) -> str:
        """Everything that Slack was told so far."""
        return self.delivering.lab.command("slack", "messages")

    def redis(self, number: int, *command: str) -> str:
        """A Redis node's answer, asked in its own container."""
        ask = ("sh", "/usr/local/etc/redis/ask.sh")
        return self.host("docker", "exec", f"tt-redis-node-{number}-1", *ask, *command).strip()

    def masters(self, witness: int) -> set[int]:
        """The nodes that serve slots and are not failing, as one of them sees it."""
        nodes = [line.split() for line in self.redis(witness, "cluster", "nodes").splitlines()]
        serving = [node for node in nodes if "master" in node[2] and len(node) > 8]
        ports = [int(n[1].split("@")[0].rpartition(":")[2]) for n in serving if "fail" not in n[2]]
        return {port - 6999 for port in ports}

    def secrets(self) -> dict[str, str]:
        """The secrets' values, by name."""
        doppler = self.delivering.lab.status["doppler_url"]
        found = httpx.get(f"{doppler}/_lab/secrets", timeout=30, trust_env=False).json()
        marks = ("PASSWORD", "SECRET", "TOKEN", "WEBHOOK")
        return {n: v for n, v in found.items() if any(mark in n for mark in marks) and len(v) > 11}


@pytest.fixture(scope="module")
def stack(delivering: Delivering) -> Stack:
    """A release has taken over from another, and some requests were answered."""
    done = delivering.run("deploy")
    assert done.outcome in {"DEPLOYED", "UP_TO_DATE"}, done.said
    delivering.commit(message="a release that takes over")
    done = delivering.run("deploy")
    assert done.outcome == "DEPLOYED", done.said
    for _ in range(20):
        httpx.get(
            f"{delivering.app_url}/api/tickets", timeout=30, trust_env=False
        ).raise_for_status()
    return Stack(delivering)


def eventually(holds: Callable[[], bool], *, seconds: float) -> bool:
    """Whether something becomes true within so many seconds; being unreachable is not yet true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if holds():
                return True
        except httpx.HTTPError:
            pass  # the service may be starting; the deadline decides
        time.sleep(1)
    return False


def test_every_service_gets_healthy(stack: Stack) -> None:
    assert eventually(lambda: stack.not_healthy() == [], seconds=180), stack.not_healthy()


def test_every_part_is_measured(stack: Stack) -> None:
    def measured() -> bool:
        # Prometheus shows a target that a reboot took away for five minutes more.
        counted = stack.query("count by (job) (up == 1 and time() - timestamp(up) < 45)")
        return {r["metric"]["job"]: int(r["value"][1]) for r in counted} == TARGETS

    assert eventually(measured, seconds=180), stack.query("up")


@pytest.mark.parametrize("name", ["deploys", "jvm", "overview", "postgresql", "redis-cluster"])
def test_every_panel_shows_something(stack: Stack, name: str) -> None:
    panels = json.loads((MONITORING / "grafana" / "dashboards" / f"{name}.json").read_text())
    asked = {
        target["expr"]: panel["title"] for panel in panels["panels"] for target in panel["targets"]
    }
    demanded = [expr for expr in asked if not any(mark in expr for mark in WITHOUT_DATA)]

    def empty() -> list[str]:
        httpx.get(f"{stack.app_url}/api/tickets", timeout=30, trust_env=False)
        return [f"{asked[expr]}: {expr}" for expr in demanded if not stack.query(lately(expr))]

    assert demanded
    assert eventually(lambda: not empty(), seconds=180), empty()


def lately(expression: str) -> str:
    """The same of the last hour's: what a deploy pushes once is gone after five minutes."""
    pushed = r"\btt_deploy_\w+(\{[^}]*\})?(?!\w|\[)"
    return re.sub(pushed, lambda found: f"last_over_time({found[0]}[1h])", expression)


def named_metrics() -> set[str]:
    """Every metric that an alert rule or an annotation of a dashboard names."""
    dashboards = (MONITORING / "grafana" / "dashboards").glob("*.json")
    notes = [n for d in dashboards for n in json.loads(d.read_text())["annotations"]["list"]]
    expressions = [n["expr"] for n in notes if "expr" in n] + [r["expr"] for r in alert_rules()]
    assert all(metrics(each) for each in expressions)
    return {name for each in expressions for name in metrics(each)}


def test_every_metric_of_alerts_and_annotations_exists(stack: Stack) -> None:
    demanded = {n for n in named_metrics() if not any(mark in n for mark in WITHOUT_DATA)}

    def missing() -> set[str]:
        named = f'{{__name__=~"{"|".join(demanded)}"}}'
        found = stack.query(f"count by (__name__) (last_over_time({named}[1h]))")
        return demanded - {each["metric"]["__name__"] for each in found}

    assert len(demanded) > 30
    assert eventually(lambda: not missing(), seconds=180), missing()


def test_a_takeover_leaves_its_receipt_in_prometheus(stack: Stack) -> None:
    version = stack.delivering.serving().removeprefix("v")
    (failed,) = stack.query(lately(f'tt_deploy_requests_failed{{version="{version}"}}'))
    assert float(failed["value"][1]) == 0
    (gap,) = stack.query(lately(f'tt_deploy_longest_gap_seconds{{version="{version}"}}'))
    assert 0 < float(gap["value"][1]) < 30
    (errors,) = stack.query(lately(f'tt_deploy_gateway_errors{{version="{version}"}}'))
    (served,) = stack.query(lately(f'tt_deploy_gateway_requests{{version="{version}"}}'))
    assert float(errors["value"][1]) == 0 < float(served["value"][1])
    medians = stack.query(lately(f'tt_deploy_latency_p50_seconds{{version="{version}"}}'))
    assert {each["metric"]["phase"] for each in medians} == {"before", "during", "after"}


def test_no_secret_stands_where_others_on_the_host_can_read_it(stack: Stack) -> None:
    containers = stack.host("docker", "ps", "--all", "--quiet", "--filter", PROJECT).split()
    form = "{{.Path}} {{json .Args}} {{json .Config.Healthcheck}} {{json .Config.Labels}}"
    inspected = stack.host("docker", "inspect", "--format", form, *containers)
    processes = stack.host("ps", "axww", "-o", "args")
    assert "redis-server" in processes
    visible = inspected + processes
    assert [name for name, value in stack.secrets().items() if value in visible] == []


def test_data_stores_and_exporters_are_published_on_loopback_alone(stack: Stack) -> None:
    shown = stack.host("docker", "ps", "--filter", PROJECT, "--format", "{{.Names}} {{.Ports}}")
    open_to_all = [line for line in shown.splitlines() if "0.0.0.0:" in line]
    names = {line.split()[0] for line in open_to_all}
    # The lab's own choice, to reach them from outside the instance: MONITORING_BIND_ADDRESS.
    monitoring = {"tt-prometheus-1", "tt-alertmanager-1"}
    exporters = {"tt-redis-exporter-1", "tt-postgres-exporter-1"}
    assert names - monitoring - exporters == {"tt-gateway-1", "tt-grafana-1"}


def test_the_initialisation_may_run_again_at_any_time(stack: Stack) -> None:
    for _ in range(3):
        stack.host("docker", "start", "--attach", "tt-redis-cluster-init-1")
    said = stack.host("docker", "logs", "--tail", "1", "tt-redis-cluster-init-1")
    assert "the cluster is whole: nothing to do" in said


@contextmanager
def asked_all_the_while(stack: Stack) -> Iterator[Counter[str]]:
    """What the application answered, four times a second: `path status`, or `path error`."""
    answers: Counter[str] = Counter()
    over = threading.Event()

    def ask(path: str) -> None:
        while not over.wait(0.25):
            try:
                reply = httpx.get(f"{stack.app_url}{path}", timeout=30, trust_env=False)
                answers[f"{path} {reply.status_code}"] += 1
            except httpx.HTTPError as error:
                answers[f"{path} {type(error).__name__}"] += 1

    asking = [threading.Thread(target=ask, args=(path,)) for path in ASKED]
    for each in asking:
        each.start()
    try:
        yield answers
    finally:
        over.set()
        for each in asking:
            each.join()


def lose_master(stack: Stack, victim: int) -> None:
    """Kill a master as a crash would; its replica takes over while the application goes on."""
    witness = victim % 6 + 1
    with asked_all_the_while(stack) as answers:
        stack.host("docker", "kill", f"tt-redis-node-{victim}-1")

        def taken_over() -> bool:
            masters = stack.masters(witness)
            return len(masters) == 3 and victim not in masters

        assert eventually(taken_over, seconds=120), stack.redis(witness, "cluster", "nodes")
    assert set(answers) == {f"{path} 200" for path in ASKED}, answers
    assert counted(stack)


def counted(stack: Stack) -> int:
    """The number of views by now: it is missing from an answer while the counter's node is slow."""
    seen: list[int] = []

    def is_a_number() -> bool:
        reply = httpx.get(f"{stack.app_url}/api/tickets", timeout=30, trust_env=False)
        seen.extend(v for v in [reply.raise_for_status().json()["views"]] if v is not None)
        return bool(seen)

    assert eventually(is_a_number, seconds=120), "the views are not counted"
    return seen[-1]


def bring_back(stack: Stack, node: int) -> None:
    """Start a node again and wait until it follows the one that replaced it."""
    stack.host("docker", "start", f"tt-redis-node-{node}-1")
    assert eventually(
        lambda: "master_link_status:up" in stack.redis(node, "info", "replication"), seconds=180
    )


def test_any_redis_master_may_die_while_the_application_goes_on(stack: Stack) -> None:
    for victim in sorted(stack.masters(1)):
        lose_master(stack, victim)
        bring_back(stack, victim)


def test_a_lost_redis_master_is_told_in_slack_and_so_is_its_return(stack: Stack) -> None:
    victim = min(stack.masters(1))
    told = f"Redis node redis-node-{victim}:{6999 + victim} is down"

    lose_master(stack, victim)
    assert eventually(lambda: stack.is_firing("RedisNodeDown"), seconds=180)
    assert eventually(lambda: told in stack.slack(), seconds=180)

    bring_back(stack, victim)
    assert eventually(lambda: not stack.is_firing("RedisNodeDown"), seconds=180)
    assert eventually(lambda: f"resolved: {told}" in stack.slack(), seconds=180)


def test_without_postgres_health_is_down_until_it_is_back(stack: Stack) -> None:
    def is_down_for_its_database_alone() -> bool:
        status, body = stack.health()
        parts = {name: part["status"] for name, part in body.get("components", {}).items()}
        seen = (status, body.get("status"), parts.get("db"), parts.get("redis"))
        return seen == (503, "DOWN", "DOWN", "UP")

    stack.host("docker", "stop", "tt-postgres-1")
    assert eventually(is_down_for_its_database_alone, seconds=180), stack.health()
    assert eventually(lambda: stack.is_firing("PostgresDown"), seconds=180)
    assert eventually(lambda: "PostgreSQL does not answer" in stack.slack(), seconds=180)

    stack.host("docker", "start", "tt-postgres-1")
    assert eventually(lambda: stack.health()[0] == 200, seconds=180)
    assert eventually(lambda: not stack.is_firing("PostgresDown"), seconds=180)


def test_down_and_up_of_the_whole_file_keep_every_row_and_key(stack: Stack) -> None:
    title = f"kept {time.time()}"
    posted = httpx.post(f"{stack.app_url}/api/tickets", content=title, timeout=30, trust_env=False)
    assert posted.status_code == 201
    views = counted(stack)

    image = stack.host("sh", "-c", LAST_IMAGE).strip()
    down = ("docker", "compose", "--project-name", "tt", "down", "--timeout", "60")
    stack.host(*down, timeout=600)
    stack.host("sh", "-c", f"APP_IMAGE={image}; {UP_BY_HAND}", timeout=600)
    assert eventually(lambda: stack.not_healthy() == [], seconds=240), stack.not_healthy()
    done = stack.delivering.run("deploy")

    assert done.outcome == "DEPLOYED", done.said
    after = httpx.get(f"{stack.app_url}/api/tickets", timeout=30, trust_env=False).json()
    assert title in [ticket["title"] for ticket in after["tickets"]]
    # A view whose answer came too late was counted as well.
    assert counted(stack) > views


@pytest.fixture
def clone(stack: Stack, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Changes a file of the application's repository on develop; undone afterwards."""
    lab = stack.delivering.lab
    url = f"{lab.status['github_url']}/{lab.status['repository']}"
    login = login_to_github(lab.env["TT_GITHUB_TOKEN"])
    folder = tmp_path / "clone"

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a test", "-c", "user.email=test@tt.example")
        command = ["git", *who, *arguments]
        subprocess.run(command, env=login, check=True, capture_output=True, timeout=60)

    git("clone", "--quiet", "--branch", "develop", f"{url}.git", str(folder))

    def change(path: str, text: str) -> None:
        (folder / path).write_text(text)
        git("-C", str(folder), "add", path)
        git("-C", str(folder), "commit", "--quiet", "--message", "fix: an alert rule")
        git("-C", str(folder), "push", "--quiet", "origin", "develop")

    yield change
    git("-C", str(folder), "revert", "--no-edit", "HEAD")
    git("-C", str(folder), "push", "--quiet", "origin", "develop")


def test_a_rule_file_with_an_error_is_refused_before_anything_restarts(
    stack: Stack, clone: Callable[..., None]
) -> None:
    before = stack.delivering.containers()
    clone(
        "monitoring/prometheus/rules/app.yml", "groups:\n  - name: app\n    rules: [{alert: X}]\n"
    )

    done = stack.delivering.run("deploy")

    assert done.status == 1
    assert "prometheus would refuse its configuration" in done.said
    assert stack.delivering.containers() == before
    assert eventually(lambda: bool(stack.query("count(ALERTS) or vector(0)")), seconds=60)
