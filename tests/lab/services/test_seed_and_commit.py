"""The application's repository when the lab is new, and the commits that come after."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import httpx
import pytest

from lab.commit import BEHAVIOUR_FILE, authorization, behaviour, push
from lab.services.github_git import GitRepository
from lab.services.github_seed import SOURCES, files, seed
from lab.settings import LabSettings
from tests.lab.services.conftest import github_of


@pytest.fixture
def repository(settings: LabSettings) -> GitRepository:
    seed(settings)
    return GitRepository(settings.home / "github" / "tt-backend.git")


@pytest.fixture
def github(settings: LabSettings) -> Iterator[httpx.Client]:
    with github_of(settings) as client:
        yield client


def test_the_branch_holds_every_file_of_stack_and_application(repository: GitRepository) -> None:
    listed = set(repository.text("ls-tree", "-r", "--name-only", "develop").splitlines())
    assert listed == set(files(SOURCES)) | {"README.md"}
    assert {"Dockerfile", "docker/docker-compose.yml", "gradlew", BEHAVIOUR_FILE} <= listed
    assert not any(path.startswith(("build/", ".gradle/")) for path in listed)


def test_what_can_be_executed_stays_so(repository: GitRepository) -> None:
    assert repository.text("ls-tree", "develop", "gradlew").startswith("100755")


def test_the_history_is_one_of_conventional_commits_with_an_early_release(
    repository: GitRepository,
) -> None:
    commits = repository.commits("develop")
    assert len(commits) >= 4
    assert all(":" in commit.message.split()[0] for commit in commits)
    assert len({commit.author.name for commit in commits}) >= 2
    dates = [commit.committer.date for commit in commits]
    assert dates == sorted(dates, reverse=True)
    [tag] = repository.refs("refs/tags/")
    assert tag.name == "refs/tags/v0.1.0"
    assert tag.commit != commits[0].sha


def test_seeding_twice_is_seeding_once(settings: LabSettings, repository: GitRepository) -> None:
    before = repository.refs("refs/")
    seed(settings)
    assert repository.refs("refs/") == before


def test_each_commit_is_a_change_of_its_own(
    github: httpx.Client, settings: LabSettings, repository: GitRepository
) -> None:
    first = push(settings, "feat: one", behaviour="never-healthy")
    second = push(settings, "fix: two", behaviour="never-healthy")
    trees = {repository.commit(sha).tree for sha in (first, second)}
    assert len(trees) == 2
    properties = repository.text("show", f"develop:{BEHAVIOUR_FILE}")
    assert properties.splitlines()[-1] == "behaviour=never-healthy"
    assert properties.count("\nbehaviour=") == 1
    assert properties.startswith("#")


def test_a_commit_may_touch_another_file_on_another_branch(
    github: httpx.Client, settings: LabSettings, repository: GitRepository
) -> None:
    repository.update_ref("refs/heads/next", repository.commits("-1", "develop")[0].sha)
    sha = push(settings, "docs: words", branch="next", file="README.md")
    commit = repository.commit(sha)
    [change] = repository.changes(commit.parents[0], sha)
    assert (change.path, change.status) == ("README.md", "modified")
    assert repository.resolve("next") == sha


@pytest.mark.parametrize(
    "text",
    [
        "healthy",
        "never-healthy",
        "crash-after=5",
        "ill-after=20",
        "slow-start=30",
        "fail-rate=0.25",
    ],
)
def test_the_behaviours_are_known(text: str) -> None:
    assert behaviour(text) == text


@pytest.mark.parametrize("text", ["", "unhealthy", "crash-after=", "fail-rate=2", "healthy\nx=1"])
def test_other_behaviours_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        behaviour(text)


def test_the_token_goes_to_git_by_its_environment_and_stays_nowhere(
    github: httpx.Client, settings: LabSettings, repository: GitRepository
) -> None:
    push(settings, "feat: quiet")
    [secret] = [v for v in authorization(settings.github_token).values() if "Basic" in v]
    kept = [path.read_bytes() for path in repository.path.rglob("*") if path.is_file()]
    for words in (settings.github_token, secret.split()[-1]):
        assert not any(words.encode() in content for content in kept)
