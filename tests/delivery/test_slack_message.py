"""A Slack message: everything in it, within Slack's limits, and nobody can be called by it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.announcement import Announcement
from delivery.notification import Weight
from delivery.slack_message import escape, fit, plain_text, slack_message

SAID = Announcement(
    weight=Weight.PROBLEM,
    mark="❌",
    headline="1.1.0 did not reach lab",
    facts=(("Version", "1.0.0 → 1.1.0"), ("By", "somebody")),
    finding="build: it broke",
    next_command="docker build .",
    links=(("Run", "http://p.example/runs/1?a=b&c=d"), ("Release", "javascript:alert(1)")),
)


def texts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Every text object of a message."""
    found: list[dict[str, Any]] = []
    for block in message["blocks"]:
        found += [block["text"]] if "text" in block else block.get("fields", block.get("elements"))
    return found


def test_a_message_holds_everything_once_and_links_only_to_web_pages() -> None:
    message = slack_message(SAID)
    assert [block["type"] for block in message["blocks"]] == [
        "header",
        "section",
        "section",
        "section",
        "context",
    ]
    shown = [each["text"] for each in texts(message)]
    assert shown == [
        "❌ 1.1.0 did not reach lab",
        "*Version*\n1.0.0 → 1.1.0",
        "*By*\nsomebody",
        "build: it broke",
        "Next, type:\n```docker build .```",
        "<http://p.example/runs/1?a=b&amp;c=d|Run>",
    ]
    assert message["text"] == (
        "❌ 1.1.0 did not reach lab\nVersion: 1.0.0 → 1.1.0; By: somebody\nbuild: it broke"
    )


def test_what_is_not_known_leaves_no_empty_block() -> None:
    message = slack_message(Announcement(Weight.ROUTINE, "✅", "done"))
    assert [block["type"] for block in message["blocks"]] == ["header"]
    assert message["text"] == "✅ done"


HOSTILE = [
    "<!channel> <!here> <@U012AB3CD> <#C123>",
    "<https://evil.example|the report>",
    "&lt;!channel&gt; & more",
    "``` *bold* _x_ ~y~ `code` ```",
    "a\x00b\x1b[31mc\x07",
    "\u202egnol\u202c \u2066x\u2069 \u200f",
    "x" * 10_000,
    "&" * 10_000,
    "<" * 10_000 + "\n" * 50,
]


def hostile(text: str) -> dict[str, Any]:
    facts = tuple((name, text) for name in ("Version", "By", "Why"))
    links = (("Run", text), ("Release", "https://g.example/" + text))
    return slack_message(Announcement(Weight.PROBLEM, "❌", text, facts, text, text, links))


def assert_harmless(message: dict[str, Any]) -> None:
    assert len(json.dumps(message, ensure_ascii=False)) < 20_000
    assert len(message["blocks"]) <= 50
    assert len(message["text"]) <= 4000
    for each in texts(message):
        if each["type"] == "plain_text":
            assert len(each["text"]) <= 150
            continue
        assert each["verbatim"] is True
        assert 1 <= len(each["text"]) <= 3000
        acting = re.sub(r"<https?://[^<>|\s]+\|(?:Run|Release)>", "", each["text"])
        assert not set("<>") & set(acting)
        assert re.sub(r"&(?:amp|lt|gt);", "", acting).count("&") == 0
    assert not set("<>") & set(message["text"])


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_calls_nobody_leads_nowhere_and_fits(text: str) -> None:
    assert_harmless(hostile(text))


@given(st.text(max_size=40).map(lambda text: text * 100))
def test_no_text_does(text: str) -> None:
    assert_harmless(hostile(text))


def test_a_command_cannot_close_its_block() -> None:
    command = hostile("x ``` <!channel>")["blocks"][3]["text"]["text"]
    assert command.count("```") == 2
    assert command.endswith("&lt;!channel&gt;```")


def test_ten_facts_at_most_are_shown() -> None:
    facts = tuple((f"Fact {n}", "x") for n in range(12))
    fields = slack_message(Announcement(Weight.CHANGE, "✅", "x", facts))["blocks"][1]["fields"]
    assert len(fields) == 10


def test_secrets_are_nowhere_in_it() -> None:
    token = "ghp_" + "a1B2" * 9
    assert token not in json.dumps(hostile(f"login with {token} failed"))


@pytest.mark.parametrize(("limit", "cut"), [(8, "ab&amp;…"), (7, "ab…"), (3, "ab…"), (2, "a…")])
def test_a_cut_never_halves_an_entity(limit: int, cut: str) -> None:
    assert fit(escape("ab&") + "cdef", limit) == cut
    assert fit("short", 10) == "short"


def test_the_plain_text_is_short() -> None:
    assert len(plain_text(Announcement(Weight.CHANGE, "✅", "x" * 5000))) == 1000
