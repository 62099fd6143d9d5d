"""History: what runs, hosts and git know of an environment, told together."""

import json
import uuid
from typing import Any

import pytest

from delivery.history import History
from delivery.report import Outcome
from flows.history import history, main
from flows.rollback import rollback
from tests.flows.conftest import World
from tests.flows.test_announcing import like
from tests.flows.test_deploy import deployed, with_its_image
from tests.prefect_world import latest_artifact

pytestmark = pytest.mark.prefect


@pytest.fixture
def lately(world: World) -> World:
    """The environment under a name of its own, without the runs of other tests."""
    return like(world, f"history-{uuid.uuid4().hex[:8]}")


def told_of(world: World) -> History:
    told: Any = history(world.name, days=3650)
    assert isinstance(told, History)
    return told


def test_deploys_failures_and_rollbacks_are_told_with_the_four_figures(lately: World) -> None:
    with_its_image(lately)
    first = deployed(lately, actor="kim")
    lately.host.unhealthy.add(lately.built("v9.0.0", lately.application.head()))
    assert lately.rolled_out("v9.0.0").outcome is Outcome.ROLLED_BACK
    deployed(lately, revision="no-such")
    rollback(lately.name, to="v7.7.7", return_state=True)

    told = told_of(lately)

    assert [(each.kind, each.outcome) for each in told.deliveries[:4]] == [
        ("rollback", Outcome.REFUSED),
        ("deploy", Outcome.REFUSED),
        ("rollout", Outcome.ROLLED_BACK),
        ("deploy", Outcome.DEPLOYED),
    ]
    oldest = told.deliveries[3]
    assert (oldest.version, oldest.actor) == (first.version, "kim")
    assert (told.figures.deployments, told.figures.attempts, told.figures.failures) == (1, 2, 1)
    assert told.figures.changes == 1
    assert told.missing == ()
    (metrics,) = lately.host.metrics
    assert f'tt_dora_change_failure_ratio{{environment="{lately.name}"}} 0.500000' in metrics
    assert "Change failure rate" in latest_artifact(f"history-{lately.name}")["data"]


def test_tags_tell_when_versions_were_cut_and_which_nobody_deployed(lately: World) -> None:
    with_its_image(lately)
    done = deployed(lately)
    lately.application.commit("fix: never deployed")
    lately.application.tag("v0.0.1-never", annotated=True)
    try:
        told = told_of(lately)
    finally:
        lately.application.git("tag", "--delete", "v0.0.1-never")

    (delivery,) = told.as_json()["deliveries"]
    assert (delivery["version"], bool(delivery["cut"])) == (done.version, True)
    left = {each.cut.tag: each.tried for each in told.undeployed}
    assert left["v0.0.1-never"] is None
    assert f"v{done.version}" not in left


def test_a_branch_that_is_gone_has_no_tags_and_that_is_said(lately: World) -> None:
    lately.application.git("branch", "-m", "elsewhere")
    try:
        told = told_of(lately)
    finally:
        lately.application.git("branch", "-m", "develop")
    assert told.cuts == ()
    assert told.missing[-1].startswith("the tags of develop: ")


def test_hosts_and_git_that_are_away_are_said_and_the_rest_is_told(lately: World) -> None:
    lately.built("v1.0.0", lately.application.head())
    lately.rolled_out("v1.0.0")
    lately.aws.found_at_most(0)
    lately.application.folder.rename(lately.application.folder.with_name("gone"))
    try:
        told = told_of(lately)
    finally:
        lately.application.folder.with_name("gone").rename(lately.application.folder)
    assert [each.outcome for each in told.deliveries] == [Outcome.DEPLOYED]
    assert [each.partition(":")[0] for each in told.missing] == [
        "the hosts' records",
        "the application's repository",
    ]
    assert told.figures.lead_seconds is None


def test_what_prefect_forgot_the_hosts_still_know(lately: World) -> None:
    lately.running("v1.0.0")
    told = told_of(lately)
    assert [(each.version, each.actor) for each in told.deliveries] == [("1.0.0", "")]
    assert told.missing[0].startswith("commits that are gone: 0123456789ab")


def test_on_the_command_line_it_is_json(lately: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--environment", lately.name, "--days", "7", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["outcome"], answer["environment"]) == ("TOLD", lately.name)
    assert answer["figures"]["days"] == 7


def test_a_prometheus_that_does_not_take_the_figures_is_a_warning(
    lately: World, run_log: list[str]
) -> None:
    lately.host.fail("publish")
    told_of(lately)
    assert any("Without the figures in Prometheus" in line for line in run_log)
