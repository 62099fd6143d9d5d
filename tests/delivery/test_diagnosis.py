"""Facts in, ranked findings out; on facts as hosts of the lab really gave them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.diagnosis import BRINGS_ABOUT, diagnose, unreachable, unread
from delivery.diagnosis_words import Told
from delivery.findings import RANKING, Cause, Confidence
from delivery.host_facts import ContainerFacts, HostFacts
from tests.delivery.facts import CAPTURED, SCENE, captured, causes, container, facts, findings

FAILED = Told("replace the release", "The step 'rollout' failed on the host: it broke.")
EXPIRED: dict[str, Any] = {
    "doppler_answered": False,
    "doppler": "Doppler Error: Invalid Auth token",
    "registry_asked": False,
    "registry": "",
}
STOPPED = container("postgres", state="exited")


def test_a_host_that_is_well_has_no_finding() -> None:
    assert causes() == []


def test_what_hurts_those_who_are_served_comes_before_what_hurts_the_next_deploy() -> None:
    assert causes(containers=[STOPPED], **EXPIRED) == ["database-stopped", "doppler-refuses"]


def test_what_explains_the_failure_comes_before_anything_else() -> None:
    told = Told("prepare hosts", "Doppler refused: Invalid Auth token")
    found = findings(told, containers=[STOPPED], **EXPIRED)
    assert [each.cause for each in found] == ["doppler-refuses", "database-stopped"]


def test_what_was_heard_joins_what_was_seen() -> None:
    told = Told("prepare hosts", "unauthorized: authentication required")
    (found,) = findings(told, registry="1|denied: 401")
    assert found.confidence is Confidence.CERTAIN
    assert found.evidence[-1] == "unauthorized: authentication required"


def test_a_root_that_is_seen_comes_before_the_symptom_that_was_heard() -> None:
    told = Told("replace the release", "tt-app-2 crashed while it started")
    found = findings(told, containers=[STOPPED])
    assert [each.cause for each in found] == ["database-stopped", "container-crashes"]
    assert found[1].because == "database-stopped"


@pytest.mark.parametrize(
    ("stage", "cause"),
    [("replace the release", "command-failed"), ("healthcheck", "health-timed-out")],
)
def test_a_failure_that_nothing_explains_is_told_all_the_same(stage: str, cause: str) -> None:
    lines = "\n".join(f"line {n}" for n in range(20))
    found = findings(Told(stage, "It broke.", lines), token="yes|644|root|40|no|no")
    assert [each.cause for each in found] == [cause, "token-file"]
    assert found[0].evidence[0] == "It broke."
    assert found[0].evidence[-1] == "line 19"


def test_something_that_is_seen_makes_a_guess_unnecessary() -> None:
    assert causes(FAILED, containers=[STOPPED]) == ["database-stopped"]


def test_a_host_that_is_silent_is_a_finding_with_what_it_last_said() -> None:
    told = Told("look", "failed", "no space left on device")
    found = unreachable(SCENE, ["PingStatus ConnectionLost"], told)
    assert [each.cause for each in found] == ["host-unreachable", "disk-full"]
    assert [each.cause for each in unreachable(SCENE, ["x"])] == ["host-unreachable"]


def test_an_answer_that_cannot_be_used_is_read_for_its_words() -> None:
    broken = Told("diagnose", "The step failed.", "mkdir: No space left on device")
    assert [each.cause for each in unread(SCENE, broken)] == ["disk-full"]
    assert [each.cause for each in unread(SCENE, Told("diagnose", "Odd."), FAILED)] == [
        "command-failed"
    ]


def test_nothing_brings_itself_about_or_what_ranks_before_it() -> None:
    for root, others in BRINGS_ABOUT.items():
        later = set(RANKING[RANKING.index(root) :])
        assert others <= later, root


def test_every_cause_has_its_place() -> None:
    assert set(BRINGS_ABOUT) <= set(Cause)


FIRST = {path.stem: path.stem.split(".")[0] for path in sorted(CAPTURED.glob("*.json"))}


@pytest.mark.parametrize("name", FIRST)
def test_real_facts_give_the_right_finding_first(name: str) -> None:
    found = diagnose(SCENE, captured(name))
    first = found[0].cause.value if found else "healthy"
    assert first == FIRST[name]
    assert not found or found[0].confidence in (Confidence.CERTAIN, Confidence.LIKELY)


lines = st.lists(
    st.text(max_size=40)
    | st.sampled_from(["/|1|1|1|1", "x|no", "public 503", "1|oom|app|tt-app-1|", "8080|nc",
                       "error required variable X", "service a", "image b", "MemTotal 5"]),
    max_size=5,
)  # fmt: skip
texts = st.text(max_size=200) | st.sampled_from(
    ["node a\ncluster_state:fail\n", "yes|644|root|1|yes|yes", "1|denied", "=== tt-app-1\nERROR",
     "ready no\nanswer FATAL", "9 pull\nwhy\ntail", "no"]
)  # fmt: skip
one_container = st.builds(
    ContainerFacts,
    service=st.sampled_from(["app", "postgres", "redis-node-1", "gateway", ""]),
    name=st.sampled_from(["/tt-app-1", ""]) | st.text(max_size=5),
    state=st.sampled_from(["running", "exited", "restarting", "created", "dead", ""]),
    health=st.sampled_from(["healthy", "unhealthy", "starting", ""]),
    exit_code=st.integers(),
    oom=st.booleans(),
    restarts=st.integers(),
    started=st.text(max_size=20),
    error=texts,
    memory=st.integers(),
    ports=st.text(max_size=10) | st.just("8080 "),
)
LISTS = ("disks", "memory", "compose", "names", "ports", "kernel", "actuator", "events")
TEXTS = ("token", "doppler", "registry", "postgres", "redis", "last_failure", "logs")
any_facts = st.builds(
    HostFacts,
    ok=st.just(True),
    step=st.just("diagnose"),
    now=st.integers(),
    engine=st.sampled_from(["", "28"]),
    doppler_answered=st.booleans(),
    registry_asked=st.booleans(),
    unseen=st.lists(st.sampled_from(["containers", "redis", "odd"]), max_size=3).map(tuple),
    left_out=st.sampled_from(["", "containers logs", "last_failure"]),
    containers=st.lists(one_container, max_size=4).map(tuple),
    **dict.fromkeys(LISTS, lines.map(tuple)),
    **dict.fromkeys(TEXTS, texts),
)
any_told = st.none() | st.builds(Told, st.text(), texts, texts, st.integers(), st.just(""))


@pytest.mark.no_cover
@settings(max_examples=300, deadline=None)
@given(given_facts=any_facts, told=any_told)
def test_no_facts_make_it_raise(given_facts: HostFacts, told: Told | None) -> None:
    found = diagnose(SCENE, given_facts, told)
    assert found or told is None
    for finding in found:
        assert finding.remedy.command
        assert not (finding.because and finding.remedy.action)


def test_facts_of_a_scripted_host_read() -> None:
    assert facts().engine
