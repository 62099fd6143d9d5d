"""Figures for the host's Prometheus: pushed as they are, and a refusal is said."""

import os
import re
import subprocess
from shlex import quote

import pytest

from delivery.receipt import Receipt, Window
from tests.host.running import HOST, Machine, Ran
from tests.stack.files import MONITORING
from tools.stack_programs import environment

DASHBOARDS = MONITORING / "grafana" / "dashboards"
METRICS = '# TYPE tt_dora_deployments gauge\ntt_dora_deployments{environment="lab"} 2.000000\n'
DOCKER = """case "$1" in
    ps) echo abc ;;
    exec) printf '%s\\n' "$@" >"$TT_STATE_DIRECTORY/arguments"; cat >"$TT_STATE_DIRECTORY/pushed" ;;
esac"""


def publish(machine: Machine) -> Ran:
    text = (HOST / "monitoring.sh").read_text() + (HOST / "publish.sh").read_text()
    return machine.run(text, TT_STEP="publish", TT_PROJECT="tt", TT_METRICS=METRICS)


def test_the_figures_reach_promtool_in_the_container(machine: Machine) -> None:
    machine.program("docker", DOCKER)
    assert publish(machine).result["published"] is True
    assert (machine.state / "pushed").read_text().strip() == METRICS.strip()
    assert "promtool\npush\nmetrics" in (machine.state / "arguments").read_text()


def test_a_host_without_prometheus_is_left_alone(machine: Machine) -> None:
    machine.program("docker", "true")
    assert publish(machine).result["published"] is False


def test_a_prometheus_that_refuses_is_said(machine: Machine) -> None:
    machine.program(
        "docker", 'case "$1" in ps) echo abc ;; *) echo "no remote write"; exit 1 ;; esac'
    )
    assert "no remote write" in publish(machine).result["failed"]


def window(*figures: float) -> Window:
    return Window.model_validate(
        dict(zip(("requests", "failed", "p50_ms", "p99_ms"), figures, strict=True))
    )


RECEIPT = Receipt(
    before=window(40, 0, 4.2, 9.9),
    during=window(38, 3, 6, 61.5),
    after=window(7, 0, 5, 8),
    longest_gap_ms=120,
    gateway_requests=84,
    gateway_errors=2,
)


def pushed(machine: Machine, *, switched_at: float = 0.0, **inputs: str) -> list[str]:
    """What Prometheus gets of a receipt, line by line."""
    machine.program("docker", DOCKER)
    machine.state.mkdir(exist_ok=True)
    story = (
        f"switched_at={switched_at}\npublish_receipt {quote(RECEIPT.model_dump_json())}\nsucceed"
    )
    text = (HOST / "monitoring.sh").read_text() + story
    ran = machine.run(text, TT_PROJECT="tt", TT_APP_VERSION="1.2.0", **inputs)
    assert ran.result["ok"], ran.noise
    return (machine.state / "pushed").read_text().splitlines()


def samples(lines: list[str]) -> dict[str, float]:
    pairs = [line.rsplit(" ", 1) for line in lines if line and not line.startswith("#")]
    return {name.replace('version="1.2.0"', ""): float(value) for name, value in pairs}


def test_a_receipt_has_the_gateways_counts_and_both_latencies(machine: Machine) -> None:
    found = samples(pushed(machine))
    assert found.pop("tt_deploy_finished_timestamp_seconds{}") > 1.7e9
    assert 0 <= found.pop("tt_deploy_duration_seconds{}") < 60
    assert found == {
        "tt_deploy_requests{}": 38,
        "tt_deploy_requests_failed{}": 3,
        "tt_deploy_gateway_requests{}": 84,
        "tt_deploy_gateway_errors{}": 2,
        "tt_deploy_longest_gap_seconds{}": 0.12,
        'tt_deploy_latency_p50_seconds{,phase="before"}': 0.0042,
        'tt_deploy_latency_p50_seconds{,phase="during"}': 0.006,
        'tt_deploy_latency_p50_seconds{,phase="after"}': 0.005,
        'tt_deploy_latency_p99_seconds{,phase="before"}': 0.0099,
        'tt_deploy_latency_p99_seconds{,phase="during"}': 0.0615,
        'tt_deploy_latency_p99_seconds{,phase="after"}': 0.008,
    }


def test_a_way_back_tells_how_long_it_took_since_the_release_was_found_not_to_hold(
    machine: Machine,
) -> None:
    found = samples(pushed(machine, switched_at=1_800_000_012.5, TT_FAILED_AT="1800000000.250"))
    assert found["tt_deploy_restored_seconds{}"] == pytest.approx(12.25)


@pytest.mark.parametrize("failed_at", ["", "1800000020.000"])
def test_nothing_is_said_of_a_deploy_or_by_clocks_that_disagree(
    machine: Machine, failed_at: str
) -> None:
    lines = pushed(machine, switched_at=1_800_000_012.5, TT_FAILED_AT=failed_at)
    assert not any("restored" in line for line in lines)


def test_prometheus_own_program_reads_the_receipt_and_the_dashboards_ask_for_no_more(
    machine: Machine,
) -> None:
    lines = pushed(machine, switched_at=1_800_000_012.5, TT_FAILED_AT="1800000000.250")
    parsed = subprocess.run(
        ["promtool", "check", "metrics", "--extended"],
        input="\n".join(lines).encode() + b"\n",
        capture_output=True,
        timeout=60,
        check=False,
        env=environment(os.environ),
    )
    # 3: it reads them all and would like help texts too.
    assert parsed.returncode == 3, parsed.stderr
    assert {line.split()[0] for line in parsed.stderr.decode().splitlines()} <= set(names(lines))
    dashboards = "".join(file.read_text() for file in DASHBOARDS.glob("*.json"))
    assert set(re.findall(r"tt_deploy_\w+", dashboards)) <= set(names(lines))


def names(lines: list[str]) -> list[str]:
    """The metrics that are announced, each once."""
    found = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(found) == len(set(found))
    return found
