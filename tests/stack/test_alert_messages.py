"""What a person reads in Slack, rendered by Alertmanager's own templates."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.stack.files import MONITORING
from tools.stack_programs import environment

TEMPLATES = MONITORING / "alertmanager" / "templates" / "*.tmpl"


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    return environment(os.environ)


def alert(status: str, summary: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "PostgresDown", "severity": "critical", "domain": "postgres"},
        "annotations": {
            "summary": summary,
            "description": "The exporter cannot connect.",
            "runbook_url": "https://runbook.example/#postgresdown",
        },
        "startsAt": "2026-11-23T03:00:00Z",
        "endsAt": "2026-11-23T03:01:30.5Z",
        "generatorURL": "https://prometheus.example/graph",
    }


def message(*alerts: dict[str, Any], **common: str) -> dict[str, Any]:
    firing = any(one["status"] == "firing" for one in alerts)
    return {
        "receiver": "slack-critical",
        "status": "firing" if firing else "resolved",
        "alerts": alerts,
        "commonLabels": {"severity": "critical", "domain": "postgres", **common},
    }


@pytest.fixture
def render(tmp_path: Path, programs: dict[str, str]) -> Any:
    def rendered(template: str, data: dict[str, Any]) -> str:
        file = tmp_path / "data.json"
        file.write_text(json.dumps(data))
        done = subprocess.run(
            [
                "amtool",
                "template",
                "render",
                f"--template.glob={TEMPLATES}",
                f"--template.data={file}",
                f'--template.text={{{{ template "{template}" . }}}}',
            ],
            env=programs,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout.rstrip("\n")

    return rendered


def test_a_firing_alert_says_what_since_when_and_what_to_do(render: Any) -> None:
    data = message(alert("firing", "PostgreSQL does not answer"), alertname="PostgresDown")
    assert render("tt.title", data) == "[CRITICAL] PostgresDown"
    assert render("tt.color", data) == "danger"
    assert render("tt.link", data) == "https://prometheus.example/graph"
    assert render("tt.text", data).splitlines() == [
        "*PostgreSQL does not answer*",
        "The exporter cannot connect.",
        "Since 2026-11-23 03:00:00 UTC | <https://runbook.example/#postgresdown|what to do>"
        " | <https://prometheus.example/graph|the query>",
    ]


def test_a_resolved_alert_says_how_long_it_lasted(render: Any) -> None:
    data = message(alert("resolved", "PostgreSQL does not answer"), alertname="PostgresDown")
    assert render("tt.title", data) == "[RESOLVED] PostgresDown"
    assert render("tt.color", data) == "good"
    assert render("tt.text", data) == "resolved: PostgreSQL does not answer (after 1m30s)"


def test_several_alerts_of_one_domain_come_as_one_message(render: Any) -> None:
    data = message(alert("firing", "One"), alert("firing", "Another"), alert("resolved", "Third"))
    assert render("tt.title", data) == "[CRITICAL] 3 alerts about postgres"
    text = render("tt.text", data)
    assert text.index("*One*") < text.index("*Another*") < text.index("resolved: Third")
