"""The soak gate's question, put to Prometheus' own engine over series as the stack makes them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from delivery.policies import SoakPolicy
from delivery.soak import soak_query
from tools.stack_programs import environment

MADE, WARM = 1800, 1830
"""The old container serves from 0 to 1820 s, the new one is made at 1800 s."""
OLD, NEW = "172.16.77.129:8080", "172.16.77.130:8080"


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    return environment(os.environ)


def series(name: str, instance: str, values: str, **labels: str) -> dict[str, str]:
    shown = {"instance": instance, "job": "tt-backend", "uri": "/api/tickets", **labels}
    inside = ", ".join(f'{label}="{value}"' for label, value in shown.items())
    return {"series": f"http_server_requests_seconds_{name}{{{inside}}}", "values": values}


# A sample every ten seconds. The old one answers 10 a second, one in a hundred badly, all within
# 0.1 s. The new one begins at 1810 s; of its first 50 requests none is quick, later ones are.
SERIES = [
    series("count", OLD, "0+99x182", status="200"),
    series("count", OLD, "0+1x182", status="500"),
    series("count", OLD, "0+1000x182", status="200", uri="/actuator/health"),
    series("bucket", OLD, "0+100x182", le="0.1", status="200"),
    series("bucket", OLD, "0+100x182", le="+Inf", status="200"),
    series("count", NEW, "_x181 50 50 50+95x17", status="200"),
    series("count", NEW, "_x183 0+5x17", status="500"),
    series("count", NEW, "_x181 1000+1000x20", status="503", uri="/actuator/health"),
    series("bucket", NEW, "_x181 0 0 0+100x17", le="0.1", status="200"),
    series("bucket", NEW, "_x181 50 50 50+100x17", le="+Inf", status="200"),
]


def expected(figures: dict[str, float]) -> list[dict[str, Any]]:
    return [{"labels": f'{{figure="{name}"}}', "value": value} for name, value in figures.items()]


def test_each_figure_is_what_the_series_say(tmp_path: Path, programs: dict[str, str]) -> None:
    query = soak_query(SoakPolicy(before_minutes=10))
    for mark, value in (("$NEW", NEW), ("$MADE", str(MADE)), ("$WARM", str(WARM))):
        query = query.replace(mark, value)
    figures = {
        "requests before": 6000.0,
        "errors before": 60.0,
        "p95 before": 0.095,
        "requests after": 50 + 17 * 100,
        "errors after": 17 * 5,
        "p95 after": 0.095,
        "timed after": 17 * 100,
    }
    case = {
        "interval": "10s",
        "input_series": SERIES,
        "promql_expr_test": [
            {"expr": query, "eval_time": "2000s", "exp_samples": expected(figures)}
        ],
    }
    file = tmp_path / "soak.yml"
    file.write_text(json.dumps({"evaluation_interval": "10s", "tests": [case]}))
    done = subprocess.run(
        ["promtool", "test", "rules", "--diff", str(file)],
        env=programs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
