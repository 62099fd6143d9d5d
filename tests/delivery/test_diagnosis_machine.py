import pytest

from delivery.findings import Action, Confidence
from tests.delivery.facts import causes, container, findings


@pytest.mark.parametrize(
    ("disk", "lacks"),
    [("/|8000000|1000|500|400", "room"), ("/|8000000|6000000|500000|100", "inodes")],
)
def test_a_disk_without_room_or_inodes_is_full(disk: str, lacks: str) -> None:
    (full,) = findings(disks=[disk])
    assert full.cause == "disk-full"
    assert f"no {lacks} left" in full.summary
    assert full.remedy.action is Action.PRUNE


def test_disks_with_room_and_without_any_inodes_of_their_own_are_fine() -> None:
    assert findings(disks=["/|8000000|300000|0|0", "/small|1000|900|10|10", "/odd|0|0|0|0"]) == []


def test_a_full_disk_comes_before_all_that_follows_from_it() -> None:
    found = findings(
        disks=["/|8000000|0|500|400"],
        containers=[container("postgres", state="restarting", exit_code=1)],
    )
    assert [each.cause for each in found] == ["disk-full", "database-stopped"]
    assert found[1].because == "disk-full"
    assert found[1].remedy.action is None


def test_without_an_engine_nothing_is_said_of_containers() -> None:
    assert causes(engine="", containers=[], postgres="", redis="") == ["engine-down"]


def test_a_container_that_the_kernel_killed_is_found_with_its_limit() -> None:
    app = container("app", state="restarting", health="", oom=True, exit_code=137,
                    memory=64 * 2**20, restarts=3)  # fmt: skip
    event = "1795646700|oom|app|tt-app-1|"
    found = findings(
        containers=[app], events=[event], actuator=["public 503"],
        kernel=["oom-kill: task_memcg=/docker/0123456789ab", "oom-kill: somebody else"],
    )  # fmt: skip
    assert found[0].cause == "out-of-memory"
    assert "64 MiB" in found[0].summary
    assert "tt-app-1: killed 1 times lately" in found[0].evidence
    assert "oom-kill: task_memcg=/docker/0123456789ab" in found[0].evidence
    assert "APP_MEMORY_LIMIT" in found[0].remedy.command
    assert not any("somebody else" in line for line in found[0].evidence)


def test_one_that_was_killed_and_came_back_well_is_no_finding() -> None:
    assert causes(events=["1795646700|oom|app|tt-app-1|"]) == []


def test_a_host_without_memory_is_found() -> None:
    (found,) = findings(memory=["MemTotal 4000000", "MemAvailable 20000"])
    assert (found.cause, found.confidence) == ("out-of-memory", Confidence.LIKELY)


def test_a_port_that_somebody_else_holds_is_found_with_its_holder() -> None:
    gateway = container("gateway", state="exited", health="", exit_code=128, ports="8080 8404 ",
                        error="failed to bind host port: address already in use")  # fmt: skip
    found = findings(
        containers=[gateway], actuator=["public 000"], ports=["8080|python3 (process 77)"]
    )
    assert found[0].cause == "port-taken"
    assert found[0].evidence[0] == "port 8080: held by python3 (process 77)"
    assert {each.because for each in found[1:]} == {"port-taken"}
    assert "docker start tt-gateway-1" in found[0].remedy.command


def test_our_own_ports_and_those_of_running_containers_are_nobody_elses() -> None:
    stopped = container("grafana", state="exited", ports="3001 ")
    ports = ["3001|docker-proxy (process 9)", "8080|haproxy (process 1)"]
    running = container("gateway", ports="8080 ")
    assert causes(containers=[stopped, running], ports=ports) == ["container-stopped"]
