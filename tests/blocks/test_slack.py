"""Slack's two doors: what they send, when they ask again, and that they give no secret away."""

import json
import logging
from collections.abc import Callable, Iterator

import httpx
import pytest
from prefect.blocks.core import Block
from prefect.blocks.notifications import SlackWebhook
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from pydantic import SecretStr

from blocks.slack import BotChannel, Posted, SlackBot, WebhookChannel
from delivery.errors import ChannelError
from tests.fakes import LoopbackServer

PATH = "/services/T0AAAAAAA/B0BBBBBBB/" + "secretOfTheHook"
TOKEN = "xoxb-123456789012-" + "secretOfTheBot"
MESSAGE = {"text": "hello"}
FIRST = Posted("C0TTDEPLOYS", "1.000001")


class TestSlackBot(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[SlackBot]:
        return SlackBot

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect's own test fetches the picture, and no test leaves this machine."""
        assert str(block._logo_url).startswith("https://")


class Slack:
    """Gives these answers one after the other, the last one for ever; notes what it got."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response | Exception] = [httpx.Response(200, text="ok")]
        self.got: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        answer = self.answers[min(len(self.got), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def bodies(self) -> list[dict[str, object]]:
        return [json.loads(request.content) for request in self.got]


@pytest.fixture
def slack() -> Slack:
    return Slack()


@pytest.fixture
def webhook(slack: Slack) -> Iterator[WebhookChannel]:
    with LoopbackServer(slack) as server:
        block = SlackWebhook(url=SecretStr(server.url + PATH), allow_private_urls=True)
        channel = WebhookChannel(block, sleep=slack.pauses.append)
        yield channel
        channel.close()


@pytest.fixture
def bot(slack: Slack) -> Iterator[BotChannel]:
    with LoopbackServer(slack) as server:
        block = SlackBot(token=SecretStr(TOKEN), channel="C0TTDEPLOYS", api_url=server.url)
        channel = BotChannel(block, sleep=slack.pauses.append)
        yield channel
        channel.close()


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(ChannelError) as refused:
        act()
    return str(refused.value)


def test_a_webhook_gets_the_message_and_cannot_change_it(
    webhook: WebhookChannel, slack: Slack
) -> None:
    webhook.post(MESSAGE)
    assert slack.got[0].url.path == PATH
    assert slack.bodies() == [{"text": "hello", "unfurl_links": False, "unfurl_media": False}]
    assert "cannot change" in refusal(lambda: webhook.update(FIRST, MESSAGE))


def test_a_webhook_to_a_private_address_is_refused_unless_that_is_allowed() -> None:
    block = SlackWebhook(url=SecretStr("http://127.0.0.1:9" + PATH), allow_private_urls=False)
    channel = WebhookChannel(block)
    said = refusal(lambda: channel.post(MESSAGE))
    assert said == "The Slack webhook leads to a private address."
    channel.close()


def test_a_bot_posts_changes_and_answers_below(bot: BotChannel, slack: Slack) -> None:
    fine = {"ok": True, "channel": "C0TTDEPLOYS", "ts": "1.000001"}
    slack.answers = [httpx.Response(200, json=fine)]
    assert bot.post(MESSAGE) == FIRST
    bot.update(FIRST, MESSAGE)
    bot.post(MESSAGE, below=FIRST)
    assert [request.url.path for request in slack.got] == [
        "/chat.postMessage",
        "/chat.update",
        "/chat.postMessage",
    ]
    first, changed, below = slack.bodies()
    assert (first["channel"], changed["ts"]) == ("C0TTDEPLOYS", "1.000001")
    assert "thread_ts" not in first
    assert (below["thread_ts"], below["reply_broadcast"]) == ("1.000001", True)
    assert slack.got[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(200, json={"ok": False, "error": "not_in_channel"}), "not_in_channel"),
        (httpx.Response(200, text="<html>"), "Slack refused (200)"),
        (httpx.Response(200, json=[1]), "Slack refused (200)"),
        (httpx.Response(404, json={"ok": True}), "Slack refused (404)"),
        (httpx.Response(200, json={"ok": True}), "does not say which message"),
    ],
)
def test_a_bots_message_that_was_not_taken_is_an_error_in_slacks_words(
    bot: BotChannel, slack: Slack, answer: httpx.Response, said: str
) -> None:
    slack.answers = [answer]
    assert said in refusal(lambda: bot.post(MESSAGE))


@pytest.mark.parametrize(
    ("first", "pause"),
    [
        (httpx.Response(500), 0.5),
        (httpx.Response(503), 0.5),
        (httpx.Response(429, headers={"Retry-After": "1"}), 1.0),
    ],
)
def test_what_was_surely_not_taken_is_sent_once_more(
    webhook: WebhookChannel, slack: Slack, first: httpx.Response, pause: float
) -> None:
    slack.answers = [first, httpx.Response(200, text="ok")]
    webhook.post(MESSAGE)
    assert (len(slack.got), slack.pauses) == (2, [pause])


@pytest.mark.parametrize(
    ("answers", "tries", "said"),
    [
        ([httpx.Response(500)], 2, "Slack refused (500)"),
        ([httpx.Response(500), httpx.ReadError("cut")], 2, "did not answer: "),
        ([httpx.ReadError("cut")], 1, "did not answer: "),
        ([httpx.Response(429, headers={"Retry-After": "60"})], 1, "Slack refused (429)"),
        ([httpx.Response(429)], 1, "Slack refused (429)"),
        ([httpx.Response(404, text="no_service")], 1, "(404): no_service"),
        ([httpx.Response(200, text="<html>")], 1, "Slack refused (200)"),
        ([httpx.Response(400)], 1, "no reason given"),
    ],
)
def test_there_is_one_more_try_at_most_and_none_after_silence(
    webhook: WebhookChannel,
    slack: Slack,
    answers: list[httpx.Response | Exception],
    tries: int,
    said: str,
) -> None:
    slack.answers = answers
    assert said in refusal(lambda: webhook.post(MESSAGE))
    assert len(slack.got) == tries


def test_a_slack_that_is_down_is_tried_twice() -> None:
    pauses: list[float] = []
    block = SlackWebhook(url=SecretStr("http://127.0.0.1:1" + PATH), allow_private_urls=True)
    channel = WebhookChannel(block, sleep=pauses.append)
    assert refusal(lambda: channel.post(MESSAGE)) == "Slack did not answer: ConnectError."
    assert pauses == [0.5]
    channel.close()


def test_no_secret_is_in_an_error_or_a_log(
    webhook: WebhookChannel, bot: BotChannel, slack: Slack, caplog: pytest.LogCaptureFixture
) -> None:
    slack.answers = [httpx.Response(400, text=f"no {PATH} and no {TOKEN}")]
    with caplog.at_level(logging.DEBUG):
        said = refusal(lambda: webhook.post(MESSAGE)) + refusal(lambda: bot.post(MESSAGE))
    said += caplog.text + repr(SlackBot(token=SecretStr(TOKEN), channel="C0TTDEPLOYS"))
    assert "HTTP Request: POST" in caplog.text
    assert [secret for secret in ("secretOfTheHook", "secretOfTheBot") if secret in said] == []
