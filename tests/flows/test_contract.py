"""What programs outside count on: the JSON of every command, whatever it did, however it ended."""

import json
import sys
from typing import Any

import httpx
import pytest

from flows.ending import run_command
from tests.flows.conftest import World
from tests.flows.test_ending import COMMAND_LINES

pytestmark = pytest.mark.prefect

PROMISED = {
    "outcome": str,
    "environment": str,
    "version": str,
    "previous_version": str,
    "revision": str,
    "digest": str,
    "duration_seconds": float,
}
OPTIONS = {"deploy": ["--dry-run"], "rollout": ["--tag", "v0.0.9"], "retention": ["--dry-run"]}
GOES_WELL = {
    "build": "UNCHANGED",
    "deploy": "PLANNED",
    "diagnose": "CLEAN",
    "drift": "DRIFTED",
    "healthcheck": "HEALTHY",
    "history": "TOLD",
    "preflight": "PASSED",
    "release": "RELEASED",
    "retention": "PLANNED",
    "rollback": "DEPLOYED",
    "rollout": "DEPLOYED",
    "verify": "VERIFIED",
    "watch": "WATCHED",
}
LOOKS_AT_NO_ENVIRONMENT = {"retention"}


@pytest.fixture
def delivered(world: World) -> World:
    """The branch's head released, built and running; a release before it to go back to."""
    version = "0.1.0-develop.0"
    world.application.tag(f"v{version}")
    world.running("v0.0.9")
    head = world.application.head()
    world.host.runs(world.built(f"v{version}", head), version)
    line = json.loads(world.host.record.pop()) | {"revision": head}
    world.host.record.append(json.dumps(line))
    branch = httpx.Response(200, json={"object": {"sha": head}})
    world.github.fail("GET .*/git/ref/heads/develop", branch)
    return world


def answered(
    name: str,
    environment: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """The last line of a command's output, once all that is promised was found in it."""
    words = ["--environment", environment, *OPTIONS.get(name, []), "--json"]
    monkeypatch.setattr(sys, "argv", [name, *words])
    with pytest.raises(SystemExit):
        run_command(COMMAND_LINES[name])
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    kinds = {key: type(answer.get(key)) for key in PROMISED}
    assert kinds == PROMISED
    assert answer["environment"] == environment
    return answer


@pytest.mark.parametrize("name", COMMAND_LINES)
def test_a_command_that_did_its_work_tells_all_that_is_promised(
    name: str,
    delivered: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = answered(name, delivered.name, capsys, monkeypatch)
    assert answer["outcome"] == GOES_WELL[name]
    assert answer["duration_seconds"] > 0


@pytest.mark.parametrize("name", sorted(COMMAND_LINES.keys() - LOOKS_AT_NO_ENVIRONMENT))
def test_a_command_that_an_error_ended_tells_it_too_and_what_to_type(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = answered(name, "nowhere", capsys, monkeypatch)
    assert answer["outcome"] == "REFUSED"
    assert "'nowhere' is not registered" in answer["failure"]["message"]
    assert answer["failure"]["next_command"] == "python -m deployments.register nowhere"


@pytest.mark.parametrize("name", ["healthcheck", "verify", "watch"])
def test_a_failure_of_the_world_is_no_refusal(
    name: str,
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.aws.found_at_most(0)
    answer = answered(name, world.name, capsys, monkeypatch)
    assert (answer["outcome"], answer["failure"]["where"]) == ("FAILED", world.name)
