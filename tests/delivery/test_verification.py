"""The guide's last checklist, judged by what the services said."""

import datetime
import json
from typing import Any

import pytest

from delivery.checks import Level
from delivery.verification import WatchedStack, judge_watchers
from tests.scripted_hosts import NOW, watched_stack


def stack(**changes: Any) -> WatchedStack:
    return WatchedStack.model_validate({"ok": True, "step": "verify", **watched_stack(**changes)})


def failed(**changes: Any) -> dict[str, str]:
    """What failed, and the evidence, if these things were otherwise."""
    checks = judge_watchers(stack(**changes), "TT-ec2-1", "lab")
    return {check.name: check.evidence for check in checks if check.level is Level.FAIL}


def target(health: str = "up", seconds_ago: float = 5, **fields: Any) -> dict[str, Any]:
    at = datetime.datetime.fromtimestamp(NOW - seconds_ago, datetime.UTC).isoformat()
    usual = {"labels": {"instance": "a:1"}, "scrapePool": "redis", "lastScrape": at}
    return {**usual, "health": health, "scrapeInterval": "10s", **fields}


def targets(*found: dict[str, Any]) -> str:
    return json.dumps({"status": "success", "data": {"activeTargets": list(found)}})


POOL = json.dumps({"status": "success", "data": {"scrapePools": ["redis"]}})


def test_a_stack_that_is_watched_passes_every_check_of_the_guide() -> None:
    checks = judge_watchers(stack(), "TT-ec2-1", "lab")
    assert [check.evidence for check in checks if check.level is not Level.PASS] == []
    assert [check.name for check in checks] == [
        *("application", "Prometheus", "Alertmanager", "targets", "scrapes", "alerts' way"),
        *("Grafana", "data source", "dashboards", "receivers"),
    ]
    assert {check.host for check in checks} == {"TT-ec2-1"}


def test_a_failed_check_says_what_to_type_and_one_that_passed_nothing() -> None:
    checks = judge_watchers(stack(prometheus_ready="503"), "h", "lab")
    assert [check.name for check in checks if check.remedy] == ["Prometheus"]


@pytest.mark.parametrize(
    ("change", "name", "evidence"),
    [
        (
            {"actuator_status": "503", "actuator": '{"status":"DOWN"}'},
            "application",
            "HTTP 503, status DOWN",
        ),
        ({"actuator_status": ""}, "application", "no answer: connection failed"),
        ({"prometheus_ready": "503"}, "Prometheus", "not ready: HTTP 503"),
        ({"prometheus_ready": ""}, "Prometheus", "does not answer"),
        ({"prometheus_ready": "000"}, "Prometheus", "does not answer"),
        (
            {"prometheus_reloaded": "0"},
            "Prometheus",
            "goes on with an old configuration: it refused the new one",
        ),
        ({"targets": ""}, "targets", "Prometheus answered something else: -"),
        ({"targets": targets(), "pools": '{"status":"success","data":{"scrapePools":[]}}'},
         "targets", "there is no target at all"),
        ({"alertmanagers": "{}"}, "alerts' way",
         "Prometheus knows no Alertmanager to send alerts to"),
        ({"alertmanagers": '{"data": 4}'}, "alerts' way",
         "Prometheus knows no Alertmanager to send alerts to"),
        ({"grafana": '{"database":"failing"}'}, "Grafana", 'not healthy: {"database":"failing"}'),
        ({"grafana": ""}, "Grafana", "not healthy: no answer"),
        ({"datasources": "[]"}, "data source", "none is provisioned: []"),
        ({"datasource_health": '{"status":"ERROR"}'}, "data source",
         'does not work: {"status":"ERROR"}'),
        ({"datasource_health": ""}, "data source", "does not work: no answer"),
        ({"dashboards": "tt-jvm"}, "dashboards", "not there: tt-overview"),
        ({"alertmanager_ready": ""}, "Alertmanager", "does not answer"),
        ({"alertmanager_reloaded": "0"}, "Alertmanager",
         "goes on with an old configuration: it refused the new one"),
        ({"receivers": "slack-warning"}, "receivers",
         "not in what is loaded: slack-critical; slack-drill"),
    ],
)  # fmt: skip
def test_one_thing_that_is_wrong_is_one_failed_check(
    change: dict[str, Any], name: str, evidence: str
) -> None:
    assert failed(**change) == {name: evidence}


@pytest.mark.parametrize(
    ("seen", "evidence"),
    [
        (target("down", lastError="connection refused"), "redis a:1: connection refused"),
        (target("unknown"), "redis a:1: unknown"),
    ],
)
def test_a_target_that_is_not_up_is_named_with_its_error(
    seen: dict[str, Any], evidence: str
) -> None:
    assert failed(targets=targets(seen), pools=POOL) == {"targets": evidence}


def test_a_job_whose_targets_were_not_even_found_is_named() -> None:
    pools = '{"status":"success","data":{"scrapePools":["redis","tt-backend"]}}'
    assert failed(targets=targets(target()), pools=pools) == {
        "targets": "tt-backend: no target found"
    }


@pytest.mark.parametrize(
    ("asked", "service"),
    [
        ("http://redis-exporter:9121/scrape?target=redis-node-1:7000", "redis-exporter"),
        ("http://172.16.77.3:8080/actuator/prometheus", "app"),
        ("", "app"),
    ],
)
def test_the_remedy_of_a_target_names_the_service_that_was_asked(asked: str, service: str) -> None:
    seen = stack(targets=targets(target(), target("down", scrapeUrl=asked)), pools=POOL)
    (check,) = [c for c in judge_watchers(seen, "h", "lab") if c.name == "targets"]
    assert check.remedy.endswith(f"logs --tail 50 {service}")


def test_a_receiver_that_is_missing_is_brought_by_a_deploy_to_this_environment() -> None:
    (check,) = [c for c in judge_watchers(stack(receivers=""), "h", "lab") if c.remedy]
    assert (check.name, "--environment lab " in check.remedy) == ("receivers", True)


def test_only_some_of_many_are_listed() -> None:
    many = [target("down", labels={"instance": f"n{n}"}) for n in range(7)]
    assert failed(targets=targets(*many), pools=POOL)["targets"].endswith("; and 2 more")


@pytest.mark.parametrize(
    ("seen", "evidence"),
    [
        (target(lastScrape="0001-01-01T00:00:00Z"), "redis a:1: never scraped"),
        (target(seconds_ago=70), "redis a:1: last scraped 10 s before the deploy began"),
        (target(seconds_ago=41), "redis a:1: last scraped 41 s ago, every 10 s were meant"),
    ],
)
def test_every_target_was_scraped_since_the_deploy_began_and_lately(
    seen: dict[str, Any], evidence: str
) -> None:
    assert failed(targets=targets(seen), pools=POOL) == {"scrapes": evidence}


def test_how_late_is_too_late_is_by_the_job_s_own_interval() -> None:
    seldom = target(seconds_ago=59, scrapeInterval="1m")
    assert failed(targets=targets(seldom), pools=POOL) == {}


@pytest.mark.parametrize(
    ("record", "started", "began"),
    [
        ('{"generation": 1764000000000}', 1763000000, 1764000000),
        ('{"generation": 1764000000000}', 1765000000, 1765000000),
        ('{"generation": "x"}', 5, 5),
        ("[1]", 5, 5),
        ("", 0, 0),
    ],
)
def test_the_deploy_began_by_the_record_or_the_application_started_later(
    record: str, started: float, began: float
) -> None:
    assert stack(last_record=record, app_started=started).deploy_began == began
