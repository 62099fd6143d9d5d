import datetime

from delivery.approval import propose, still_holds
from delivery.host_state import HealthyRelease, HostState
from delivery.released import Release
from tests.pushes import sha

RELEASE = Release(
    tag="v1.3.0",
    version="1.3.0",
    sha=sha(3),
    previous_tag="v1.2.0",
    notes="### Features\n\n* tickets",
    url="",
    created=True,
    reason="",
)
HEALTHY = HealthyRelease(
    version="1.2.0",
    tag="v1.2.0",
    revision=sha(2),
    image="i",
    at=datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC),
)


def host(name: str, *, generation: int = 7, healthy: bool = True) -> HostState:
    record = (HEALTHY,) if healthy else ()
    return HostState(name, "i", healthy, sha(2), generation, record, frozenset())


def text_for(*states: HostState, reason: str = "friday") -> str:
    return propose("production", RELEASE, states, actor="kim", reason=reason).as_markdown()


def test_an_approver_reads_what_goes_where_and_what_it_replaces() -> None:
    text = text_for(host("TT-ec2-1"))
    for word in ("v1.3.0", "production", sha(3), "kim, friday", "TT-ec2-1", "1.2.0", "* tickets"):
        assert word in text


def test_an_approver_reads_that_there_is_no_way_back() -> None:
    assert "none: nothing healthy is recorded" in text_for(host("TT-ec2-1", healthy=False))


def test_a_plan_without_a_reason_names_who_asks() -> None:
    assert "| kim |" in text_for(reason="")


def test_a_plan_holds_while_the_hosts_are_those_that_were_shown() -> None:
    plan = propose("production", RELEASE, [host("a"), host("b")], actor="kim", reason="")
    assert still_holds(plan, [host("b"), host("a")])
    assert not still_holds(plan, [host("a")])
    assert not still_holds(plan, [host("a"), host("b", generation=8)])
