"""The lab's Slack: an incoming webhook that keeps what it got."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import pytest

from lab.inspect import summary
from lab.services.slack import build
from lab.settings import LabSettings
from tests.lab.services.conftest import served


@pytest.fixture
def slack(settings: LabSettings) -> Iterator[httpx.Client]:
    with (
        served(build(settings), settings.ports["slack"]) as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as client,
    ):
        yield client


def kept(slack: httpx.Client) -> list[dict[str, object]]:
    return [row["payload"] for row in slack.get("/_lab/messages").json()["messages"]]


def test_a_message_is_answered_with_ok_and_kept(slack: httpx.Client, settings: LabSettings) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*배포*"}}]
    assert slack.post(settings.slack_path, json={"text": "배포 시작"}).text == "ok"
    assert slack.post(settings.slack_path, json={"blocks": blocks}).text == "ok"
    form = urlencode({"payload": json.dumps({"text": "as a form"})})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert slack.post(settings.slack_path, content=form, headers=kind).text == "ok"
    assert kept(slack) == [{"text": "배포 시작"}, {"blocks": blocks}, {"text": "as a form"}]
    slack.delete("/_lab/messages")
    assert kept(slack) == []


@pytest.mark.parametrize(
    ("content", "status", "word"),
    [
        (b"{", 400, "invalid_payload"),
        (b"[]", 400, "invalid_payload"),
        (b"\xff", 400, "invalid_payload"),
        (b"{}", 400, "no_text"),
        (b'{"blocks": [{}]}', 400, "invalid_blocks"),
        (json.dumps({"blocks": [{"type": "divider"}] * 51}).encode(), 400, "invalid_blocks"),
        (json.dumps({"text": "x" * 40_001}).encode(), 400, "msg_too_long"),
    ],
)
def test_what_slack_would_not_show_is_refused_in_its_words(
    slack: httpx.Client, settings: LabSettings, content: bytes, status: int, word: str
) -> None:
    headers = {"Content-Type": "application/json"}
    refused = slack.post(settings.slack_path, content=content, headers=headers)
    assert (refused.status_code, refused.text) == (status, word)
    assert kept(slack) == []


def test_a_webhook_that_does_not_exist_is_no_service(slack: httpx.Client) -> None:
    refused = slack.post("/services/T0/B0/nope", json={"text": "x"})
    assert (refused.status_code, refused.text) == (404, "no_service")


def test_a_rate_limit_says_how_long_to_wait(slack: httpx.Client, settings: LabSettings) -> None:
    slack.post("/_lab/fault", json={"kind": "throttle", "retry_after_seconds": 30})
    refused = slack.post(settings.slack_path, json={"text": "x"})
    assert (refused.status_code, refused.text) == (429, "rate_limited")
    assert refused.headers["retry-after"] == "30"


def test_messages_survive_a_restart(settings: LabSettings) -> None:
    for text in ("first", "second"):
        with served(build(settings), settings.ports["slack"]) as url:
            path = url + settings.slack_path
            httpx.post(path, json={"text": text}, timeout=30, trust_env=False).raise_for_status()
            reply = httpx.get(f"{url}/_lab/messages", timeout=30, trust_env=False).json()
    assert [row["payload"]["text"] for row in reply["messages"]] == ["first", "second"]


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        ({"text": "plain"}, "plain"),
        ({"blocks": [{"type": "divider"}, {"type": "section", "text": {"text": "b"}}]}, "b"),
        ({"attachments": [{"fallback": "a"}]}, "a"),
        ({"blocks": [{"type": "divider"}]}, '{"blocks": [{"type": "divider"}]}'),
    ],
)
def test_a_message_is_summed_up_in_a_line(payload: dict[str, object], line: str) -> None:
    assert summary(payload) == line
