"""Which pushes deploy: the rules for branches and paths, and what a payload cannot answer.

A push deploys if it changes something that the running application is made of. A payload
names the changed files of most pushes; where it may not name all of them, the answer is to
compare the two ends at GitHub. Where even that is not the whole truth, the push deploys: a
deploy too many changes little, a push that is lost is a release that never came.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

NO_COMMIT = "0" * 40
"""What GitHub writes for "there was none": before a branch was made, after it is gone."""

TRIGGER_FILES = frozenset(
    {
        "build.gradle",
        "build.gradle.kts",
        "settings.gradle",
        "settings.gradle.kts",
        "gradlew",
        "gradlew.bat",
        "Dockerfile",
    }
)
TRIGGER_FOLDERS = (".github/workflows/", "src/", "gradle/", "docker/")

COMMITS_SURELY_LISTED = 20
"""GitHub's own limit is 2,048 commits a payload; older servers stop at this number."""

FILES_COMPARED_AT_MOST = 300
"""A comparison names no more files than this, whatever changed."""

MOST_CRASHES = 3
"""So often is a revision asked for whose runs died; after that a person must look."""


class Call(enum.StrEnum):
    """What to do about a push."""

    DEPLOY = "deploy"
    IGNORE = "ignore"
    COMPARE = "compare"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do and why; ``base`` is what to compare the head with, for COMPARE alone."""

    call: Call
    reason: str
    base: str = ""


@dataclass(frozen=True, slots=True)
class PushedCommit:
    """One commit of a push and the files that the payload names for it."""

    sha: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Push:
    """A push to one ref of one repository; ``commits`` oldest first, as far as listed."""

    repository: str
    ref: str
    before: str
    after: str
    forced: bool
    actor: str
    commits: tuple[PushedCommit, ...]

    @property
    def branch(self) -> str | None:
        """The branch that was pushed to; None for a tag."""
        prefix = "refs/heads/"
        return self.ref.removeprefix(prefix) if self.ref.startswith(prefix) else None

    @property
    def created(self) -> bool:
        """Whether the ref was made by this push."""
        return self.before == NO_COMMIT

    @property
    def deleted(self) -> bool:
        """Whether the ref is gone since this push."""
        return self.after == NO_COMMIT


@dataclass(frozen=True, slots=True)
class DecidedPush:
    """What is kept of a push until its environment's turn comes: small, whatever it held."""

    repository: str
    branch: str
    before: str
    after: str
    actor: str
    call: Call
    reason: str

    def concerns(self, *, repository: str, branch: str) -> bool:
        """Whether an environment that deploys this branch of this repository is meant."""
        return self.repository.casefold() == repository.casefold() and self.branch == branch


@dataclass(frozen=True, slots=True)
class Changes:
    """The files that differ between two commits; ``complete`` if surely none is missing."""

    paths: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class AskedRun:
    """A run that a push asked for earlier."""

    id: str
    revision: str
    crashed: bool


def is_trigger(path: str) -> bool:
    """Whether a change of the file at ``path`` deploys."""
    return path in TRIGGER_FILES or path.startswith(TRIGGER_FOLDERS)


def decide(push: Push) -> Decision:
    """What one push asks for, by its payload alone, if its branch is one that deploys."""
    if push.branch is None:
        return Decision(Call.IGNORE, "a tag deploys nothing")
    if push.deleted:
        return Decision(Call.IGNORE, "the branch is gone")
    if push.created:
        return Decision(Call.DEPLOY, "the branch is new")
    if push.forced:
        return Decision(Call.COMPARE, "the push rewrote history", push.before)
    for commit in push.commits:
        if touched := next(filter(is_trigger, commit.paths), None):
            return Decision(Call.DEPLOY, f"{commit.sha[:12]} changes {touched}")
    if _may_hide_changes(push):
        return Decision(Call.COMPARE, "the payload may not name every change", push.before)
    return Decision(Call.IGNORE, "no changed file is part of the application")


def decided(push: Push, decision: Decision) -> DecidedPush:
    """The push as it is kept; only of a push to a branch."""
    return DecidedPush(
        repository=push.repository,
        branch=push.branch or "",
        before=push.before,
        after=push.after,
        actor=push.actor,
        call=decision.call,
        reason=decision.reason,
    )


def _may_hide_changes(push: Push) -> bool:
    """Whether commits are missing from the payload, or files from a commit (a merge)."""
    listed = push.commits
    if not listed or len(listed) >= COMMITS_SURELY_LISTED or listed[-1].sha != push.after:
        return True
    return any(not commit.paths for commit in listed)


def decide_together(pushes: Sequence[DecidedPush]) -> Decision:
    """What several pushes to one branch ask for, none of which is to be ignored.

    The newest commit is what would be deployed, and it holds the changes of all before it;
    so any push that deploys makes the newest deploy.
    """
    deploying = [push for push in pushes if push.call is Call.DEPLOY]
    if deploying:
        return Decision(Call.DEPLOY, deploying[-1].reason)
    return Decision(Call.COMPARE, pushes[-1].reason, _origin(pushes).before)


def _origin(pushes: Sequence[DecidedPush]) -> DecidedPush:
    """The push that the others follow; deliveries may arrive in any order."""
    reached = {push.after for push in pushes}
    return next((push for push in pushes if push.before not in reached), pushes[0])


def decide_on_changes(changes: Changes | None) -> Decision:
    """What a comparison asks for; None means that the base is not to be had any more."""
    if changes is None:
        return Decision(Call.DEPLOY, "what the branch was before cannot be compared with")
    if touched := next(filter(is_trigger, changes.paths), None):
        return Decision(Call.DEPLOY, f"{touched} differs")
    if not changes.complete:
        return Decision(Call.DEPLOY, "more files differ than GitHub names")
    return Decision(Call.IGNORE, "no changed file is part of the application")


def is_asked_for(head: str, runs: Sequence[AskedRun]) -> bool:
    """Whether the newest of the ``runs`` that pushes asked for (newest first) is this head's.

    A run that crashed counts only when it was not the first: its deploy is worth asking
    for again, but not for ever.
    """
    latest = runs[0] if runs else None
    if latest is None or latest.revision != head:
        return False
    crashes = sum(run.crashed and run.revision == head for run in runs[:MOST_CRASHES])
    return not latest.crashed or crashes >= MOST_CRASHES
