"""Figures for the host's Prometheus: pushed as they are, and a refusal is said."""

from tests.host.running import HOST, Machine, Ran

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
