"""What the product says to Slack, said to the lab's Slack, which refuses what Slack would."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import httpx
import pytest
from prefect.blocks.notifications import SlackWebhook
from pydantic import SecretStr

from blocks.slack import Posted, SlackBot, WebhookChannel
from delivery.announcement import announce_end
from delivery.errors import ChannelError
from delivery.report import Outcome, Report
from delivery.slack_message import slack_message
from lab.services.slack import build
from lab.settings import LabSettings
from tests.lab.services.conftest import served

CHANNEL = "C0TTDEPLOYS"


@pytest.fixture
def slack(settings: LabSettings) -> Iterator[httpx.Client]:
    with (
        served(build(settings), settings.ports["slack"]) as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as client,
    ):
        yield client


def rows(slack: httpx.Client) -> list[dict[str, object]]:
    found: list[dict[str, object]] = slack.get("/_lab/messages").json()["messages"]
    return found


def message(outcome: Outcome = Outcome.DEPLOYED) -> dict[str, object]:
    now = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)
    said = announce_end(Report(outcome, "lab", "<!channel>", "배포", now, 1.0), kind="deploy")
    assert said is not None
    return slack_message(said)


def url_of(slack: httpx.Client) -> str:
    return str(slack.base_url).rstrip("/")


def bot(slack: httpx.Client, token: str, channel: str = CHANNEL) -> SlackBot:
    return SlackBot(token=SecretStr(token), channel=channel, api_url=url_of(slack) + "/api")


def test_an_announcement_is_taken_from_the_webhook(
    slack: httpx.Client, settings: LabSettings
) -> None:
    url = SecretStr(url_of(slack) + settings.slack_path)
    channel = WebhookChannel(SlackWebhook(url=url, allow_private_urls=True))
    channel.post(message())
    channel.close()
    (row,) = rows(slack)
    assert message().items() <= row["payload"].items()  # type: ignore[attr-defined]


def test_a_bots_message_is_changed_and_answered_below(
    slack: httpx.Client, settings: LabSettings
) -> None:
    channel = bot(slack, settings.slack_bot_token).get_client()
    posted = channel.post(message())
    channel.update(posted, message(Outcome.FAILED))
    channel.post(message(Outcome.FAILED), below=posted)
    channel.close()
    first, changed, below = rows(slack)
    assert (first["ts"], changed["ts"], changed["updated"]) == (posted.ts, posted.ts, True)
    assert below["ts"] != posted.ts
    assert below["payload"]["thread_ts"] == posted.ts  # type: ignore[index]


@pytest.mark.parametrize(
    ("token", "channel", "word"),
    [("wrong", CHANNEL, "invalid_auth"), ("right", "deploys", "channel_not_found")],
)
def test_a_bot_is_refused_in_slacks_words(
    slack: httpx.Client, settings: LabSettings, token: str, channel: str, word: str
) -> None:
    client = bot(slack, settings.slack_bot_token if token == "right" else token, channel)
    with pytest.raises(ChannelError, match=word):
        client.get_client().post(message())
    assert rows(slack) == []


def test_what_the_lab_refuses_of_a_bot_it_refuses_as_slack_does(
    slack: httpx.Client, settings: LabSettings
) -> None:
    channel = bot(slack, settings.slack_bot_token).get_client()
    unknown = Posted(CHANNEL, "0.000000")
    for act, word in (
        (lambda: channel.post({"blocks": [{}]}), "invalid_blocks"),
        (lambda: channel.post({}), "no_text"),
        (lambda: channel.post(message(), below=unknown), "thread_not_found"),
        (lambda: channel.update(unknown, message()), "message_not_found"),
    ):
        with pytest.raises(ChannelError, match=word):
            act()
    headers = {"Authorization": f"Bearer {settings.slack_bot_token}"}
    bad = slack.post("/api/chat.postMessage", content=b"{", headers=headers)
    assert bad.json() == {"ok": False, "error": "invalid_json"}
    assert slack.post("/api/chat.postMessage", json={}).json()["error"] == "not_authed"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("unauthorized", "token_revoked"),
        ("forbidden", "not_in_channel"),
        ("throttle", "ratelimited"),
        ("garbage", "Slack refused"),
        ("reset", "did not answer"),
    ],
)
def test_a_bot_hears_of_the_labs_faults_in_slacks_words(
    slack: httpx.Client, settings: LabSettings, kind: str, word: str
) -> None:
    fault = {"kind": kind, "retry_after_seconds": 30}
    slack.post("/_lab/fault", json=fault)
    with pytest.raises(ChannelError, match=word):
        bot(slack, settings.slack_bot_token).get_client().post(message())
