"""What ran on the hosts, row by row."""

import pytest

from delivery.errors import HostScriptFailed
from delivery.host_state import PrunedImages, PulledImages, StartedContainers, SyncedSource
from delivery.host_steps import HostStep, is_noted
from tests.delivery.test_receipt import RECEIPT


def test_a_step_tells_its_plain_facts_and_the_hosts_own_seconds() -> None:
    answer = SyncedSource(ok=True, step="sync", seconds=1.26, revision="a1", was="b2")
    assert HostStep.of("sync", "TT-ec2-1", answer, waited=9.0).row("lab") == {
        "step": "sync",
        "host": "TT-ec2-1",
        "ended": "done",
        "seconds": 1.3,
        "what it said": "revision a1, was b2",
    }


def test_what_says_nothing_of_its_time_took_as_long_as_it_was_waited_for() -> None:
    answer = PrunedImages(ok=True, step="prune", removed=2, freed_bytes=4096)
    step = HostStep.of("prune", "h", answer, waited=2.0)
    assert (step.seconds, step.said) == (2.0, "removed 2, freed bytes 4096")


def test_several_words_stand_side_by_side_and_what_is_nested_is_left_to_the_report() -> None:
    pulled = PulledImages(ok=True, step="pull", pulled=("app", "grafana"), present=7)
    assert HostStep.of("pull", "h", pulled, waited=0).said == "pulled app grafana, present 7"
    started = StartedContainers(ok=True, step="rollout", changed=("app",), receipt=RECEIPT)
    assert HostStep.of("rollout", "h", started, waited=0).said == "changed app"


def test_a_failed_step_tells_why_free_of_secrets_and_on_one_line() -> None:
    error = HostScriptFailed("The step 'pull' failed:\npassword=hunter22 " + "x" * 400)
    row = HostStep.of("pull", "h", error, waited=3.14).row("lab")
    assert (row["ended"], row["seconds"]) == ("failed", 3.1)
    said = row["what it said"]
    assert said.startswith("The step 'pull' failed: password=[redacted] x")
    assert (len(said), said[-1]) == (300, "…")


def test_a_preflight_is_told_in_its_own_artifact_unless_it_failed() -> None:
    answer = SyncedSource(ok=True, step="preflight", revision="a1")
    row = HostStep.of("preflight", "h", answer, waited=1).row("lab")
    assert row["what it said"] == "see preflight-lab"
    failed = HostStep.of("preflight", "h", HostScriptFailed("It broke."), waited=1)
    assert failed.row("lab")["what it said"] == "It broke."


@pytest.mark.parametrize(
    ("step", "noted"),
    [("sync", True), ("preflight", True), ("probe_redis", False), ("diagnose", False)],
)
def test_what_looks_for_health_or_causes_is_left_to_its_own_artifact(
    step: str, noted: bool
) -> None:
    assert is_noted(step) is noted
