"""Which version comes next, why, and with which notes: a decision, no action.

plan = plan_release(branch="develop", tags=tags, commits_since=commits_since,
                    policy=ReleasePolicy(), repository_url=url, on=today)
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from semver import Version

from delivery import changelog
from delivery.commits import Change, Commit, Message, read_change, read_message, without_reverted
from delivery.javascript import BLANKS
from delivery.release_policy import BranchKind, ReleasePolicy, short_branch
from delivery.release_rules import ReleaseRule, largest_release, parse_rules, sections_by
from delivery.release_tags import VersionTag, VersionTags
from delivery.version import increment, to_identifier

__all__ = ["CommitsSince", "ReleasePlan", "ReleasePolicy", "plan_release"]

CommitsSince = Callable[[str | None], Sequence[Commit]]
"""The commits since a tag, oldest first, merges included; None means since ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlan:
    """What to release and why; `creates_tag` says whether there is anything to create.

    `bump` is what the commits ask for, before defaults. `version` and `tag` are None if
    there is nothing to release; `reason` says why, for a person.
    """

    bump: str | None
    release_type: str | None
    previous_tag: str | None
    previous_version: str | None
    version: str | None
    tag: str | None
    notes: str
    creates_tag: bool
    reason: str


def plan_release(
    *,
    branch: str,
    tags: Sequence[str],
    commits_since: CommitsSince,
    policy: ReleasePolicy,
    repository_url: str,
    on: datetime.date,
    tags_at_revision: Sequence[str] = (),
    reachable_tags: Sequence[str] | None = None,
) -> ReleasePlan:
    """The next release of `branch`, or the one that the revision has already.

    `tags` are all of the repository's, in any order. `tags_at_revision` (on the very
    commit) and `reachable_tags` (on it and its ancestors) let our own policy tell
    what it must not mint twice, and what the revision contains; without the latter,
    everything counts as contained. `on` is the date, in UTC, that the notes bear.
    """
    known = VersionTags.read(tags, policy.tag_prefix)
    contained = known
    if policy.reachable_tags_only and reachable_tags is not None:
        contained = known.only(reachable_tags)
    planner = _Planner(
        policy=policy,
        kind=policy.kind_of(branch),
        identifier=to_identifier(policy.append_to_pre_release_tag or short_branch(branch)),
        taken=frozenset(tags),
        contained=contained,
        here=known.only(tags_at_revision),
        commits_since=commits_since,
        repository=changelog.Repository.from_url(repository_url),
        on=on,
    )
    return planner.plan()


@dataclass(frozen=True, slots=True)
class _Range:
    """The commits that a release brings, as the version and as the notes read them."""

    since: VersionTag
    bump: str | None
    noted: Sequence[tuple[Message, Change]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planner:
    """The facts of one decision, and the ways that it can go."""

    policy: ReleasePolicy
    kind: BranchKind
    identifier: str
    taken: frozenset[str]
    contained: VersionTags
    here: VersionTags
    commits_since: CommitsSince
    repository: changelog.Repository
    on: datetime.date

    def plan(self) -> ReleasePlan:
        """The way that it goes."""
        if self.policy.custom_tag:
            return self._custom()
        previous = self.contained.previous(self.identifier)
        commits = self.commits_since(previous.name)
        if held := self._held(previous, commits):
            return self._reuse(held)
        return self._next(self._read(previous, commits))

    def _held(self, previous: VersionTag, commits: Sequence[Commit]) -> VersionTag | None:
        """The tag that the revision has already, of the kind that the branch gives.

        A range without commits says so too: there is nothing since the previous tag.
        """
        if not self.policy.reuses_tag:
            return None
        candidates = self.here.by_name
        if previous.name and not commits:
            candidates = {**candidates, previous.name: previous}
        return VersionTags(candidates).highest_for(self.identifier if self._is_pre else None)

    def _reuse(self, held: VersionTag) -> ReleasePlan:
        """Nothing to create; the notes are those that the tag had when it was made."""
        earlier = self.contained.below(held.version).previous(self.identifier)
        brought = self._read(earlier, self.commits_since(earlier.name))
        return self._plan(
            brought,
            release_type=None,
            version=_text(held),
            tag=str(held.name),
            creates_tag=False,
            reason=f"the revision already carries {held.name}",
        )

    def _custom(self) -> ReleasePlan:
        """The version that the policy names, whatever the commits ask for."""
        version = self.policy.custom_tag
        tag = f"{self.policy.tag_prefix}{version}"
        since = self.contained.latest_release()
        brought = self._read(since, self.commits_since(since.name))
        creates, reason = self._may_create(tag, f"the policy asks for {version}")
        plan = self._plan(
            brought,
            release_type="custom",
            version=version,
            tag=tag,
            creates_tag=creates,
            reason=reason,
        )
        return replace(plan, bump=None, previous_tag=None, previous_version=None)

    def _next(self, brought: _Range) -> ReleasePlan:
        """The version after the previous one, by what the commits ask for."""
        default = self.policy.default_prerelease_bump if self._is_pre else self.policy.default_bump
        if brought.bump is None and default == "false":
            return self._nothing(brought, "no commit asks for a version")
        release_type = brought.bump or default
        if self._is_pre:
            release_type = f"pre{release_type.removeprefix('pre')}"
        version = self._free_version(brought.since.version, release_type)
        if version is None:
            return self._nothing(brought, f"there is no {release_type!r} version to come next")
        tag = f"{self.policy.tag_prefix}{version}"
        asked = f"commits since {self._name(brought.since)} ask for {brought.bump or 'nothing'}"
        creates, reason = self._may_create(tag, asked)
        return self._plan(
            brought,
            release_type=release_type,
            version=str(version),
            tag=tag,
            creates_tag=creates,
            reason=reason,
        )

    def _free_version(self, version: Version, release_type: str) -> Version | None:
        after = increment(version, release_type, self.identifier)
        while after and self.policy.takes_free_version and self._is_taken(after):
            again = "prerelease" if after.prerelease else release_type
            after = increment(after, again, self.identifier)
        return after

    def _is_taken(self, version: Version) -> bool:
        return f"{self.policy.tag_prefix}{version}" in self.taken

    def _may_create(self, tag: str, reason: str) -> tuple[bool, str]:
        if self.kind is BranchKind.NEITHER:
            return False, "the branch is neither a release nor a pre-release branch"
        if tag in self.taken:
            return False, f"the tag {tag} exists already"
        return True, reason

    def _nothing(self, brought: _Range, reason: str) -> ReleasePlan:
        return ReleasePlan(
            bump=brought.bump,
            release_type=None,
            previous_tag=self._name(brought.since),
            previous_version=_text(brought.since),
            version=None,
            tag=None,
            notes="",
            creates_tag=False,
            reason=reason,
        )

    def _plan(
        self,
        brought: _Range,
        *,
        release_type: str | None,
        version: str,
        tag: str,
        creates_tag: bool,
        reason: str,
    ) -> ReleasePlan:
        return ReleasePlan(
            bump=brought.bump,
            release_type=release_type,
            previous_tag=self._name(brought.since),
            previous_version=_text(brought.since),
            version=version,
            tag=tag,
            notes=self._notes(brought, version, tag),
            creates_tag=creates_tag,
            reason=reason,
        )

    def _notes(self, brought: _Range, version: str, tag: str) -> str:
        compared: str | None = self._name(self.contained.latest_release())
        if self.policy.compares_with_previous_tag:
            compared = brought.since.name
        return changelog.render(
            brought.noted,
            version=version,
            tag=tag,
            since=compared,
            repository=self.repository,
            on=self.on,
            sections=sections_by(self._rules),
        )

    def _read(self, since: VersionTag, commits: Sequence[Commit]) -> _Range:
        messages = without_reverted(
            [
                read_message(commit, hyphen=self.policy.hyphen_is_breaking)
                for commit in commits
                if commit.message.strip(BLANKS)
            ]
        )
        noted = [(message, read_change(message, bang=True)) for message in messages]
        ruled = noted
        if not self.policy.bang_is_breaking:
            ruled = [
                (message, read_change(message, bang=False) if "!" in message.first_line else change)
                for message, change in noted
            ]
        return _Range(since, largest_release(ruled, self._rules), noted)

    @property
    def _rules(self) -> Sequence[ReleaseRule]:
        return parse_rules(self.policy.custom_release_rules)

    @property
    def _is_pre(self) -> bool:
        return self.kind is BranchKind.PRE_RELEASE

    def _name(self, tag: VersionTag) -> str:
        return tag.name or f"{self.policy.tag_prefix}{_text(tag)}"


def _text(tag: VersionTag) -> str:
    return str(tag.version.replace(build=None))
