"""Each fault is really made in the lab: the right finding comes first, and nothing is changed."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.environment import load_environment
from tests.e2e.breaking import Broken
from tests.e2e.conftest import RunningLab
from tests.e2e.delivering import Delivering
from tests.e2e.hazards import FAULTS, Fault
from tests.e2e.telling import slack_listening

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]


NOTICED_SECONDS = 120.0
"""Until a fault must be the first finding: of a busy host something else may be seen before."""


@dataclass(frozen=True)
class Seen:
    """The findings of one look, worst first, and how long it took."""

    findings: list[Any]
    seconds: float


class Looking(Protocol):
    """A look at the lab under a preflight policy of which some fields are changed."""

    def __call__(self, policy: Mapping[str, Any] | None = None) -> Seen: ...


@pytest.fixture(scope="module")
def look(delivering: Delivering) -> Iterator[Looking]:
    """What a preflight of the lab finds: the flow's own parts, through SSM, in this process."""
    if not delivering.serving():
        done = delivering.run("deploy")
        assert done.outcome in ("DEPLOYED", "UP_TO_DATE"), done.said
    delivering.lab.command("exec", "1", "--", "docker", "start", "tt-grafana-1")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in delivering.lab.env.items():
            if name.startswith(("TT_", "PREFECT_")):
                environment.setenv(name, value)
        yield _looking(delivering.lab)


def _looking(lab: RunningLab) -> Looking:
    from prefect import flow

    from delivery.checks import Level, worst_first
    from flows.readiness import survey

    @flow(name="preflight in a test", persist_result=False)
    def looking(policy: dict[str, Any]) -> Seen:
        target = load_environment("lab")
        target.preflight = target.preflight.model_copy(update=policy)
        began = time.monotonic()
        found = survey(target, None, patience_seconds=2)
        seconds = time.monotonic() - began
        findings = [c for c in worst_first(found.checks) if c.level is not Level.PASS]
        return Seen(findings, seconds)

    def look(policy: Mapping[str, Any] | None = None) -> Seen:
        with temporary_settings({PREFECT_API_URL: lab.status["prefect_api_url"]}):
            return looking(dict(policy or {}))

    return look


def test_a_healthy_host_raises_no_alarm_on_the_command_line(
    delivering: Delivering, look: Looking
) -> None:
    done = delivering.run("preflight")

    assert (done.status, done.outcome) == (0, "PASSED"), done.said
    alarms = [each for each in done.answer["checks"] if each["level"] != "pass"]
    assert alarms == []
    assert len(done.answer["checks"]) > 20
    seen, due = look(), time.monotonic() + NOTICED_SECONDS
    while seen.findings and time.monotonic() < due:
        seen = look()
    assert seen.findings == []
    print(f"healthy: {seen.seconds:.1f} s")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_fault_is_the_first_finding_and_nothing_is_changed(
    delivering: Delivering, look: Looking, fault: Fault
) -> None:
    host = Broken(delivering.lab)
    with fault.made(host) as policy:
        before, due = host.standing(), time.monotonic() + NOTICED_SECONDS
        while True:
            seen = look({**fault.policy, **(policy or {})})
            if _is_first(fault, seen) or time.monotonic() > due:
                break
        after = host.standing()

    assert _is_first(fault, seen), seen.findings
    first = seen.findings[0]
    assert first.remedy
    assert after == before
    print(f"{fault.name}: {first.evidence} ({seen.seconds:.1f} s)")


def _is_first(fault: Fault, seen: Seen) -> bool:
    """Whether the fault is what was found first, in the words that tell it."""
    if not seen.findings:
        return False
    first = seen.findings[0]
    name = re.sub(r":\d+$", "", first.name)  # an endpoint's port is another one each time
    at_its_place = (name, first.level.value) == (fault.first, fault.level)
    return at_its_place and fault.words in first.evidence


def test_drift_is_a_flow_of_its_own_and_only_a_change_is_news(
    delivering: Delivering, look: Looking
) -> None:
    (stopped,) = [fault for fault in FAULTS if fault.name == "a container was stopped"]
    first = delivering.run("drift")
    with stopped.made(Broken(delivering.lab)):
        with slack_listening(delivering) as told:
            drifted = delivering.run("drift")
        again = delivering.run("drift")

    assert (first.status, first.outcome) == (0, "CLEAN"), first.said
    assert (drifted.status, drifted.outcome, drifted.answer["changed"]) == (1, "DRIFTED", True)
    assert (again.outcome, again.answer["changed"]) == ("DRIFTED", False)
    with slack_listening(delivering) as after:
        assert delivering.run("drift").answer["changed"] is True
    (alarm,), (clear,) = told, after
    assert "lab has drifted from what was deployed" in alarm.headline
    assert alarm.texts[0].startswith("WARN drift: containers on TT-ec2-1: tt-grafana-1 is exited")
    assert alarm.texts[1].startswith("Next, type:")
    assert "lab is again what was deployed" in clear.headline
    assert clear.facts == {"Again as it should be": "drift: containers on TT-ec2-1"}
    assert "Run" in alarm.links


_DRIFTING = [
    fault
    for fault in FAULTS
    if fault.name
    in (
        "a secret is missing in Doppler",
        "a file was edited by hand",
        "somebody committed on the host",
        "a value was changed in Doppler",
    )
]


@pytest.mark.parametrize("fault", _DRIFTING, ids=lambda fault: fault.name)
def test_the_drift_flow_finds_the_fault_first_and_changes_nothing(
    delivering: Delivering, look: Looking, fault: Fault
) -> None:
    host = Broken(delivering.lab)
    with fault.made(host):
        before = host.standing()
        drifted = delivering.run("drift")
        after = host.standing()

    found = [check for check in drifted.answer["checks"] if check["level"] != "pass"]
    first = min(found, key=lambda check: check["level"] != "fail")
    assert (drifted.status, drifted.outcome) == (1, "DRIFTED"), drifted.said
    assert (first["name"], first["level"]) == (fault.first, fault.level), found
    assert fault.words in first["evidence"]
    assert after == before


@contextmanager
def _following(delivering: Delivering, branch: str) -> Iterator[None]:
    """The environment with another branch to follow."""
    with temporary_settings({PREFECT_API_URL: delivering.lab.env["PREFECT_API_URL"]}):
        target = load_environment("lab")
        target.model_copy(update={"branch": branch}).save("lab", overwrite=True)
        try:
            yield
        finally:
            target.save("lab", overwrite=True)


def test_a_branch_that_is_gone_is_told_by_drift(delivering: Delivering, look: Looking) -> None:
    with _following(delivering, "gone"):
        drifted = delivering.run("drift")
    after = delivering.run("drift")

    (found,) = [check for check in drifted.answer["checks"] if check["level"] != "pass"]
    assert (found["name"], found["level"]) == ("drift: needs", "warn"), drifted.said
    assert "gone" in found["evidence"]
    assert found["remedy"]
    assert (after.status, after.outcome) == (0, "CLEAN"), after.said
    print(f"the branch is gone: {found['evidence']} ({drifted.answer['duration_seconds']:.1f} s)")


def test_a_branch_that_lost_its_history_is_drift(delivering: Delivering, look: Looking) -> None:
    with Broken(delivering.lab).branch_rewritten():
        drifted = delivering.run("drift")
    after = delivering.run("drift")

    (found,) = [check for check in drifted.answer["checks"] if check["level"] != "pass"]
    assert (found["name"], drifted.outcome) == ("drift: branch", "DRIFTED"), drifted.said
    assert "is not in the history of develop" in found["evidence"]
    assert (after.status, after.outcome) == (0, "CLEAN"), after.said


def test_what_was_started_by_hand_is_put_right_by_the_command_that_the_finding_names(
    delivering: Delivering, look: Looking
) -> None:
    with Broken(delivering.lab).started_by_hand():
        (found,) = [f for f in look().findings if f.name == "drift: image"]
        command = found.remedy.partition("#")[0].split()
        assert command[:5] == ["python", "-m", "flows.deploy", "--environment", "lab"]
        done = delivering.run("deploy", *command[5:])
        due = time.monotonic() + NOTICED_SECONDS
        while (left := look().findings) and time.monotonic() < due:
            pass

    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    assert left == []


def test_a_deploy_with_a_hazard_is_refused_with_the_table_in_its_report(
    delivering: Delivering, look: Looking
) -> None:
    containers, tags = delivering.containers(), delivering.tags()
    (hazard,) = [fault for fault in FAULTS if fault.first == "schema"]
    with hazard.made(Broken(delivering.lab)):
        done = delivering.run("deploy")

    assert (done.status, done.outcome) == (1, "REFUSED"), done.said
    assert done.answer["failure"]["stage"] == "preflight"
    assert "schema" in done.answer["failure"]["message"]
    assert delivering.containers() == containers
    assert delivering.tags() == tags
