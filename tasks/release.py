"""Stage one: the revision gets a version, a tag and a release; never two."""

import dataclasses
import datetime
import os
from collections.abc import Callable

from prefect import get_run_logger, runtime, task

from blocks.environment import Environment
from blocks.git import SourceRepository, cache_folder
from delivery.commits import Commit
from delivery.errors import Refused, SourceError, TagConflict
from delivery.notes import notes_for_people, notes_of_release
from delivery.release import ReleasePlan, ReleasePolicy, plan_release
from delivery.released import Release
from tasks.artifacts import publish_release_notes
from tasks.publishing import ReleaseDoor, finishing_command, left_unfinished, publish
from tasks.retrying import THROUGH_AN_OUTAGE

_RACES = 3


def _find_name() -> str:
    return f"find {runtime.task_run.parameters.get('revision') or 'the head of the branch'}"


@task(name="find revision", task_run_name=_find_name, **THROUGH_AN_OUTAGE)
def find_revision(target: Environment, revision: str | None) -> str:
    """The commit that is meant: a commit, a tag, a branch, or the head of the environment's.

    Asked once a run and then kept: a later step that is tried again must not slide on to
    what was pushed meanwhile. Raises RevisionNotFound.
    """
    source = open_source(target)
    source.refresh()
    sha = source.resolve(revision) if revision else source.head_of(target.branch)
    get_run_logger().info("%s is %s", revision or f"the head of {target.branch}", sha)
    return sha


@task(name="make tag and release", task_run_name="release {sha:.12}", **THROUGH_AN_OUTAGE)
def make_tag_and_release(
    target: Environment, sha: str, *, running: str | None = None, dry_run: bool = False
) -> Release:
    """Tag the commit and publish its release; what exists is reused.

    ``running`` is the tag that the environment runs now, empty if there is none: the notes
    then begin with what this deploy changes. None for a release that is no deploy.

    Safe to retry at any point: the tag and the release are looked up before either is
    made, and a tag whose release is missing gets it. A dry run makes nothing.
    """
    source = open_source(target)
    release = plan_and_publish(source, target, sha, running=running, dry_run=dry_run)
    get_run_logger().info("%s at %s: %s", release.tag, sha[:12], release.reason)
    if release.notes:
        publish_release_notes(target.name, release.notes, tag=release.tag)
    return release


def plan_and_publish(
    source: SourceRepository,
    target: Environment,
    sha: str,
    *,
    running: str | None = None,
    dry_run: bool = False,
) -> Release:
    """Decide what ``sha`` is released as, and (unless in a dry run) have it so on GitHub.

    A run for another commit may take the version first; then the next free one is ours.
    """
    for chances in range(_RACES - 1, -1, -1):
        source.refresh()
        plan = plan_for(source, target, sha)
        planned = release_as_planned(plan, source, target, sha)
        notes = notes_for(plan, source, target, sha, running=running)
        release = dataclasses.replace(planned, notes=notes)
        if dry_run:
            return release
        try:
            return _publish(target, release)
        except TagConflict:
            if not (release.created and chances):
                raise
            get_run_logger().warning("Another run took %s first; planning again.", release.tag)
    raise AssertionError("the last chance returns or raises")


def open_source(target: Environment) -> SourceRepository:
    """The worker's clone of the application's repository."""
    return SourceRepository(
        target.clone_url, token=target.github_token(), cache=cache_folder(os.environ)
    )


def plan_for(source: SourceRepository, target: Environment, sha: str) -> ReleasePlan:
    """What releasing ``sha`` means now."""

    def commits_since(tag: str | None) -> list[Commit]:
        return source.commits(after=tag, until=sha)

    return plan_release(
        branch=target.branch,
        tags=source.tags(),
        commits_since=commits_since,
        policy=ReleasePolicy(tag_prefix=target.tag_prefix),
        repository_url=target.repository_url,
        on=datetime.datetime.now(datetime.UTC).date(),
        tags_at_revision=source.tags_at(sha),
        reachable_tags=source.tags_reachable_from(sha),
    )


def release_as_planned(
    plan: ReleasePlan, source: SourceRepository, target: Environment, sha: str
) -> Release:
    """The planned release of ``sha``; ``created`` says whether its tag is yet to be made.

    Raises Refused if there is nothing to release, and TagConflict if the tag that the plan
    names is on another commit: that release is not ours to reuse.
    """
    if plan.tag is None or plan.version is None:
        raise Refused(
            f"There is nothing to release at {sha[:12]}: {plan.reason}.", where=target.repository
        )
    if not plan.creates_tag and plan.tag not in source.tags_at(sha):
        raise _not_ours(source, target, plan.tag, sha, plan.reason)
    return Release(
        tag=plan.tag,
        version=plan.version,
        sha=sha,
        previous_tag=plan.previous_tag or "",
        notes=plan.notes,
        url="",
        created=plan.creates_tag,
        reason=plan.reason,
    )


def notes_for(
    plan: ReleasePlan,
    source: SourceRepository,
    target: Environment,
    sha: str,
    *,
    running: str | None,
) -> str:
    """The release's notes; for a deploy, below what it changes in the environment."""
    if running is None:
        return notes_of_release(plan, repository_url=target.repository_url)
    known = set(source.tags())
    start = running or plan.previous_tag
    after = start if start in known else None
    lost = bool(running) and after is None
    return notes_for_people(
        plan,
        running=running or None,
        commits=[] if lost else source.commits(after=after, until=sha),
        authors=[] if lost else source.authors(after=after, until=sha),
        repository_url=target.repository_url,
        environment=target.name,
    )


def _not_ours(
    source: SourceRepository, target: Environment, tag: str, sha: str, reason: str
) -> Refused | TagConflict:
    if tag not in source.tags():
        return Refused(f"{sha[:12]} cannot be released: {reason}.", where=target.repository)
    return TagConflict(
        f"The tag {tag} exists on {source.resolve(f'refs/tags/{tag}')[:12]}, not on {sha[:12]}.",
        where=target.repository,
        next_command=f"git show {tag}",
    )


def _publish(target: Environment, release: Release) -> Release:
    github = target.github_door(on_wait=_said_by(get_run_logger().info))
    try:
        published = publish(github, target, release)
        if published.created and release.previous_tag:
            _look_for_a_half_made_one(github, target, release.previous_tag)
        return published
    finally:
        github.close()


def _look_for_a_half_made_one(github: ReleaseDoor, target: Environment, tag: str) -> None:
    """Report an earlier tag without a release: its run died, and this one went past it."""
    logger = get_run_logger()
    try:
        unfinished = left_unfinished(github, tag)
    except SourceError as error:
        logger.warning("Whether %s has a release could not be seen: %s", tag, error.message)
        return
    if unfinished:
        finish = finishing_command(target, tag)
        logger.warning("The tag %s has no release. To make it: %s", tag, finish)


def _said_by(say: Callable[..., None]) -> Callable[[float], None]:
    return lambda seconds: say("GitHub's rate limit: waiting %.0f s, as it asks", seconds)
