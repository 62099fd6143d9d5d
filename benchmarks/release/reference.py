"""The reference implementation, as a program to put histories to."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.commits import Commit
from delivery.release_rules import parse_rules, sections_by

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_PATIENCE_SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the reference is asked about."""

    commits: Sequence[Commit]
    tag: str
    version: str
    since: str = "v1.2.3"
    url: str = "https://github.com/acme/app"
    custom_rules: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the commits ask for, the notes, and how many seconds that took.

    `busy` are seconds of the processor. `error` is what it threw instead of answering.
    """

    bump: str | None = None
    notes: str = ""
    seconds: float = 0.0
    busy: float = 0.0
    error: str = ""


def ask_reference(histories: Iterable[History]) -> list[Answer]:
    """The reference's answer to each. Its packages come from npm, once."""
    asked = "".join(f"{json.dumps(_question(history))}\n" for history in histories)
    answered = _node("reference.js", asked)
    return [Answer(**json.loads(line)) for line in answered.split("\n") if line]


def ask_engine(question: Mapping[str, Any]) -> Any:
    """What V8 and its ICU say; see `engine.js`."""
    return json.loads(_node("engine.js", json.dumps(question)))


def _question(history: History) -> dict[str, Any]:
    rules = parse_rules(history.custom_rules)
    question = {
        "commits": [{"hash": each.sha, "message": each.message} for each in history.commits],
        "types": [{"type": kind, "section": title} for kind, title in sections_by(rules).items()],
        "url": history.url,
        "since": history.since,
        "tag": history.tag,
        "version": history.version,
    }
    if history.custom_rules:
        question["rules"] = [{"type": rule.pattern, "release": rule.release} for rule in rules]
    return question


def _node(script: str, given: str) -> str:
    node = subprocess.run(
        ["tools/npm.sh", str(_HERE)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=_PATIENCE_SECONDS,
    )
    done = subprocess.run(
        [node.stdout.strip(), script],
        cwd=_HERE,
        input=given,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=_PATIENCE_SECONDS,
    )
    return done.stdout
