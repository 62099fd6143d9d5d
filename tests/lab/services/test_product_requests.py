"""Our own GitHub client against the lab's GitHub, with GitHub's description between them.

Every request that the product sends is judged, and every answer that the lab gives.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from blocks.github import GitHubRepository
from blocks.github_api import GitHubApi
from blocks.github_deployments import GitHubDeployments
from delivery.errors import AccessDenied, SourceUnavailable, TagConflict
from lab.commit import push
from lab.services.github import build
from lab.settings import LabSettings
from tests.github_contract import CheckedTransport
from tests.lab.services.conftest import served


@pytest.fixture
def address(settings: LabSettings) -> Iterator[str]:
    with served(build(settings), settings.ports["github"]) as url:
        yield url


@pytest.fixture
def repository(settings: LabSettings, address: str) -> Iterator[GitHubRepository]:
    made = connect(settings, address, settings.github_token)
    yield made
    made.close()


def api(settings: LabSettings, address: str, token: str) -> GitHubApi:
    return GitHubApi(
        api_url=address, repository=settings.slug, token=token, transport=CheckedTransport()
    )


def connect(settings: LabSettings, address: str, token: str) -> GitHubRepository:
    return GitHubRepository(api(settings, address, token))


def test_a_tag_and_its_release_are_made_once(
    repository: GitHubRepository, settings: LabSettings
) -> None:
    sha = push(settings, "feat: worth a release")
    assert repository.branch_head("develop") == sha
    assert repository.tag_commit("v0.2.0") is None
    assert repository.create_tag("v0.2.0", sha) is True
    assert repository.create_tag("v0.2.0", sha) is False
    assert repository.tag_commit("v0.2.0") == sha
    fields = {"tag": "v0.2.0", "sha": sha, "name": "v0.2.0", "body": "Notes — 배포"}
    made = repository.create_release(**fields, draft=False, prerelease=False)
    again = repository.create_release(**fields, draft=False, prerelease=False)
    assert again == made == repository.release_of("v0.2.0")


def test_a_draft_is_found_and_published(
    repository: GitHubRepository, settings: LabSettings
) -> None:
    sha = push(settings, "fix: quietly")
    fields = {"tag": "v0.1.1", "sha": sha, "name": "v0.1.1", "body": ""}
    repository.create_release(**fields, draft=True, prerelease=True)
    assert repository.release_of("v0.1.1") is None
    draft = repository.draft_of("v0.1.1")
    assert draft is not None
    assert repository.publish_draft(draft).draft is False
    assert repository.tag_commit("v0.1.1") == sha


def test_a_tag_on_another_commit_is_a_conflict(
    repository: GitHubRepository, settings: LabSettings
) -> None:
    with pytest.raises(TagConflict):
        repository.create_tag("v0.1.0", push(settings, "feat: too late"))


def test_what_changed_between_two_commits_is_told(
    repository: GitHubRepository, settings: LabSettings
) -> None:
    before = repository.branch_head("develop")
    assert before is not None
    push(settings, "docs: words", file="README.md")
    compared = repository.compare(before, "develop")
    assert compared is not None
    assert (compared.paths, compared.linear) == (("README.md",), True)
    assert repository.compare("0" * 40, "develop") is None


def test_a_token_that_may_not_write_is_access_denied(settings: LabSettings, address: str) -> None:
    client = connect(settings, address, "unknown")
    with pytest.raises(AccessDenied):
        client.branch_head("develop")
    client.close()


def test_a_github_that_is_down_is_unavailable(settings: LabSettings, address: str) -> None:
    client = connect(settings, "http://127.0.0.1:1", settings.github_token)
    with pytest.raises(SourceUnavailable):
        client.branch_head("develop")
    client.close()


@pytest.fixture
def deployments(settings: LabSettings, address: str) -> Iterator[GitHubDeployments]:
    made = GitHubDeployments(api(settings, address, settings.github_token))
    yield made
    made.close()


def test_a_deployment_stands_as_it_was_said_until_the_next_succeeds(
    deployments: GitHubDeployments, settings: LabSettings
) -> None:
    shas = [push(settings, f"fix: number {number}") for number in range(2)]
    first, second = (
        deployments.create(sha=sha, environment="lab", description="x" * 500, production=True)
        for sha in shas
    )
    assert deployments.before(second, "lab", at_most=5) == [first]
    assert deployments.before(second, "production", at_most=5) == []
    assert not deployments.is_over(first)
    pages = {"log_url": "http://localhost:4200/runs/1", "environment_url": "http://localhost:8080"}
    deployments.set_state(first, "success", description="배포", **pages)
    assert not deployments.is_over(first)
    deployments.set_state(first, "inactive")
    assert deployments.is_over(first)


def test_a_commits_status_is_taken_with_and_without_a_page(
    deployments: GitHubDeployments, settings: LabSettings
) -> None:
    sha = push(settings, "fix: one more")
    for page in ("http://localhost:4200/runs/1", ""):
        deployments.set_commit_state(
            sha, "pending", context="tt-deploy/lab", description="on its way", target_url=page
        )


def test_a_token_without_the_right_is_denied_and_says_which_it_needs(
    settings: LabSettings, address: str
) -> None:
    httpx.post(
        f"{address}/_lab/tokens",
        json={"text": "reader", "permissions": {"contents": "write"}},
        timeout=30,
        trust_env=False,
    )
    door = GitHubDeployments(api(settings, address, "reader"))
    with pytest.raises(AccessDenied) as denied:
        door.create(sha="develop", environment="lab", description="", production=False)
    assert "'deployments: write'" in denied.value.next_command
    door.close()
