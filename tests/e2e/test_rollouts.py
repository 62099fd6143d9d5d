"""Rollouts nobody notices, and a way back that takes itself."""

import pytest

from benchmarks.load import Figures, together
from tests.e2e.delivering import Answered, Delivering

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def serving(delivering: Delivering) -> str:
    """A healthy release serves, and it is at the branch's head; its version."""
    if not delivering.serving() or len(delivering.record()) < 2:
        delivering.run("deploy")
        delivering.commit("fix", message="something to come back from")
        assert delivering.run("deploy").outcome == "DEPLOYED"
    return delivering.serving()


def deploy_under_load(delivering: Delivering, behaviour: str) -> tuple[Answered, Figures]:
    sha = delivering.commit("fix", behaviour=behaviour, message=f"a release that is {behaviour}")
    with delivering.under_load() as loads:
        done = delivering.run("deploy", "--revision", sha)
    delivering.commit("fix", behaviour="healthy", message="mended")
    return done, together(loads)


@pytest.mark.parametrize("behaviour", ["never-healthy", "crash-after=4"])
def test_a_bad_release_leaves_the_old_one_serving_every_request(
    delivering: Delivering, serving: str, behaviour: str
) -> None:
    recorded = len(delivering.record())

    done, figures = deploy_under_load(delivering, behaviour)

    assert (done.status, done.outcome) == (1, "ROLLED_BACK"), done.said
    assert figures.failed == []
    assert delivering.serving() == serving
    assert len(delivering.app_containers()) == 1
    assert delivering.record()[-1]["tag"] == serving
    assert len(delivering.record()) <= recorded + 1


def test_a_release_that_answers_500_is_taken_back(delivering: Delivering, serving: str) -> None:
    done, figures = deploy_under_load(delivering, "fail-rate=0.5")

    assert (done.status, done.outcome) == (1, "ROLLED_BACK"), done.said
    assert delivering.serving() == serving
    # Only the new release's own answers can be errors, and only while it was watched.
    assert all(answer.status == 500 for answer in figures.failed)


def test_a_release_that_falls_ill_after_its_watch_gives_way_to_the_old_one_still_warm(
    delivering: Delivering, serving: str
) -> None:
    done, figures = deploy_under_load(delivering, "ill-after=13")

    assert (done.status, done.outcome) == (1, "ROLLED_BACK"), done.said
    assert figures.failed == []
    assert delivering.serving() == serving
    (host,) = done.answer["restored"]["hosts"]
    assert (host["how"], host["configuration_as_recorded"]) == ("still warm", True)
    assert 0 < host["traffic_seconds"] < done.answer["restored"]["verified_seconds"]
    assert len(delivering.app_containers()) == 1


def test_rollback_brings_the_previous_release_back_without_a_failed_request(
    delivering: Delivering, serving: str
) -> None:
    expected = [line["tag"] for line in delivering.record() if line["tag"] != serving][-1]

    with delivering.under_load() as loads:
        done = delivering.run("rollback", "--reason", "second thoughts")

    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    assert together(loads).failed == []
    assert delivering.serving() == expected


def test_rollback_to_what_is_not_there_is_refused_before_anything_is_touched(
    delivering: Delivering,
) -> None:
    containers = delivering.containers()

    done = delivering.run("rollback", "--to", "v99.0.0")

    assert (done.status, done.outcome) == (1, "REFUSED"), done.said
    assert "v99.0.0" in done.answer["failure"]["message"]
    assert delivering.containers() == containers
