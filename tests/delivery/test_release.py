"""Which version comes next, and why: our own policy, and where it leaves the reference's."""

import dataclasses
import datetime
from collections.abc import Callable, Sequence

import pytest

from delivery.commits import Commit
from delivery.release import ReleasePlan, ReleasePolicy, plan_release
from delivery.release_policy import BranchKind

PARITY = ReleasePolicy.github_tag_action()
OURS = ReleasePolicy()


class History:
    """A made-up clone: what lies since each tag, and what was asked."""

    def __init__(
        self, *messages: str, since: dict[str | None, Sequence[str]] | None = None
    ) -> None:
        self._default = messages
        self._since = since or {}
        self.asked: list[str | None] = []

    def __call__(self, tag: str | None) -> list[Commit]:
        self.asked.append(tag)
        messages = self._since.get(tag, self._default)
        return [Commit(f"{number:040x}", text) for number, text in enumerate(messages)]


def plan(
    *messages: str,
    tags: Sequence[str] = ("v1.2.3",),
    policy: ReleasePolicy = OURS,
    branch: str = "main",
    here: Sequence[str] = (),
    reachable: Sequence[str] | None = None,
    history: History | None = None,
) -> ReleasePlan:
    return plan_release(
        branch=branch,
        tags=tags,
        commits_since=history or History(*messages),
        policy=policy,
        repository_url="https://github.com/acme/app",
        on=datetime.date(2026, 1, 1),
        tags_at_revision=here,
        reachable_tags=reachable,
    )


# The differences, one by one: the same history under both policies.


def test_a_bang_is_breaking_to_us_and_nothing_to_the_reference() -> None:
    assert plan("feat!: x").version == "2.0.0"
    assert plan("feat!: x", policy=PARITY).version == "1.2.4"


def test_so_is_a_hyphenated_note() -> None:
    assert plan("fix: x\n\nBREAKING-CHANGE: y").version == "2.0.0"
    assert plan("fix: x\n\nBREAKING-CHANGE: y", policy=PARITY).version == "1.2.4"
    assert "### ⚠ BREAKING CHANGES\n\n* y\n" in plan("fix: x\n\nBREAKING-CHANGE: y").notes


def test_a_revision_that_carries_a_tag_keeps_it() -> None:
    history = History(since={"v1.2.3": [], "v1.2.2": ["feat: x"]})
    tags = ["v1.2.2", "v1.2.3"]
    kept = plan(tags=tags, here=["v1.2.3"], reachable=tags, history=history)
    assert (kept.tag, kept.version, kept.creates_tag) == ("v1.2.3", "1.2.3", False)
    assert kept.reason == "the revision already carries v1.2.3"
    minted = plan(tags=tags, policy=PARITY, history=history)
    assert (minted.tag, minted.creates_tag) == ("v1.2.4", True)


def test_a_kept_tag_has_the_notes_that_it_was_made_with() -> None:
    history = History(since={"v1.2.2": ["feat: x"], "v1.2.3": []})
    made = plan(tags=["v1.2.2"], reachable=["v1.2.2"], history=history, policy=OURS)
    again = plan(
        tags=["v1.2.2", "v1.3.0"], here=["v1.3.0"], reachable=["v1.2.2", "v1.3.0"], history=history
    )
    assert made.tag == again.tag == "v1.3.0"
    assert (again.notes, again.previous_tag, again.bump) == (made.notes, "v1.2.2", "minor")


def test_without_being_told_the_tags_of_the_revision_an_empty_range_says_it() -> None:
    assert plan().tag == "v1.2.3"
    assert plan().creates_tag is False
    assert plan(policy=PARITY).tag == "v1.2.4"


def test_the_highest_of_several_tags_on_the_revision_is_kept() -> None:
    tags = ["v1.2.3", "v1.2.9", "v1.2.10", "nightly"]
    assert plan(tags=tags, here=tags, reachable=tags).tag == "v1.2.10"


def test_a_pre_release_on_the_revision_does_not_keep_a_release_branch_from_releasing() -> None:
    tags = ["v1.2.3", "v1.3.0-develop.0"]
    promoted = plan("feat: x", tags=tags, here=["v1.3.0-develop.0"], reachable=tags)
    assert (promoted.tag, promoted.creates_tag) == ("v1.3.0", True)
    kept = plan("feat: x", branch="develop", tags=tags, here=["v1.3.0-develop.0"])
    assert (kept.tag, kept.creates_tag) == ("v1.3.0-develop.0", False)
    other = plan("feat: x", branch="other", tags=tags, here=["v1.3.0-develop.0"])
    assert (other.tag, other.creates_tag) == ("v1.3.0-other.0", True)


def test_a_full_release_on_the_revision_serves_a_pre_release_branch() -> None:
    assert plan(branch="develop", here=["v1.2.3"]).tag == "v1.2.3"


def test_the_range_starts_at_a_tag_that_the_revision_contains() -> None:
    history = History("fix: x")
    tags = ["v1.0.0", "v2.0.0"]
    hotfix = plan(tags=tags, reachable=["v1.0.0"], history=history)
    assert (hotfix.previous_tag, hotfix.tag, history.asked) == ("v1.0.0", "v1.0.1", ["v1.0.0"])
    assert plan("fix: x", tags=tags, reachable=["v1.0.0"], policy=PARITY).tag == "v2.0.1"


def test_a_version_that_another_commit_has_is_passed_over() -> None:
    tags = ["v1.0.0", "v1.0.1", "v1.0.2"]
    assert plan("fix: x", tags=tags, reachable=["v1.0.0"]).tag == "v1.0.3"
    tags = ["v1.0.0", "v1.1.0-develop.0", "v1.1.0-develop.1"]
    later = plan("feat: x", tags=tags, reachable=["v1.0.0"], branch="develop")
    assert later.tag == "v1.1.0-develop.2"


def test_the_reference_creates_nothing_then() -> None:
    policy = dataclasses.replace(OURS, takes_free_version=False)
    taken = plan("fix: x", tags=["v1.0.0", "v1.0.1"], reachable=["v1.0.0"], policy=policy)
    assert (taken.tag, taken.creates_tag) == ("v1.0.1", False)
    assert taken.reason == "the tag v1.0.1 exists already"


def test_the_link_in_the_notes_starts_at_the_previous_tag() -> None:
    tags = ["v1.2.3", "v1.3.0-develop.4"]
    ours = plan("fix: x", tags=tags, branch="develop")
    assert "compare/v1.3.0-develop.4...v1.3.1-develop.0" in ours.notes
    theirs = plan("fix: x", tags=tags, branch="develop", policy=PARITY)
    assert "compare/v1.2.3...v1.3.1-develop.0" in theirs.notes


def test_a_first_release_follows_nothing() -> None:
    history = History("feat: x")
    first = plan(tags=["unrelated"], history=history)
    assert (first.tag, first.previous_tag, first.previous_version) == ("v0.1.0", "v0.0.0", "0.0.0")
    assert history.asked == [None]
    assert "/commits/v0.1.0)" in first.notes
    assert "/compare/v0.0.0...v0.1.0)" in plan("feat: x", tags=[], policy=PARITY).notes


def test_a_first_release_of_nothing_is_still_one() -> None:
    assert plan(tags=[]).tag == "v0.0.1"


# What both do.


@pytest.mark.parametrize("policy", [OURS, PARITY])
def test_what_the_commits_ask_for(policy: ReleasePolicy) -> None:
    assert plan("fix: x", "feat: y", policy=policy).release_type == "minor"
    assert plan("chore: x", policy=policy).release_type == "patch"
    assert plan("chore: x", policy=policy).bump is None
    assert plan("feat: x", "", "  \n", policy=policy).version == "1.3.0"


@pytest.mark.parametrize(
    ("message", "version"),
    [
        ("chore: x", "0.1.0-develop.4"),
        ("fix: x", "0.1.1-develop.0"),
        ("feat: x", "0.2.0-develop.0"),
    ],
)
def test_a_pre_release_branch_counts_under_its_own_name(message: str, version: str) -> None:
    assert plan(message, tags=["v0.1.0-develop.3"], branch="develop").version == version


def test_nothing_is_released_where_only_commits_that_ask_may_release() -> None:
    nothing = plan("chore: x", policy=ReleasePolicy(default_bump="false"))
    assert (nothing.tag, nothing.version, nothing.notes, nothing.creates_tag) == (
        None,
        None,
        "",
        False,
    )
    assert nothing.reason == "no commit asks for a version"
    policy = ReleasePolicy(default_prerelease_bump="false")
    assert plan("chore: x", policy=policy, branch="develop").tag is None
    assert plan("fix: x", policy=policy, branch="develop").tag == "v1.2.4-develop.0"


def test_a_default_that_is_no_release_type_releases_nothing() -> None:
    nothing = plan("chore: x", policy=ReleasePolicy(default_bump="none"))
    assert nothing.tag is None
    assert nothing.reason == "there is no 'none' version to come next"


@pytest.mark.parametrize("bump", ["", "pre"])
def test_a_pre_release_bump_that_would_lead_below_the_release_releases_nothing(bump: str) -> None:
    policy = ReleasePolicy.github_tag_action(default_prerelease_bump=bump)
    for tags in (["v1.2.3"], ["v1.2.3-develop.1"]):
        nothing = plan("chore: x", tags=tags, policy=policy, branch="develop")
        assert nothing.reason == "there is no 'pre' version to come next"
    assert plan("fix: x", policy=policy, branch="develop").tag == "v1.2.4-develop.0"


def test_a_prefix_that_is_an_expression_counts_from_zero_where_no_tag_matches() -> None:
    policy = ReleasePolicy.github_tag_action(tag_prefix="[vr]")
    assert plan("fix: x", tags=["x1.0.0"], policy=policy).tag == "[vr]0.0.1"
    assert plan("fix: x", tags=["r1.0.0"], policy=policy).tag == "[vr]1.0.1"


def test_a_branch_that_gives_nothing_computes_but_creates_no_tag() -> None:
    policy = ReleasePolicy(pre_release_branches="develop")
    seen = plan("feat: x", policy=policy, branch="topic")
    assert (seen.tag, seen.creates_tag) == ("v1.3.0", False)
    assert seen.reason == "the branch is neither a release nor a pre-release branch"


def test_a_custom_version_is_taken_as_it_is() -> None:
    custom = plan("feat: x", policy=ReleasePolicy.github_tag_action(custom_tag=" 9.9.9 "))
    assert (custom.tag, custom.version, custom.release_type) == ("v9.9.9", "9.9.9", "custom")
    assert (custom.bump, custom.previous_tag, custom.previous_version) == (None, None, None)
    assert custom.creates_tag is True
    assert plan("feat: x", policy=ReleasePolicy(custom_tag="1.2.3")).creates_tag is False


def test_custom_rules_reach_the_version_and_the_notes() -> None:
    bug = plan("bug: x", policy=ReleasePolicy(custom_release_rules="bug:minor:Bugs"))
    assert bug.version == "1.3.0"
    assert "### Bugs" in bug.notes


@pytest.mark.parametrize(
    ("branch", "kind"),
    [
        ("main", BranchKind.RELEASE),
        ("refs/heads/main", BranchKind.RELEASE),
        ("feat/domain-model", BranchKind.RELEASE),
        ("develop", BranchKind.PRE_RELEASE),
        ("refs/pull/7/merge", BranchKind.RELEASE),
        ("refs/tags/v9", BranchKind.PRE_RELEASE),
    ],
)
def test_what_a_branch_gives(branch: str, kind: BranchKind) -> None:
    assert OURS.kind_of(branch) is kind


def test_branches_may_be_listed() -> None:
    policy = ReleasePolicy(release_branches="main,release/.*", pre_release_branches="dev,beta")
    kinds = [policy.kind_of(b) for b in ("release/1.x", "develop", "beta", "topic")]
    assert kinds == [
        BranchKind.RELEASE,
        BranchKind.PRE_RELEASE,
        BranchKind.PRE_RELEASE,
        BranchKind.NEITHER,
    ]
    assert policy.kind_of("refs/pull/7/merge") is BranchKind.NEITHER


@pytest.mark.parametrize(
    "make",
    [
        lambda pattern: ReleasePolicy(tag_prefix=pattern),
        lambda pattern: ReleasePolicy(release_branches=f"main,{pattern}"),
        lambda pattern: ReleasePolicy(pre_release_branches=pattern),
    ],
)
def test_a_pattern_that_is_none_is_refused_at_once(make: Callable[[str], ReleasePolicy]) -> None:
    with pytest.raises(ValueError, match=r"'a\(' is no regular expression"):
        make("a(")


def test_an_input_that_the_action_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError):
        ReleasePolicy.github_tag_action(tag_prefx="v")  # type: ignore[call-arg]


def test_the_two_policies_differ_in_the_documented_fields_only() -> None:
    ours, theirs = dataclasses.asdict(OURS), dataclasses.asdict(PARITY)
    assert {name for name in ours if ours[name] != theirs[name]} == {
        "bang_is_breaking",
        "hyphen_is_breaking",
        "first_release_reads_history",
        "reuses_tag",
        "reachable_tags_only",
        "takes_free_version",
        "compares_with_previous_tag",
        "tag_limit",
        "commit_limit",
    }


@pytest.mark.parametrize(
    ("prefix", "tags", "previous"),
    [
        ("v", ["v1.0.0", "1.5.0", "x2.0.0", "v1.9.0-rc.1"], "v1.0.0"),
        ("", ["v1.0.0", "1.5.0"], "1.5.0"),
        ("(v|r)", ["v1.0.0", "r1.5.0"], "r1.5.0"),
        ("app-v", ["app-v1.0.0", "v2.0.0"], "app-v1.0.0"),
    ],
)
def test_the_tags_that_count(prefix: str, tags: list[str], previous: str) -> None:
    assert (
        plan("fix: x", tags=tags, policy=ReleasePolicy(tag_prefix=prefix)).previous_tag == previous
    )


def test_a_pre_release_of_ours_counts_if_it_is_higher_than_the_latest_release() -> None:
    policy = ReleasePolicy(append_to_pre_release_tag="rc")
    assert plan("x", tags=["v1.2.3", "v1.3.0-rc.4"], policy=policy).tag == "v1.3.0"
    assert plan("x", tags=["v1.3.0", "v1.3.0-rc.4"], policy=policy).tag == "v1.3.1"
    assert plan("x", tags=["v1.2.3", "v1.3.0-beta.4"], policy=policy).tag == "v1.2.4"
