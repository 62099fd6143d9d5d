"""Reading the reference answers in `tests/golden`, and asking ours for the same."""

import datetime
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from delivery.commits import Commit
from delivery.release import ReleasePlan, ReleasePolicy, plan_release

GOLDEN = Path(__file__).parents[1] / "golden"

Case = dict[str, Any]


def read_lines(name: str) -> Iterator[Case]:
    with gzip.open(GOLDEN / name, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read_one(name: str) -> Any:
    return json.loads(gzip.decompress((GOLDEN / name).read_bytes()))


def plan_of(case: Case) -> ReleasePlan:
    """What we answer to a case of the reference."""
    options = dict(case["options"])
    branch = options.pop("branch", "main")
    branch = options.pop("ref", branch)
    commits = [Commit(each["hash"], each["message"]) for each in case["commits"]]
    return plan_release(
        branch=branch,
        tags=case["tags"],
        commits_since=lambda _: commits,
        policy=ReleasePolicy.github_tag_action(**options),
        repository_url=case["repo_url"],
        on=datetime.date(2026, 1, 1),
    )
