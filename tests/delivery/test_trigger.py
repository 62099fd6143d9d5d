import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.trigger import (
    COMMITS_SURELY_LISTED,
    MOST_CRASHES,
    NO_COMMIT,
    AskedRun,
    Call,
    Changes,
    DecidedPush,
    PushedCommit,
    decide,
    decide_on_changes,
    decide_together,
    decided,
    is_asked_for,
    is_trigger,
)
from tests.pushes import REPOSITORY, a_push, sha

PARTS_OF_THE_APPLICATION = [
    ".github/workflows/deploy.yml",
    "src/main/java/A.java",
    "build.gradle",
    "build.gradle.kts",
    "settings.gradle",
    "settings.gradle.kts",
    "gradle/wrapper/gradle-wrapper.properties",
    "gradlew",
    "gradlew.bat",
    "Dockerfile",
    "docker/docker-compose.yml",
]
OTHER_FILES = [
    "README.md",
    ".github/CODEOWNERS",
    "docs/src/a.md",
    "srcs/a",
    "sub/build.gradle",
    "build.gradle.md",
    "Dockerfile.old",
    "dockerfile",
    "docker",
    "gradlew.sh",
    "monitoring/prometheus.yml",
    "",
]


def kept(before: int, after: int, call: Call = Call.DEPLOY) -> DecidedPush:
    return DecidedPush(REPOSITORY, "develop", sha(before), sha(after), "kim", call, f"why {after}")


@pytest.mark.parametrize("path", PARTS_OF_THE_APPLICATION)
def test_a_push_that_touches_a_part_of_the_application_deploys(path: str) -> None:
    decision = decide(a_push("README.md", path))
    assert decision.call is Call.DEPLOY
    assert path in decision.reason


@pytest.mark.parametrize("path", OTHER_FILES)
def test_a_push_that_touches_anything_else_does_not(path: str) -> None:
    assert decide(a_push(path)).call is Call.IGNORE


def test_the_change_may_lie_in_any_commit_of_the_push() -> None:
    commits = (
        PushedCommit(sha(5), ("README.md",)),
        PushedCommit(sha(6), ("src/A.java",)),
        PushedCommit(sha(2), ("README.md",)),
    )
    decision = decide(a_push(commits=commits))
    assert (decision.call, sha(6)[:12] in decision.reason) == (Call.DEPLOY, True)


@pytest.mark.parametrize("ref", ["refs/tags/v1.0.0", "refs/notes/commits"])
def test_a_tag_deploys_nothing(ref: str) -> None:
    assert decide(a_push("src/A.java", ref=ref)).call is Call.IGNORE


def test_a_deleted_branch_deploys_nothing() -> None:
    assert decide(a_push("src/A.java", after=NO_COMMIT)).call is Call.IGNORE


def test_a_new_branch_deploys_since_there_is_nothing_to_compare_with() -> None:
    assert decide(a_push("README.md", before=NO_COMMIT)).call is Call.DEPLOY


def test_a_rewritten_history_is_compared_whatever_its_payload_lists() -> None:
    decision = decide(a_push("src/A.java", forced=True))
    assert (decision.call, decision.base) == (Call.COMPARE, sha(1))


@pytest.mark.parametrize(
    "commits",
    [
        pytest.param((), id="no commit is listed"),
        pytest.param((PushedCommit(sha(7), ("README.md",)),), id="the newest is not listed"),
        pytest.param(
            (PushedCommit(sha(7), ("README.md",)), PushedCommit(sha(2), ())),
            id="a merge names no files",
        ),
        pytest.param(
            tuple(PushedCommit(sha(2), ("a.md",)) for _ in range(COMMITS_SURELY_LISTED)),
            id="as many as an old server lists at most",
        ),
    ],
)
def test_a_payload_that_may_hide_changes_is_compared(commits: tuple[PushedCommit, ...]) -> None:
    decision = decide(a_push(commits=commits))
    assert (decision.call, decision.base) == (Call.COMPARE, sha(1))


def test_what_is_kept_of_a_push_names_its_branch_its_ends_and_the_decision() -> None:
    push = a_push("src/A.java")
    small = decided(push, decide(push))
    assert (small.branch, small.before, small.after) == ("develop", sha(1), sha(2))
    assert (small.call, small.actor) == (Call.DEPLOY, "kim")


def test_a_push_concerns_the_environments_of_its_repository_and_branch_alone() -> None:
    push = kept(1, 2)
    assert push.concerns(repository="TT-lab/TT-Backend", branch="develop")
    assert not push.concerns(repository="tt-lab/other", branch="develop")
    assert not push.concerns(repository=REPOSITORY, branch="Develop")


def test_one_push_that_deploys_makes_all_deploy() -> None:
    pushes = [kept(1, 2, Call.COMPARE), kept(2, 3), kept(3, 4, Call.COMPARE)]
    decision = decide_together(pushes)
    assert (decision.call, decision.reason) == (Call.DEPLOY, "why 3")


@given(
    st.permutations([kept(1, 2, Call.COMPARE), kept(2, 3, Call.COMPARE), kept(3, 4, Call.COMPARE)])
)
def test_pushes_that_need_a_comparison_are_compared_from_the_first_of_them(
    pushes: list[DecidedPush],
) -> None:
    decision = decide_together(pushes)
    assert (decision.call, decision.base) == (Call.COMPARE, sha(1))


def test_a_branch_that_was_pushed_to_and_fro_is_compared_from_the_first_that_arrived() -> None:
    there_and_back = [kept(1, 2, Call.COMPARE), kept(2, 1, Call.COMPARE)]
    assert decide_together(there_and_back).base == sha(1)


def test_a_comparison_that_names_a_part_of_the_application_deploys() -> None:
    changes = Changes(("README.md", "src/A.java"), complete=True)
    assert decide_on_changes(changes).call is Call.DEPLOY


def test_a_comparison_that_names_no_part_of_the_application_does_not() -> None:
    assert decide_on_changes(Changes(("README.md",), complete=True)).call is Call.IGNORE


def test_a_comparison_cut_short_deploys() -> None:
    assert decide_on_changes(Changes(("README.md",), complete=False)).call is Call.DEPLOY


def test_a_base_that_is_gone_deploys() -> None:
    assert decide_on_changes(None).call is Call.DEPLOY


def runs(*said: tuple[int, bool]) -> list[AskedRun]:
    return [AskedRun(str(n), sha(which), died) for n, (which, died) in enumerate(said)]


def test_a_head_is_asked_for_if_the_newest_run_is_its_own() -> None:
    assert is_asked_for(sha(2), runs((2, False), (1, False)))


def test_a_head_is_not_asked_for_if_another_was_since() -> None:
    assert not is_asked_for(sha(2), runs((3, False), (2, False)))
    assert not is_asked_for(sha(2), [])


def test_a_run_that_crashed_is_asked_for_again_but_not_for_ever() -> None:
    crashed = (2, True)
    assert not is_asked_for(sha(2), runs(*[crashed] * (MOST_CRASHES - 1)))
    assert is_asked_for(sha(2), runs(*[crashed] * MOST_CRASHES))


@given(st.text(max_size=60))
def test_no_path_is_a_trigger_that_no_rule_names(path: str) -> None:
    folder = path.partition("/")[0]
    named = folder in {"src", "gradle", "docker", ".github"} or path in PARTS_OF_THE_APPLICATION
    assert named or not is_trigger(path)


def test_a_decision_cannot_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        decide(a_push("src/A.java")).reason = "other"  # type: ignore[misc]  # that is the test
