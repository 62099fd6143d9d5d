"""A deploy is announced as it begins and as it ends, and never fails by whom it tells."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from prefect import flow, get_client
from pydantic import SecretStr

from blocks.environment import Environment, load_environment
from blocks.slack import SlackBot
from delivery.checks import Check, Level
from delivery.notification import NotificationPolicy
from delivery.report import Outcome
from deployments.server import ensure_limit
from flows.rollback import rollback
from lab.processes import wait_until
from tasks.notify import tell_of_drift
from tests.fake_environment import SECRETS
from tests.flows.conftest import World
from tests.flows.test_deploy import deployed, with_its_image
from tests.slack_double import SlackDouble

pytestmark = pytest.mark.prefect


def like(world: World, name: str, **fields: Any) -> World:
    """The same far ends as an environment of another name with other fields."""
    shared = load_environment(world.name)
    # Made anew: a copy would be saved over the document that it was loaded from.
    kept = {field: getattr(shared, field) for field in Environment.model_fields}
    Environment(**kept | {"name": name} | fields).save(name, overwrite=True)
    with get_client(sync_client=True) as client:
        ensure_limit(client, f"deploy-{name}")
    return replace(world, name=name)


def test_a_deploy_is_announced_as_it_begins_and_as_it_ends(world: World) -> None:
    world.running("v0.0.9")
    tag = with_its_image(world)
    report = deployed(world, reason="<!channel>", actor="kim")
    begun, ended = world.slack.told
    assert begun.headline == f"Deploy of {tag.removeprefix('v')} to testing has begun"
    assert begun.facts == {
        "Version": f"0.0.9 → {report.version}",
        "Revision": report.revision[:12],
        "By": "kim",
        "Why": "&lt;!channel&gt;",
    }
    assert ended.headline == f"{report.version} is live on testing"
    assert ended.facts["Version"] == begun.facts["Version"]
    assert report.release_url in str(ended.message["blocks"][-1])


def test_a_dry_run_is_announced_to_nobody(world: World) -> None:
    assert deployed(world, dry_run=True).outcome is Outcome.PLANNED
    assert world.slack.requests == []


def test_a_failure_before_anything_was_known_is_announced_with_its_finding(world: World) -> None:
    deployed(world, revision="no-such")
    (ended,) = world.slack.told
    assert ended.facts["Outcome"] == "REFUSED"
    assert "no-such" in str(ended.message["blocks"])


def test_a_rollback_is_announced_as_one(world: World) -> None:
    world.running("v1.0.0")
    world.running("v1.1.0")
    rollback(world.name, return_state=True)
    assert world.slack.headlines() == [
        "Rollback of 1.0.0 to testing has begun",
        "1.0.0 is live on testing",
    ]
    assert world.slack.told[1].facts["Outcome"] == "DEPLOYED (rollback)"


def refuse_all(slack: SlackDouble) -> None:
    slack.fail("", 500, times=9)


def cut_all(slack: SlackDouble) -> None:
    slack.fail("", httpx.ReadError("cut"), times=9)


def babble(slack: SlackDouble) -> None:
    slack.fail("", httpx.Response(200, text="<html>" * 100), times=9)


@pytest.mark.parametrize("trouble", [refuse_all, cut_all, babble])
def test_slack_being_out_of_order_fails_no_deploy_and_gives_nothing_away(
    world: World, run_log: list[str], trouble: Any
) -> None:
    trouble(world.slack)
    world.built("v1.0.0")
    assert world.rolled_out("v1.0.0").outcome is Outcome.DEPLOYED
    warned = [line for line in run_log if line.startswith("WARNING Without Slack: ChannelError")]
    assert len(warned) == 2
    assert SECRETS["slack"] not in "".join(run_log)


def test_a_slow_slack_holds_up_no_deploy(world: World) -> None:
    went_on: list[bool] = []
    world.slack.before = lambda: went_on.append(
        wait_until(lambda: any(step == "rollout" for step, _ in world.host.asked), 60)
    )
    world.built("v1.0.0")
    report = world.rolled_out("v1.0.0")
    assert report.outcome is Outcome.DEPLOYED
    # A machine so busy that Slack's answer comes too late is told twice.
    assert wait_until(lambda: len(world.slack.told) >= 2, 60)
    assert all(went_on)


def test_a_bots_message_shows_how_the_deploy_stands(world: World) -> None:
    with_bot = like(world, "with-bot", slack_bot=bot_of(world))
    with_bot.built("v1.0.0")
    with_bot.rolled_out("v1.0.0")
    assert [told.how for told in world.slack.told] == ["postMessage", "update"]

    image = with_bot.built("v1.1.0", "f" * 40)
    world.host.unhealthy.add(image)
    assert with_bot.rolled_out("v1.1.0").outcome is Outcome.ROLLED_BACK
    begun, changed, below = world.slack.told[2:]
    assert [told.how for told in (begun, changed, below)] == [
        "postMessage",
        "update",
        "postMessage",
    ]
    assert changed.message["ts"] == below.message["thread_ts"] == "3.0"
    assert below.message["reply_broadcast"] is True


def bot_of(world: World, **changes: str) -> SlackBot:
    address = str(load_environment(world.name).slack.url.get_secret_value())  # type: ignore[union-attr]
    where = {"api_url": address.partition("/services")[0], **changes}
    return SlackBot(token=SecretStr("xoxb-1"), channel="C0", **where)


def test_a_message_that_was_deleted_meanwhile_is_posted_anew(world: World) -> None:
    forgetful = like(world, "forgetful", slack_bot=bot_of(world))
    gone = httpx.Response(200, json={"ok": False, "error": "message_not_found"})
    world.slack.fail("chat.update", gone)
    forgetful.built("v1.0.0")
    forgetful.rolled_out("v1.0.0")
    assert [told.how for told in world.slack.told] == ["postMessage", "postMessage"]


def test_a_channel_that_cannot_even_be_opened_keeps_nobody_else_from_hearing(
    world: World, run_log: list[str]
) -> None:
    broken = like(world, "broken", slack_bot=bot_of(world, api_url="http://[::1"))
    broken.built("v1.0.0")
    assert broken.rolled_out("v1.0.0").outcome is Outcome.DEPLOYED
    assert world.github.deployments[0]["states"] == ["in_progress", "success"]
    assert any(line.startswith("WARNING Without Slack: InvalidURL") for line in run_log)


def test_an_environment_that_wants_problems_only_hears_of_nothing_else(world: World) -> None:
    quiet = like(world, "quiet", notifications=NotificationPolicy(level="problems"))
    image = quiet.built("v1.0.0")
    assert quiet.rolled_out("v1.0.0").outcome is Outcome.DEPLOYED
    assert world.slack.told == []
    world.host.unhealthy.add(image)
    quiet.rolled_out("v1.0.0")
    assert [told.facts["Outcome"] for told in world.slack.told] == ["FAILED (rollout)"]


def test_drift_is_announced_when_a_flow_says_so(world: World) -> None:
    @flow
    def looks() -> None:
        target = load_environment(world.name)
        tell_of_drift(target, [Check("image", Level.FAIL, "another runs", host="TT-ec2-1")])

    looks()
    (told,) = world.slack.told
    assert told.headline == "testing has drifted from what was deployed"
    assert "FAIL image on TT-ec2-1: another runs" in told.message["text"]
