"""The table in `docs/releases.md` says what is so."""

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from delivery.commits import Commit
from delivery.release import ReleasePlan, ReleasePolicy, plan_release
from delivery.release_reading import commits_read, tags_read

DOCUMENT = Path(__file__).parents[2] / "docs" / "releases.md"
ROW = re.compile(r"^\| (.+) \| (.+) \| (.+) \| `(\w+)` \|$", re.MULTILINE)
ROWS = {field: (reference, ours) for _, reference, ours, field in ROW.findall(DOCUMENT.read_text())}


def planned(
    policy: ReleasePolicy,
    *messages: str,
    tags: Sequence[str] = ("v1.2.3",),
    branch: str = "main",
    here: Sequence[str] = (),
    reachable: Sequence[str] | None = None,
) -> ReleasePlan:
    commits = [Commit(f"{number:040x}", text) for number, text in enumerate(messages)]
    return plan_release(
        branch=branch,
        tags=tags_read(policy, tags),
        commits_since=commits_read(policy, lambda _: commits),
        policy=policy,
        repository_url="https://github.com/acme/app",
        on=datetime.date(2026, 1, 1),
        tags_at_revision=here,
        reachable_tags=reachable,
    )


def answer(field: str, policy: ReleasePolicy) -> str:
    """What the policy says to the example of `field`, as the table puts it."""
    old = ["v1.2.3"]
    match field:
        case "bang_is_breaking":
            return f"`{planned(policy, 'feat!: x').tag}`"
        case "hyphen_is_breaking":
            return f"`{planned(policy, 'fix: x' + chr(10) * 2 + 'BREAKING-CHANGE: y').tag}`"
        case "first_release_reads_history":
            return f"`{planned(policy, 'feat: x', tags=()).tag}`"
        case "reuses_tag":
            plan = planned(policy, here=old, reachable=old)
            return f"{'' if plan.creates_tag else 'keeps '}`{plan.tag}`"
        case "reachable_tags_only":
            return f"`{planned(policy, 'fix: x', tags=[*old, 'v2.0.0'], reachable=old).tag}`"
        case "takes_free_version":
            tags = [*old, "v1.2.4", "v2.0.0"]
            return f"`{planned(policy, 'fix: x', tags=tags, reachable=old).tag}`"
        case "compares_with_previous_tag":
            tags = [*old, "v1.3.0-develop.4"]
            found = re.search(
                r"compare/(.+)\.\.\.", planned(policy, "fix: x", tags=tags, branch="develop").notes
            )
            return f"`{found[1]}`" if found else ""
        case "tag_limit":
            tags = [f"v1.0.{number:03}x" for number in range(1, 101)]
            seen = planned(policy, "fix: x", tags=["v1.0.0", *tags]).previous_tag == "v1.0.0"
        case _:
            seen = planned(policy, "feat: x", *["fix: y"] * 250).bump == "minor"
    return "seen" if seen else "not seen"


@pytest.mark.parametrize("field", ROWS)
def test_the_row_of(field: str) -> None:
    policies = (ReleasePolicy.github_tag_action(), ReleasePolicy())
    assert tuple(answer(field, policy) for policy in policies) == ROWS[field]


def test_every_difference_has_its_row() -> None:
    assert len(ROWS) == 9
