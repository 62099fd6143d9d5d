"""What of a repository each policy looks at."""

from delivery.commits import Commit
from delivery.release_policy import ReleasePolicy
from delivery.release_reading import commits_read, tags_read

OURS, PARITY = ReleasePolicy(), ReleasePolicy.github_tag_action()
COMMITS = [Commit(f"{number:040x}", f"fix: {number}") for number in range(300)]


def test_we_read_all_tags_and_the_reference_one_page() -> None:
    tags = [f"v0.0.{number:03}" for number in range(120)]
    assert sorted(tags_read(OURS, tags)) == tags
    assert tags_read(PARITY, tags) == [f"v0.0.{number:03}" for number in range(119, 19, -1)]


def test_we_read_all_commits_and_the_reference_the_newest_250() -> None:
    assert commits_read(OURS, lambda _: COMMITS)("v1.0.0") == COMMITS
    assert commits_read(PARITY, lambda _: COMMITS)("v1.0.0") == COMMITS[50:]


def test_before_the_first_tag_we_read_everything_and_the_reference_nothing() -> None:
    assert commits_read(OURS, lambda _: COMMITS)(None) == COMMITS
    assert commits_read(PARITY, lambda _: COMMITS)(None) == []
