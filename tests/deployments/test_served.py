"""prefect.yaml, the flows and the environments agree."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint

from deployments.environment_file import ENVIRONMENTS
from deployments.register import WORK_POOL
from flows.watched import HEARTBEAT_SECONDS, TAG

ROOT = Path(__file__).parents[2]
WRITTEN: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
SERVED: list[dict[str, Any]] = WRITTEN["deployments"]
NAMES = {path.stem for path in ENVIRONMENTS.glob("*.yaml")}
STAGES = {"deploy", "rollback", "healthcheck", "release", "build", "rollout", "verify", "preflight"}


def flow_of(entrypoint: str) -> Flow[..., Any]:
    path, _, _ = entrypoint.partition(":")
    return load_flow_from_entrypoint(str(ROOT / path) + entrypoint.removeprefix(path))


def served_by(entrypoint: str) -> list[dict[str, Any]]:
    return [each for each in SERVED if each["entrypoint"] == entrypoint]


ENTRYPOINTS = sorted({each["entrypoint"] for each in SERVED})


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_a_flow_takes_what_its_deployments_give_it(entrypoint: str) -> None:
    taken = inspect.signature(flow_of(entrypoint).fn).parameters
    for each in served_by(entrypoint):
        assert set(each["parameters"]) <= set(taken), each["name"]


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_a_flow_is_served_once_for_every_environment(entrypoint: str) -> None:
    served = served_by(entrypoint)
    assert sorted(each["name"] for each in served) == sorted(NAMES)
    assert [each for each in served if each["parameters"]["environment"] != each["name"]] == []


def test_every_flow_that_has_a_command_is_served() -> None:
    commands = {
        path.stem
        for path in (ROOT / "flows").glob("*.py")
        if "run_command(main)" in path.read_text() and "@flow(" in path.read_text()
    }
    served = {each["entrypoint"] for each in SERVED}
    assert {f"flows/{name}.py:{name}" for name in commands} == served


def test_every_stage_of_a_deploy_is_served_under_its_own_name() -> None:
    assert {flow_of(entrypoint).name for entrypoint in ENTRYPOINTS} >= STAGES


def test_the_deploys_form_asks_for_what_an_operator_knows() -> None:
    asked = flow_of("flows/deploy.py:deploy").parameters.properties
    assert [*asked] == [
        "environment",
        "revision",
        "reason",
        "actor",
        "dry_run",
        "allow_data_stores",
    ]
    assert [name for name, field in asked.items() if not field.get("description")] == []


@pytest.mark.parametrize("each", SERVED, ids=lambda each: f"{each['entrypoint']}-{each['name']}")
def test_every_deployment_runs_in_our_pool_and_is_watched(each: dict[str, Any]) -> None:
    assert each["work_pool"]["name"] == WORK_POOL
    assert TAG in each["tags"]
    heartbeat = each["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
    assert int(heartbeat) == HEARTBEAT_SECONDS
    assert each["enforce_parameter_schema"] is True
    assert each["description"].endswith(".")


def test_every_deployments_version_is_the_commit_that_it_was_made_from() -> None:
    (step,) = WRITTEN["build"]
    (asked,) = step.values()
    assert asked["script"] == "deployments/revision.sh"
    assert {each["version"] for each in SERVED} == {f"{{{{ {asked['id']}.stdout }}}}"}


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_every_field_of_a_form_has_a_title_and_help(entrypoint: str) -> None:
    asked = flow_of(entrypoint).parameters.properties
    assert [name for name, field in asked.items() if not field.get("description")] == []
    assert [name for name, field in asked.items() if name == field.get("title")] == []


def test_no_deployment_holds_a_secret() -> None:
    text = (ROOT / "prefect.yaml").read_text()
    assert "prefect.blocks" not in text
    assert "{{ $" not in text
