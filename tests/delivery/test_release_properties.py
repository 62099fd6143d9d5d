"""What holds for every history, however odd."""

import datetime
import time
from collections.abc import Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from delivery.commits import Commit
from delivery.notes import notes_for_people
from delivery.release import ReleasePlan, ReleasePolicy, plan_release
from delivery.version import parse_version

PAGE = "https://github.com/acme/app"
POLICIES = st.sampled_from([ReleasePolicy(), ReleasePolicy.github_tag_action()])
BRANCHES = st.sampled_from(["main", "develop", "refs/pull/7/merge", "feat/#12-로그인", ""])
TYPES = st.sampled_from(["feat", "fix", "perf", "docs", "chore", "feat!", "기능", "Fix"])
SCOPES = st.sampled_from(["", "(a)", "(*)", "(가)", "()", "(-1)"])
BODIES = st.sampled_from(
    ["", "\n\nBREAKING CHANGE: x", "\n\ncloses #3", "\n\nBREAKING-CHANGE: y", "\n---\nx"]
)
SHAS = st.integers(0, 2**160 - 1).map(lambda number: f"{number:040x}")
MESSAGES = st.one_of(
    st.builds(
        lambda kind, scope, subject, body: f"{kind}{scope}: {subject}{body}",
        TYPES,
        SCOPES,
        st.text(max_size=20),
        BODIES,
    ),
    st.text(),
    st.text("#\n\r-:()!@ fixBREAKINGCHANGE\u2028", max_size=60),
)
COMMITS = st.lists(st.builds(Commit, SHAS, MESSAGES), max_size=12, unique_by=lambda c: c.sha)
TAGS = st.lists(
    st.one_of(
        st.builds(lambda a, b, c: f"v{a}.{b}.{c}", *[st.integers(0, 12)] * 3),
        st.builds(lambda a, b, n: f"v{a}.{b}.0-develop.{n}", *[st.integers(0, 5)] * 3),
        st.text(max_size=12),
    ),
    max_size=8,
)


def planned(
    commits: Sequence[Commit],
    tags: Sequence[str],
    policy: ReleasePolicy,
    branch: str = "main",
) -> ReleasePlan:
    return plan_release(
        branch=branch,
        tags=tags,
        commits_since=lambda _: commits,
        policy=policy,
        repository_url=PAGE,
        on=datetime.date(2026, 1, 1),
    )


@given(COMMITS, TAGS, POLICIES, BRANCHES, st.text(max_size=30), TAGS)
def test_no_history_raises(
    commits: list[Commit],
    tags: list[str],
    policy: ReleasePolicy,
    branch: str,
    url: str,
    others: list[str],
) -> None:
    plan = plan_release(
        branch=branch,
        tags=tags,
        commits_since=lambda _: commits,
        policy=policy,
        repository_url=url,
        on=datetime.date(2026, 1, 1),
        tags_at_revision=others[:1],
        reachable_tags=others,
    )
    assert plan.creates_tag is False or plan.tag not in tags


@given(COMMITS, TAGS, POLICIES, BRANCHES)
def test_a_new_version_is_higher_than_the_one_that_it_follows(
    commits: list[Commit], tags: list[str], policy: ReleasePolicy, branch: str
) -> None:
    plan = planned(commits, tags, policy, branch)
    if plan.creates_tag:
        before, after = parse_version(str(plan.previous_version)), parse_version(str(plan.version))
        assert before is not None
        assert after is not None
        assert after > before


@given(COMMITS, TAGS, BRANCHES)
def test_a_line_of_releases_climbs_and_mints_nothing_twice(
    commits: list[Commit], tags: list[str], branch: str
) -> None:
    tags = list(tags)
    for _ in range(3):
        plan = planned(commits, tags, ReleasePolicy(), branch)
        if plan.creates_tag:
            assert plan.tag not in tags
            tags.append(str(plan.tag))


@given(COMMITS, SHAS, TYPES, st.text("abc #1", min_size=1, max_size=8), SHAS, POLICIES)
def test_a_commit_and_its_revert_together_ask_for_nothing(
    commits: list[Commit], sha: str, kind: str, subject: str, revert: str, policy: ReleasePolicy
) -> None:
    others = [commit for commit in commits if not commit.message.startswith(("Revert", "revert"))]
    others = [commit for commit in others if commit.sha not in (sha, revert)]
    header = f"{kind}: {subject}"
    pair = [
        Commit(sha, header),
        Commit(revert, f'Revert "{header}"\n\nThis reverts commit {sha}.'),
    ]
    if sha == revert or not others:
        return
    alone = planned(others, ["v1.2.3"], policy)
    assert planned([*others, *pair], ["v1.2.3"], policy) == alone
    assert planned([pair[0], *others, pair[1]], ["v1.2.3"], policy) == alone


@given(COMMITS, TAGS, POLICIES, BRANCHES)
def test_the_order_of_tags_does_not_matter_nor_that_of_commits_for_the_version(
    commits: list[Commit],
    tags: list[str],
    policy: ReleasePolicy,
    branch: str,
) -> None:
    plan = planned(commits, tags, policy, branch)
    turned = planned(commits[::-1], tags[::-1], policy, branch)
    assert (turned.version, turned.bump) == (plan.version, plan.bump)


LENGTH = 8_000
PIECES = [
    "feat",
    "(",
    ")",
    "!",
    ": ",
    "#",
    "1",
    "a",
    "가",
    "/",
    "@",
    "-",
    "`",
    "``",
    "[",
    "]:",
    "](",
    "<",
]
PIECES += ["\n", "\r", "\u2028", " ", "\t", "|*", "closes #1", "BREAKING CHANGE: ", "-x-\n", "gpg:"]
PIECES += ['Revert "', "This reverts commit ", "release-as: 1", "~~~", "&#", "\u0301"]
UNITS = st.one_of(
    st.sampled_from(PIECES),
    st.lists(st.sampled_from(PIECES), min_size=2, max_size=3).map("".join),
)
AS_FOUND = [phase for phase in Phase if phase is not Phase.shrink]
"""A unit is small already; to shrink it would take minutes of the slowness that it shows."""
BEGINNINGS = st.sampled_from(["feat: ", "feat(", "x\n\n", 'Revert "', "x\n\nBREAKING CHANGE: "])
ENDS = st.sampled_from(["", "\r", " #1 @a `]:"])


def seconds_for(message: str) -> float:
    """Of this thread's own processor time: from a commit's message to the notes for people."""
    commits = [Commit("a" * 40, message)]
    started = time.thread_time()
    plan = planned(commits, ["v1.2.3"], ReleasePolicy())
    notes_for_people(plan, running="v1.2.3", commits=commits, repository_url=PAGE)
    return time.thread_time() - started


@pytest.mark.no_cover
@given(BEGINNINGS, UNITS, ENDS)
@settings(max_examples=400, deadline=None, phases=AS_FOUND)
def test_four_times_the_message_takes_no_square_of_it(before: str, unit: str, end: str) -> None:
    short = before + unit * (LENGTH // len(unit)) + end
    long = before + unit * (4 * LENGTH // len(unit)) + end
    # A square would be sixteen times. What another process costs us passes: any one try counts.
    tries = ((seconds_for(short), seconds_for(long)) for _ in range(3))
    assert any(four <= 0.1 + 8 * one for one, four in tries)


@pytest.mark.no_cover
@pytest.mark.parametrize("policy", [ReleasePolicy(), ReleasePolicy.github_tag_action()])
def test_ten_thousand_commits_take_seconds(policy: ReleasePolicy) -> None:
    commits = [
        Commit(f"{n:040x}", f"{'feat' if n % 3 else 'fix'}{'(가)' if n % 5 else ''}: 기능 {n} #{n}")
        for n in range(10_000)
    ]
    started = time.process_time()
    plan = planned(commits, ["v1.2.3"], policy)
    assert plan.version == "1.3.0"
    assert time.process_time() - started < 10  # benchmarks/release measures; this notices a square
