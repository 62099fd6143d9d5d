"""What alert rules, Alertmanager's routes, dashboards and the runbook owe each other."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from delivery import drill
from tests.stack.files import MONITORING, ROOT, alert_rules, read_yaml, strings

RULES = alert_rules()
NAMES = sorted(rule["alert"] for rule in RULES)
RUNBOOK = ROOT / "docs" / "runbook.md"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
DOMAINS = {"app", "deploy", "host", "monitoring", "postgres", "redis"}


def cases() -> list[str]:
    """Names of promtool's test cases: `Alert fires: ...` and `Alert stays quiet: ...`."""
    files = sorted((MONITORING / "prometheus" / "tests").glob("*.yml"))
    return [case["name"] for file in files for case in read_yaml(file)["tests"]]


def alertmanager() -> dict[str, Any]:
    return read_yaml(MONITORING / "alertmanager" / "alertmanager.yml")


def test_no_two_alerts_share_a_name() -> None:
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_says_what_it_is_how_bad_and_where(rule: dict[str, Any]) -> None:
    severities = {"drill"} if rule["alert"] == drill.ALERT else {"critical", "warning"}
    assert rule["labels"]["severity"] in severities
    assert rule["labels"]["domain"] in DOMAINS
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_leads_to_its_own_part_of_the_runbook(rule: dict[str, Any]) -> None:
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert file.endswith("/docs/runbook.md")
    assert anchor == rule["alert"].lower()
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert rule["alert"] in headings


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    assert [case for case in cases() if case.startswith(f"{name} fires: ")]
    assert [case for case in cases() if case.startswith(f"{name} stays quiet: ")]


def test_alertmanager_names_only_alerts_that_exist() -> None:
    matchers = [text for text in strings(alertmanager()) if re.match(r"alertname\s*[=!]", text)]
    assert matchers
    for matcher in matchers:
        named = re.sub(r'^alertname\s*(=~|!~|!=|=)\s*|"', "", matcher).split("|")
        assert set(named) <= set(NAMES), matcher


def test_the_only_variable_of_the_template_is_the_webhook() -> None:
    text = (MONITORING / "alertmanager" / "alertmanager.yml").read_text()
    settings = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    assert re.findall(r"\$\{?\w+\}?", "\n".join(settings)) == ["${SLACK_WEBHOOK_AUTH}"]


def test_resolved_alerts_are_told_too() -> None:
    receivers = alertmanager()["receivers"]
    assert all(slack["send_resolved"] for one in receivers for slack in one["slack_configs"])


def test_a_drill_has_a_receiver_of_its_own_that_no_other_route_leads_to() -> None:
    routes = alertmanager()["route"]["routes"]
    assert routes[0]["matchers"] == ["severity = drill"]
    assert [r["receiver"] for r in routes].count(drill.RECEIVER) == 1
    assert drill.RECEIVER in [one["name"] for one in alertmanager()["receivers"]]


def test_all_six_redis_nodes_are_measured() -> None:
    jobs = read_yaml(MONITORING / "prometheus" / "prometheus.yml")["scrape_configs"]
    (targets,) = [job["static_configs"][0]["targets"] for job in jobs if job["job_name"] == "redis"]
    assert targets == [f"redis-node-{n}:{6999 + n}" for n in range(1, 7)]


def test_the_dashboards_are_the_ones_promised() -> None:
    assert [file.stem for file in DASHBOARDS] == [
        "deploys",
        "jvm",
        "overview",
        "postgresql",
        "redis-cluster",
    ]


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_each_panel_asks_the_provisioned_data_source_and_says_what_it_shows(file: Any) -> None:
    (source,) = read_yaml(
        MONITORING / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    )["datasources"]
    dashboard = json.loads(file.read_text())
    for panel in dashboard["panels"]:
        assert panel["description"]
        assert {t["datasource"]["uid"] for t in panel["targets"]} == {source["uid"]}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_no_two_panels_lie_on_each_other(file: Any) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(file.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_each_dashboard_marks_the_deploys(file: Any) -> None:
    annotations = json.loads(file.read_text())["annotations"]["list"]
    (own,) = [each for each in annotations if each["datasource"]["uid"] == "-- Grafana --"]
    # The tags that delivery/annotation.py gives.
    assert own["enable"]
    assert own["target"]["tags"] == ["deploy", "rollback"]
    assert any("tt_deploy_" in each.get("expr", "") for each in annotations)
