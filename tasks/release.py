"""Stage one: the revision gets a version, a tag and a release; never two."""

import datetime
import os
from collections.abc import Sequence
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.environment import Environment
from blocks.git import SourceRepository, cache_folder
from blocks.github import GitHubRepository, PublishedRelease
from delivery.commits import Commit
from delivery.errors import Refused
from delivery.release import ReleasePlan, ReleasePolicy, plan_release
from delivery.released import Release
from tasks.artifacts import publish_release_notes
from tasks.retrying import BACKOFF_SECONDS, is_transient

_STAGE: dict[str, Any] = {
    "retries": len(BACKOFF_SECONDS),
    "retry_delay_seconds": BACKOFF_SECONDS,
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_transient,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
_LONGEST_BODY = 125_000


@task(name="make tag and release", task_run_name="release {target.name}", **_STAGE)
def make_tag_and_release(
    target: Environment, revision: str | None = None, *, dry_run: bool = False
) -> Release:
    """Tag the revision and publish its release; what exists is reused.

    Safe to retry at any point: the tag and the release are looked up before either is
    made, and a tag whose release is missing gets it. A dry run makes nothing.
    """
    source = open_source(target)
    source.refresh()
    sha = source.resolve(revision or target.branch)
    plan = plan_for(source, target, sha)
    if plan.tag is None or plan.version is None:
        raise Refused(
            f"There is nothing to release at {sha[:12]}: {plan.reason}", where=target.repository
        )
    get_run_logger().info("%s at %s: %s", plan.tag, sha[:12], plan.reason)
    notes = plan.notes if plan.creates_tag else notes_of_tagged(source, target, sha)
    release = _release(plan, sha, notes)
    if not dry_run:
        release = _publish(target, release)
    if release.notes:
        publish_release_notes(target.name, release.notes, tag=release.tag)
    return release


def open_source(target: Environment) -> SourceRepository:
    """The worker's clone of the application's repository."""
    return SourceRepository(
        target.clone_url, token=target.github_token(), cache=cache_folder(os.environ)
    )


def plan_for(
    source: SourceRepository, target: Environment, sha: str, *, without: Sequence[str] = ()
) -> ReleasePlan:
    """What releasing ``sha`` means, as if the tags in ``without`` did not exist."""

    def commits_since(tag: str | None) -> list[Commit]:
        return source.commits(after=tag, until=sha)

    def others(tags: Sequence[str]) -> list[str]:
        return [tag for tag in tags if tag not in without]

    return plan_release(
        branch=target.branch,
        tags=others(source.tags()),
        commits_since=commits_since,
        policy=ReleasePolicy(tag_prefix=target.tag_prefix),
        repository_url=target.repository_url,
        on=datetime.datetime.now(datetime.UTC).date(),
        tags_at_revision=others(source.tags_at(sha)),
        reachable_tags=others(source.tags_reachable_from(sha)),
    )


def notes_of_tagged(source: SourceRepository, target: Environment, sha: str) -> str:
    """The notes of a revision that has its tag already: those that its making would give."""
    return plan_for(source, target, sha, without=source.tags_at(sha)).notes


def _release(plan: ReleasePlan, sha: str, notes: str) -> Release:
    return Release(
        tag=str(plan.tag),
        version=str(plan.version),
        sha=sha,
        previous_tag=plan.previous_tag or "",
        notes=notes,
        url="",
        created=plan.creates_tag,
        reason=plan.reason,
    )


def _publish(target: Environment, release: Release) -> Release:
    github = target.github_door()
    try:
        if release.created:
            github.create_tag(release.tag, release.sha)
        published = github.release_of(release.tag) or _announce(github, release)
    finally:
        github.close()
    return Release(
        tag=release.tag,
        version=release.version,
        sha=release.sha,
        previous_tag=release.previous_tag,
        notes=release.notes,
        url=published.url,
        created=release.created,
        reason=release.reason,
    )


def _announce(github: GitHubRepository, release: Release) -> PublishedRelease:
    return github.create_release(
        tag=release.tag,
        sha=release.sha,
        name=release.tag,
        body=release.notes[:_LONGEST_BODY],
        draft=False,
        prerelease="-" in release.version,
    )
