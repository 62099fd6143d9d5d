"""``python -m benchmarks.release.differential``: random commits, put to us and to the reference.

Prints each case where the two differ, and fails if there is one. With ``--write``, the cases
become `tests/golden/release-differential.jsonl.gz`, and the engine's answers about order
`collation-order.json.gz` and `timsort.json.gz` beside it: the reference answers that the tests
hold us to, where there is no npm.
"""

import argparse
import datetime
import gzip
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.release.odd_messages import RULES, make_odd_history, make_unsorted_history
from benchmarks.release.reference import Answer, History, ask_engine, ask_reference
from delivery.release import ReleasePlan, ReleasePolicy, plan_release

_GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
_DAY = datetime.date(2026, 1, 1)
_URLS = ("https://github.com/acme/app", "https://github.com/Acme-Org/My.App_1.git")
_LETTERS = (
    *("abcABC", "aàáäâāeéèêëoöøOÖØ", "가각나다힣ㄱㅏ", "-_ .,:;!?'\"`()[]{}*#@$%&/\\|~^<>=+"),
    *("0123456789٣½²", "日本語漢字中文㐀㗊", "あいうアイウーゞがギ", "абвёйЁЙІї", "αβγάΑςσ"),
    *("😀🚀👨\u200d👩\ufe0f✨→⚠©™…–—“”‘’«»", "ßæÆœŒðþıİłŁđ", "\u0301\u0308\u0327\u0300\u0323"),
    *("\t\n\x00\x07\u00ad\u200b\ufeff\xa0\u3000", "ﬁﬂＡｂ１ｱｶﾞ", "กขเแกาำ", "אבגاب", "हिन्दी"),
)


def main() -> int:
    """Compare; 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.release.differential")
    parser.add_argument("--cases", type=int, default=700)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="make the golden files anew")
    options = parser.parse_args()
    chance = Random(options.seed)  # noqa: S311 - made-up histories need no secrecy
    cases = [make_case(chance, unsorted=number % 30 == 29) for number in range(options.cases)]
    plans = [plan_of(case) for case in cases]
    histories = [released_as(case, plan) for case, plan in zip(cases, plans, strict=True)]
    answers = ask_reference(histories)
    differing = 0
    for history, plan, answer in zip(histories, plans, answers, strict=True):
        if not answer.error and (plan.bump, plan.notes) != (answer.bump, dated(answer.notes)):
            differing += 1
            print(f"{_as_json(case_of(history, answer))}\nours: {plan.bump}\n{plan.notes}")
    thrown = sum(bool(answer.error) for answer in answers)
    print(f"{len(cases)} cases, {differing} differ; in {thrown} the reference threw")
    if options.write:
        write_golden(histories, answers, chance)
    return 1 if differing else 0


def make_case(chance: Random, *, unsorted: bool) -> History:
    """One history, with custom rules now and then."""
    return History(
        commits=make_unsorted_history(chance) if unsorted else make_odd_history(chance),
        tag="v1.2.4",
        version="1.2.4",
        url=chance.choice(_URLS),
        custom_rules="" if unsorted else chance.choice(RULES),
    )


def plan_of(history: History) -> ReleasePlan:
    """Ours."""
    return plan_release(
        branch="main",
        tags=[history.since],
        commits_since=lambda _: history.commits,
        policy=ReleasePolicy.github_tag_action(custom_release_rules=history.custom_rules),
        repository_url=history.url,
        on=_DAY,
    )


def released_as(history: History, plan: ReleasePlan) -> History:
    """The history with the version and the tag that it is released as."""
    return replace(history, tag=plan.tag or history.tag, version=plan.version or history.version)


def dated(notes: str) -> str:
    """`notes`, which bear today's date, with that of our own."""
    return re.sub(r"\(\d{4}-\d\d-\d\d\)", f"({_DAY})", notes, count=1)


def case_of(history: History, answer: Answer) -> dict[str, Any]:
    """A case in the form of the golden files."""
    rules = {"custom_release_rules": history.custom_rules} if history.custom_rules else {}
    return {
        "tags": [history.since],
        "commits": [{"hash": each.sha, "message": each.message} for each in history.commits],
        "options": rules,
        "repo_url": history.url,
        "expect": {"bump": answer.bump, "changelog": dated(answer.notes)},
    }


def write_golden(histories: Sequence[History], answers: Sequence[Answer], chance: Random) -> None:
    """Keep what the reference and its engine answered."""
    answered = [pair for pair in zip(histories, answers, strict=True) if not pair[1].error]
    lines = [
        json.dumps({"id": f"differential/{number:03}", **case_of(*pair)}, ensure_ascii=False)
        for number, pair in enumerate(answered)
    ]
    _keep("release-differential.jsonl.gz", "".join(f"{line}\n" for line in lines))
    texts = sorted({_odd_text(chance) for _ in range(3000)})
    _keep("collation-order.json.gz", _as_json(ask_engine({"texts": texts})))
    lists = [_odd_list(chance, kind) for kind in ("texts", "chance") for _ in range(60)]
    _keep("timsort.json.gz", _as_json(ask_engine({"lists": lists})))


def _odd_text(chance: Random) -> str:
    pools = chance.sample(_LETTERS, chance.choice([1, 1, 2, 3]))
    return "".join(chance.choice(chance.choice(pools)) for _ in range(chance.randrange(1, 8)))


def _odd_list(chance: Random, kind: str) -> dict[str, Any]:
    size = chance.choice([2, 10, 40, 64, 65, 100, 128, 200, 300])
    if kind == "chance":
        return {"kind": kind, "items": [chance.randrange(1000) for _ in range(size)]}
    pool: list[str | None] = ["a", "b", "c", "5", "-1", "", "d", None]
    items = [chance.choice(pool) for _ in range(size)]
    if chance.random() < 0.4:
        items.sort(key=lambda item: item or "")
        for _ in range(size // 8):
            items[chance.randrange(size)] = chance.choice([None, "b"])
    return {"kind": kind, "items": items}


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _keep(name: str, text: str) -> None:
    (_GOLDEN / name).write_bytes(gzip.compress(text.encode("utf-8"), 9, mtime=0))
    print(f"wrote {name}")


if __name__ == "__main__":
    sys.exit(main())
