"""A planned release on GitHub: exactly one tag and one release, whatever happened before."""

import dataclasses
from typing import Protocol

from blocks.environment import Environment
from blocks.github import PublishedRelease
from delivery.errors import SourceError, TagConflict
from delivery.notes import bounded
from delivery.released import Release


class ReleaseDoor(Protocol):
    """What publishing needs of GitHub; ``blocks.github.GitHubRepository`` is the real one."""

    def tag_commit(self, tag: str) -> str | None:
        """The commit that the tag names."""
        ...

    def create_tag(self, tag: str, sha: str) -> bool:
        """Make the tag; False if it is there, on this commit."""
        ...

    def release_of(self, tag: str) -> PublishedRelease | None:
        """The published release."""
        ...

    def draft_of(self, tag: str) -> PublishedRelease | None:
        """The draft of a release."""
        ...

    def publish_draft(self, draft: PublishedRelease) -> PublishedRelease:
        """Publish a draft."""
        ...

    def create_release(
        self, *, tag: str, sha: str, name: str, body: str, draft: bool, prerelease: bool
    ) -> PublishedRelease:
        """Make the release."""
        ...


def publish(github: ReleaseDoor, target: Environment, release: Release) -> Release:
    """Give the release its tag and its page; what is there already stays as it is.

    Looks before each step, so that it completes what an earlier run has left, wherever
    that one died. Raises TagConflict if the tag is on another commit. If the tag is there
    but the page cannot be made, the error says so and names the command that finishes it.
    """
    tagged = _ensure_tag(github, release)
    try:
        page, announced = _ensure_page(github, target, release)
    except SourceError as error:
        raise _half_made(error, target, release) from None
    return dataclasses.replace(release, url=page.url, created=tagged or announced)


def left_unfinished(github: ReleaseDoor, tag: str) -> bool:
    """Whether an earlier run tagged and died before it made the release."""
    if github.release_of(tag) or github.tag_commit(tag) is None:
        return False
    return github.draft_of(tag) is None


def finishing_command(target: Environment, tag: str) -> str:
    """What makes the release of a tag that has none."""
    return f"python -m flows.release --environment {target.name} --revision {tag}"


def _ensure_tag(github: ReleaseDoor, release: Release) -> bool:
    held = github.tag_commit(release.tag)
    if held is None:
        return github.create_tag(release.tag, release.sha)
    if held != release.sha:
        raise TagConflict(
            f"The tag {release.tag} exists on {held[:12]}, not on {release.sha[:12]}.",
            next_command=f"git show {release.tag}",
        )
    return False


def _ensure_page(
    github: ReleaseDoor, target: Environment, release: Release
) -> tuple[PublishedRelease, bool]:
    """The release's page, and whether it has only now come to be seen."""
    if published := github.release_of(release.tag):
        return published, False
    if draft := github.draft_of(release.tag):
        wanted = target.releases.draft
        return (draft, False) if wanted else (github.publish_draft(draft), True)
    marks = target.releases
    made = github.create_release(
        tag=release.tag,
        sha=release.sha,
        name=release.tag,
        body=bounded(release.notes),
        draft=marks.draft,
        prerelease=marks.prerelease == "by version" and "-" in release.version,
    )
    return made, True


def _half_made(error: SourceError, target: Environment, release: Release) -> SourceError:
    """The same kind of error, which also says what is there and what finishes it."""
    steps = [error.next_command, finishing_command(target, release.tag)]
    return type(error)(
        f"The tag {release.tag} is on {release.sha[:12]}, but it has no release yet: "
        f"{error.message}",
        where=error.where,
        last_words=error.last_words,
        next_command="\n".join(step for step in steps if step),
    )
