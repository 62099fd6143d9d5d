"""Rollouts nobody notices, and a way back that takes itself."""

from typing import Any

import pytest
from websockets.frames import CloseCode

from benchmarks.endurance.one_host import left_wrong
from benchmarks.load import Figures, together
from tests.e2e.breaking import Broken
from tests.e2e.conversing import Conversation
from tests.e2e.delivering import Answered, Delivering, rolling_out_with, under_policies
from tests.e2e.telling import Message, slack_listening

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

_TAKEN_BACK_SECONDS = 30.0
"""The lab's `drain_seconds` and as much again: until then the errors are not looked at."""


@pytest.fixture(autouse=True)
def serving(delivering: Delivering) -> str:
    """A healthy release serves, and it is at the branch's head; its version."""
    if not delivering.serving() or len(delivering.record()) < 2:
        delivering.run("deploy")
        delivering.commit("fix", message="something to come back from")
        assert delivering.run("deploy").outcome == "DEPLOYED"
    return delivering.serving()


def deploy_under_load(delivering: Delivering, behaviour: str) -> tuple[Answered, Figures]:
    """A release of this kind under load, without POSTs if it crashes: one may go with it."""
    sha = delivering.commit("fix", behaviour=behaviour, message=f"a release that is {behaviour}")
    posts = 0.0 if behaviour.startswith("crash") else 0.1
    with delivering.under_load(posts=posts) as loads:
        done = delivering.run("deploy", "--revision", sha, "--actor", "kim")
    delivering.commit("fix", behaviour="healthy", message="mended")
    return done, together(loads)


def assert_told(message: Message, done: Answered, serving: str, outcome: str) -> None:
    """Who, what, from where to where, how long, what it cost, and where to look."""
    assert (message.facts["Outcome"], message.facts["By"]) == (outcome, "kim")
    assert message.facts["Version"] == f"{serving.removeprefix('v')} → {done.answer['version']}"
    assert message.facts["Took"].endswith(" s")
    assert message.links.keys() >= {"Run", "Dashboard"}


def assert_only_serves(delivering: Delivering, tag: str) -> None:
    """This release serves and ends the record; no other container, lock or login is left."""
    assert delivering.serving() == tag
    last = delivering.record()[-1]
    assert last["tag"] == tag
    assert list(left_wrong(delivering, last["revision"])) == []


@pytest.mark.parametrize(
    ("behaviour", "cause", "words", "policy"),
    [
        ("never-healthy", "release-unhealthy", "was not ready within 15 s", {"gate_seconds": 15}),
        ("crash-after=4", "container-crashes", "crashed while it was watched", {}),
    ],
    ids=["never healthy", "crashes"],
)
def test_a_bad_release_leaves_the_old_one_serving(
    delivering: Delivering,
    serving: str,
    behaviour: str,
    cause: str,
    words: str,
    policy: dict[str, Any],
) -> None:
    recorded = len(delivering.record())

    with rolling_out_with(delivering, **policy), slack_listening(delivering) as told:
        done, figures = deploy_under_load(delivering, behaviour)

    assert (done.status, done.outcome) == (1, "ROLLED_BACK"), done.said
    assert figures.failed == []
    assert words in done.answer["failure"]["message"]
    (first, *_) = done.answer["findings"]
    assert first["cause"] == cause, done.said
    assert_told(told[-1], done, serving, "ROLLED_BACK")
    assert told[-1].texts[0].startswith(first["summary"])
    assert first["remedy"].partition("#")[0].strip() in told[-1].texts[1]
    assert_only_serves(delivering, serving)
    assert len(delivering.record()) <= recorded + 1


def test_a_release_that_answers_500_is_taken_back(delivering: Delivering, serving: str) -> None:
    done, figures = deploy_under_load(delivering, "fail-rate=0.5")

    assert (done.status, done.outcome) == (1, "ROLLED_BACK"), done.said
    assert_only_serves(delivering, serving)
    # Only the new release's own answers can be errors, half of them, and only while it was watched.
    assert {answer.status for answer in figures.failed} == {500}
    served = [
        answer for answer in figures.answers if answer.version == f"v{done.answer['version']}"
    ]
    assert len(figures.failed) <= len(served) + 2
    assert figures.failed[-1].at - figures.failed[0].at < _TAKEN_BACK_SECONDS


def test_a_release_that_falls_ill_once_it_serves_gives_way_to_the_old_one_still_warm(
    delivering: Delivering, serving: str
) -> None:
    # It answers all the while and is ready: its watch sees nothing, the health check does.
    # A value that has changed in Doppler since: the old one is taken as it is all the same.
    changed = Broken(delivering.lab).secret("MAIL_USERNAME", "another")
    logs = _takeover_logs(delivering)
    with changed, under_policies(delivering, health={"deadline_seconds": 30}):
        done, figures = deploy_under_load(delivering, "ill-after=2")

    assert (done.status, done.outcome) == (1, "ROLLED_BACK"), done.said
    assert figures.failed == []
    assert_only_serves(delivering, serving)
    (host,) = done.answer["restored"]["hosts"]
    assert (host["how"], host["configuration_as_recorded"]) == ("still warm", True)
    assert 0 < host["traffic_seconds"] < done.answer["restored"]["verified_seconds"]
    # What the rollout said is on the host still, beside what its way back said.
    assert len(_takeover_logs(delivering) - logs) == 2


def _takeover_logs(delivering: Delivering) -> set[str]:
    """Where takeovers and ways back have said on the host what they do."""
    listed = "find /var/log/tt-deploy -name 'rollout-*.log' -size +0"
    return set(delivering.lab.exec("bash", "-c", listed, host=delivering.host).split())


def test_recreate_replaces_the_release_in_place_and_nothing_else(
    delivering: Delivering, serving: str
) -> None:
    others = _not_the_app(delivering)
    good = delivering.commit("fix", message="it cannot run beside the one before")
    bad = delivering.commit("fix", behaviour="never-healthy", message="nor by itself")

    policy: dict[str, Any] = {"strategy": "recreate", "retained_releases": 2, "gate_seconds": 20}
    with rolling_out_with(delivering, **policy):
        done = delivering.run("deploy", "--revision", good)
        kept = _images(delivering)
        back = delivering.run("deploy", "--revision", bad)
    delivering.commit("fix", behaviour="healthy", message="mended")

    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    (host,) = done.answer["hosts"]
    assert host["receipt"]["longest_gap_ms"] > 1000
    assert (back.status, back.outcome) == (1, "ROLLED_BACK"), back.said
    assert f"v{done.answer['version']}" != serving
    assert_only_serves(delivering, f"v{done.answer['version']}")
    assert others.items() <= delivering.containers().items()
    assert delivering.record()[-1]["revision"] == good
    # All but the last two releases' images went with it, and it says how much room that made.
    last_two = {line["image"] for line in delivering.record()[-2:]}
    assert (kept, len(last_two)) == (last_two, 2)
    assert done.answer["freed_bytes"]["TT-ec2-1"] > 0


def _images(delivering: Delivering) -> set[str]:
    """The application's images on the host, by digest."""
    image = delivering.record()[-1]["image"].partition("@")[0]
    form = "{{.Repository}}@{{.Digest}}"
    return set(
        delivering.lab.exec(
            "docker", "image", "ls", "--digests", "--format", form, image, host=delivering.host
        ).split()
    )


def _not_the_app(delivering: Delivering) -> dict[str, str]:
    apps = delivering.app_containers()
    return {name: each for name, each in delivering.containers().items() if name not in apps}


def test_rollback_and_an_older_revision_bring_a_release_back_and_break_nobody_off(
    delivering: Delivering, serving: str
) -> None:
    expected = [line["tag"] for line in delivering.record() if line["tag"] != serving][-1]

    with (
        Conversation(delivering.app_url) as talk,
        delivering.under_load() as loads,
        slack_listening(delivering) as told,
    ):
        done = delivering.run("rollback", "--reason", "second thoughts", "--actor", "kim")

    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    assert_told(told[-1], done, serving, "DEPLOYED (rollback)")
    assert told[-1].facts["Why"] == "second thoughts"
    figures = together(loads)
    assert figures.failed == []
    assert_only_serves(delivering, expected)
    # An open websocket stays with the old release long after the switch, until that says goodbye.
    switched = min(answer.at for answer in figures.answers if answer.version == expected)
    assert set(talk.versions) == {serving}
    assert talk.at[-1] > switched + 10, talk.end
    assert talk.longest_silence_seconds < 30
    assert talk.closed == CloseCode.GOING_AWAY, talk.end

    tags, revision = delivering.tags(), delivering.record()[-2]["revision"]
    with delivering.under_load() as loads:
        forth = delivering.run("deploy", "--revision", serving)
    assert (forth.status, forth.outcome, forth.answer["revision"]) == (0, "DEPLOYED", revision)
    assert together(loads).failed == []
    assert delivering.tags() == tags, "an older revision has its tag and its image"
    assert_only_serves(delivering, serving)


def test_rollback_to_what_is_not_there_is_refused_before_anything_is_touched(
    delivering: Delivering,
) -> None:
    containers = delivering.containers()

    done = delivering.run("rollback", "--to", "v99.0.0")

    assert (done.status, done.outcome) == (1, "REFUSED"), done.said
    assert "v99.0.0" in done.answer["failure"]["message"]
    assert delivering.containers() == containers
