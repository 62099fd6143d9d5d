"""Slack: posting a message and, with a bot's token, changing it or answering below it.

Prefect's ``SlackWebhook`` block holds the webhook; its own ``notify`` goes through apprise,
which knows no Block Kit, so the message goes to the block's URL from here. Neither that URL
nor the token is ever logged or part of an error.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from prefect.blocks.abstract import CredentialsBlock
from prefect.blocks.notifications import SlackWebhook
from prefect.utilities.urls import validate_restricted_url
from pydantic import Field, SecretStr

from blocks.tls import trusted
from delivery.errors import ChannelError
from delivery.redaction import redact

TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 2.0

Message = Mapping[str, Any]


class _WithoutWebhooks(logging.Filter):
    """httpx logs every URL that it asks for, at INFO; a webhook's URL is its secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


logging.getLogger("httpx").addFilter(_WithoutWebhooks())


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that is there and may be changed: Slack's names for its channel and itself."""

    channel: str
    ts: str


class Channel(Protocol):
    """Where announcements go; every method raises ChannelError if it was not taken."""

    def post(self, message: Message, *, below: Posted | None = None) -> Posted | None:
        """Post a message, perhaps in the thread of another; None if it cannot be changed."""
        ...

    def update(self, posted: Posted, message: Message) -> None:
        """Put another message in the place of one that is there."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class WebhookChannel:
    """An incoming webhook: it posts, and can neither change a message nor open a thread."""

    def __init__(
        self, webhook: SlackWebhook, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._url = webhook.url.get_secret_value()
        self._anywhere = webhook.allow_private_urls
        self._http = _Patient(httpx.Client(verify=trusted(), timeout=TIMEOUT_SECONDS), sleep)

    def post(self, message: Message, *, below: Posted | None = None) -> None:  # noqa: ARG002 - the protocol's
        """Post a message; there are no threads here, so it stands for itself."""
        if not self._anywhere:
            try:
                validate_restricted_url(self._url)
            except ValueError:  # its text has the URL
                raise ChannelError("The Slack webhook leads to a private address.") from None
        reply = self._http.post(self._url, json={**message, **_NO_PREVIEWS})
        if reply.status_code != 200 or reply.text.strip() != "ok":
            raise _refused(reply.status_code, reply.text)

    def update(self, posted: Posted, message: Message) -> None:  # noqa: ARG002 - the protocol's
        """Never possible; ``post`` gives nothing that could be passed here."""
        raise ChannelError("An incoming webhook cannot change a message.")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class SlackBot(CredentialsBlock):
    """A bot in one channel of a Slack workspace; it needs the scope ``chat:write``.

    Unlike an incoming webhook it can change its messages, so that a deploy is one message
    which shows how it stands.

    Example:
        ```python
        from blocks.slack import SlackBot

        bot = SlackBot.load("BLOCK_NAME")
        bot.get_client().post({"text": "Hello"})
        ```
    """

    _block_type_name = "Slack Bot"
    _block_type_slug = "slack-bot"
    _logo_url = "https://a.slack-edge.com/80588/marketing/img/meta/favicon-32.png"  # type: ignore[assignment]
    _documentation_url = "https://docs.slack.dev/reference/methods/chat.postMessage"  # type: ignore[assignment]

    token: SecretStr = Field(default=..., description="The bot's token (xoxb-...).")
    channel: str = Field(default=..., description="The channel's id.", examples=["C0123456789"])
    api_url: str = Field(
        default="https://slack.com/api", title="API URL", description="Slack's Web API."
    )

    def get_client(self) -> "BotChannel":
        """The channel, open; close it after use."""
        return BotChannel(self)


class BotChannel:
    """One channel, written to by a bot."""

    def __init__(self, bot: SlackBot, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._channel = bot.channel
        client = httpx.Client(
            base_url=bot.api_url,
            verify=trusted(),
            timeout=TIMEOUT_SECONDS,
            headers={"Authorization": f"Bearer {bot.token.get_secret_value()}"},
        )
        self._http = _Patient(client, sleep)

    def post(self, message: Message, *, below: Posted | None = None) -> Posted:
        """Post a message; in a thread it is shown in the channel as well, so that it is seen."""
        thread = {"thread_ts": below.ts, "reply_broadcast": True} if below else {}
        fields = {"channel": self._channel, **message, **_NO_PREVIEWS, **thread}
        answer = self._ask("/chat.postMessage", fields)
        try:
            return Posted(str(answer["channel"]), str(answer["ts"]))
        except KeyError:
            raise ChannelError("Slack's answer does not say which message it posted.") from None

    def update(self, posted: Posted, message: Message) -> None:
        """Put another message in its place; nobody is notified of that."""
        self._ask("/chat.update", {"channel": posted.channel, "ts": posted.ts, **message})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, path: str, fields: Message) -> dict[str, Any]:
        reply = self._http.post(path, json=fields)
        try:
            answer = reply.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or reply.status_code != 200:
            raise _refused(reply.status_code, reply.text)
        if answer.get("ok") is not True:
            raise _refused(reply.status_code, str(answer.get("error", "")))
        return answer


_NO_PREVIEWS = {"unfurl_links": False, "unfurl_media": False}


class _Patient:
    """Asks a second time, at most, and only where the first message was surely not taken.

    A silence is not asked again: the message may be there, and a deploy waits for nobody.
    """

    def __init__(self, client: httpx.Client, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._sleep = sleep

    def post(self, url: str, *, json: Message) -> httpx.Response:
        try:
            reply = self._client.post(url, json=json)
            pause = _seconds_to_wait(reply)
            if pause is None:
                return reply
        except httpx.ConnectError:
            pause = _PAUSE_SECONDS
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _silent(error) from None
        self._sleep(pause)
        try:
            return self._client.post(url, json=json)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _silent(error) from None

    def close(self) -> None:
        self._client.close()


def _seconds_to_wait(reply: httpx.Response) -> float | None:
    """How long to wait before the second try; None if there is to be none."""
    if reply.status_code >= 500:
        return _PAUSE_SECONDS
    after = reply.headers.get("retry-after", "")
    if reply.status_code == 429 and after.isdecimal() and float(after) <= _LONGEST_PAUSE_SECONDS:
        return float(after)
    return None


def _silent(error: Exception) -> ChannelError:
    return ChannelError(f"Slack did not answer: {type(error).__name__}.")


def _refused(status: int, said: str) -> ChannelError:
    return ChannelError(f"Slack refused ({status}): {redact(said)[:100] or 'no reason given'}")
