"""What runs by itself, when, and that it never runs twice at once."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Completed

from tests.prefect_servers import ROOT, PrefectServer, prefect_server_in

SERVED: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
SCHEDULED = [each for each in SERVED if each.get("schedules")]
SCHEDULES = [schedule for each in SCHEDULED for schedule in each["schedules"]]


def of(flow: str, environment: str) -> dict[str, Any]:
    (found,) = [
        each
        for each in SERVED
        if each["entrypoint"].endswith(f":{flow}") and each["name"] == environment
    ]
    return found


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_health_is_looked_at_every_few_minutes(environment: str) -> None:
    (schedule,) = of("healthcheck", environment)["schedules"]
    assert schedule.get("active", True)
    assert schedule["cron"] == "*/5 * * * *"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_old_runs_go_every_night(environment: str) -> None:
    (schedule,) = of("retention", environment)["schedules"]
    assert schedule.get("active", True)
    assert schedule["cron"] == "20 4 * * *"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_drift_is_looked_for_every_hour(environment: str) -> None:
    (schedule,) = of("drift", environment)["schedules"]
    assert schedule.get("active", True)
    assert schedule["cron"] == "17 * * * *"


def test_nothing_runs_by_itself_in_the_lab() -> None:
    lab = [
        schedule for each in SCHEDULED if each["name"] == "lab" for schedule in each["schedules"]
    ]
    assert lab
    assert not any(schedule.get("active", True) for schedule in lab)


def test_every_schedule_is_one_that_prefect_reads_in_the_hosts_time_zone() -> None:
    for schedule in SCHEDULES:
        read = CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
        assert read.timezone == "Asia/Seoul"


def test_whatever_has_a_schedule_skips_a_run_while_one_is_under_way() -> None:
    for each in SCHEDULED:
        assert each["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    folder: Path = tmp_path_factory.mktemp("schedules")
    with prefect_server_in(folder) as server:
        server.run("prefect", "work-pool", "create", "tt-deploy", "--type", "process")
        server.run("prefect", "--no-prompt", "deploy", "--name", "production")
        yield server


@pytest.mark.prefect(own_server=True)
@pytest.mark.timeout(600)
def test_deploying_one_environment_creates_all_of_its_deployments_and_no_others(
    server: PrefectServer,
) -> None:
    commit = server.run("deployments/revision.sh").strip()
    with get_client(sync_client=True) as client:
        made = client.read_deployments()
    wanted = [each for each in SERVED if each["name"] == "production"]
    assert sorted(each.entrypoint or "" for each in made) == sorted(
        each["entrypoint"] for each in wanted
    )
    assert {each.name for each in made} == {"production"}
    assert {each.version for each in made} == {commit}


@pytest.mark.prefect(own_server=True)
@pytest.mark.timeout(600)
def test_the_server_takes_the_schedule_and_lets_no_two_runs_overlap(server: PrefectServer) -> None:
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("healthcheck/production")
    (schedule,) = deployment.schedules
    assert schedule.active
    assert isinstance(schedule.schedule, CronSchedule)
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("*/5 * * * *", "Asia/Seoul")
    assert deployment.global_concurrency_limit is not None
    assert deployment.global_concurrency_limit.limit == 1
    assert deployment.concurrency_options is not None
    assert deployment.concurrency_options.collision_strategy == "CANCEL_NEW"


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_who_watches_is_verified_every_day_with_a_drill(environment: str) -> None:
    (schedule,) = of("verify", environment)["schedules"]
    assert schedule.get("active", True)
    assert schedule["cron"] == "30 10 * * *"
    assert schedule["parameters"] == {"drill": "if due"}
    assert of("verify", environment)["parameters"] == {"environment": environment}


@pytest.mark.prefect(own_server=True)
@pytest.mark.timeout(600)
def test_a_release_is_verified_without_a_drill_and_without_its_waiting_for_that(
    server: PrefectServer,
) -> None:
    with get_client(sync_client=True) as client:
        verify = client.read_deployment_by_name("verify/production")
        (schedule,) = verify.schedules
        assert schedule.parameters == {"drill": "if due"}
        released = client.create_flow_run_from_deployment(
            client.read_deployment_by_name("healthcheck/production").id
        )
        client.set_flow_run_state(released.id, Completed(name="Deployed"), force=True)
        due = time.monotonic() + 180
        while not (runs := runs_of(client, verify.id)):
            assert time.monotonic() < due, "nobody was asked to verify the release"
            time.sleep(1)
    assert [run.parameters for run in runs] == [{"environment": "production"}]


def runs_of(client: SyncPrefectClient, deployment: UUID, *, planned: bool = False) -> list[FlowRun]:
    """The runs of a deployment that its schedule planned, or those that were asked for."""
    wanted = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    runs = client.read_flow_runs(deployment_filter=wanted)
    return [run for run in runs if run.auto_scheduled == planned]


@pytest.mark.prefect(own_server=True)
@pytest.mark.timeout(600)
def test_the_server_plans_the_next_looks_on_seoul_s_clock(server: PrefectServer) -> None:
    due = time.monotonic() + 240
    with get_client(sync_client=True) as client:
        health = client.read_deployment_by_name("healthcheck/production").id
        while len(runs := runs_of(client, health, planned=True)) < 2:
            assert time.monotonic() < due, "the scheduler planned nothing"
            time.sleep(1)
    planned = [run.expected_start_time for run in runs if run.expected_start_time]
    assert len(set(planned)) == len(runs)
    for moment in planned:
        at = moment.astimezone(ZoneInfo("Asia/Seoul"))
        assert (at.minute % 5, at.second) == (0, 0)
