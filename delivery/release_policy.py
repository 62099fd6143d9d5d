"""How tags and commits become a version: the rules, and where ours leave the reference's.

`ReleasePolicy.github_tag_action()` is the reference, github-tag-action v6.2, to the
tag. `ReleasePolicy()` is ours: the same, but for the fields under "differences",
each with its reason. `docs/releases.md` shows both by example.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from delivery.javascript import BLANKS

_FULL_REF: Final = "refs/heads/"
_PULL_REQUEST: Final = "refs/pull/"


class BranchKind(Enum):
    """What a branch gives."""

    RELEASE = "release"
    PRE_RELEASE = "pre-release"
    NEITHER = "neither"
    """A version and notes to look at, but no tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePolicy:
    """The inputs of the action by their own names, then our differences from it."""

    tag_prefix: str = "v"
    """What stands before the version in a tag. To recognise tags, a regular expression."""
    default_bump: str = "patch"
    """The release when no commit asks for one; `false` for none."""
    default_prerelease_bump: str = "prerelease"
    """The same on a pre-release branch."""
    release_branches: str = "master,main"
    """Comma-separated regular expressions, found anywhere in the branch's name."""
    pre_release_branches: str = ""
    """Likewise; nothing here means every branch that is not a release branch."""
    append_to_pre_release_tag: str = ""
    """The name of pre-releases (`rc` for `1.2.0-rc.0`); the branch's own if empty."""
    custom_release_rules: str = ""
    """`type:release[:section],...`; these come before the default rules."""
    custom_tag: str = ""
    """This version and no other, whatever the commits ask for."""

    # Differences. The defaults are ours.
    bang_is_breaking: bool = True
    """`feat!: x` is a feature and breaking, as the Conventional Commits specification
    says. The reference bumps nothing for it, yet prints it under BREAKING CHANGES."""
    hyphen_is_breaking: bool = True
    """`BREAKING-CHANGE:` is a synonym of `BREAKING CHANGE:`, as the specification says."""
    first_release_reads_history: bool = True
    """Without an earlier tag the range is everything; the reference's is nothing, so
    that its first version says nothing about what is in it."""
    reuses_tag: bool = True
    """A revision that carries a release tag keeps it: running a deploy again must not
    mint a version (21 of TT Backend's 191 tags were such)."""
    reachable_tags_only: bool = True
    """The range starts at the newest tag that the revision contains, where the caller
    tells which those are: releasing an older revision must not count from a newer one."""
    takes_free_version: bool = True
    """If the next version is taken (by a commit that the revision does not contain),
    the next free one follows; the reference creates nothing and goes on as if it had."""
    compares_with_previous_tag: bool = True
    """The notes link to the changes since the previous tag, those that they list; the
    reference's link starts at the last full release, even after ten pre-releases."""
    tag_limit: int | None = None
    """How many tags are read; the reference stops at one page of 100 and then takes an
    old tag for the latest."""
    commit_limit: int | None = None
    """How many commits are read; the reference stops at 250 and may miss a feature."""

    def __post_init__(self) -> None:
        """Refuse patterns that are no regular expressions. Raises ValueError."""
        patterns = [self.tag_prefix, *self.release_branches.split(",")]
        for pattern in [*patterns, *self.pre_release_branches.split(",")]:
            try:
                re.compile(pattern, re.ASCII)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None

    @classmethod
    def github_tag_action(
        cls,
        *,
        tag_prefix: str = "v",
        default_bump: str = "patch",
        default_prerelease_bump: str = "prerelease",
        release_branches: str = "master,main",
        pre_release_branches: str = "",
        append_to_pre_release_tag: str = "",
        custom_release_rules: str = "",
        custom_tag: str = "",
    ) -> Self:
        """The rules of github-tag-action v6.2, given that action's inputs."""
        return cls(
            tag_prefix=tag_prefix,
            default_bump=default_bump,
            default_prerelease_bump=default_prerelease_bump,
            release_branches=release_branches,
            pre_release_branches=pre_release_branches,
            append_to_pre_release_tag=append_to_pre_release_tag,
            custom_release_rules=custom_release_rules,
            custom_tag=custom_tag.strip(BLANKS),
            bang_is_breaking=False,
            hyphen_is_breaking=False,
            first_release_reads_history=False,
            reuses_tag=False,
            reachable_tags_only=False,
            takes_free_version=False,
            compares_with_previous_tag=False,
            tag_limit=100,
            commit_limit=250,
        )

    def kind_of(self, branch: str) -> BranchKind:
        """What `branch`, a name or a full ref, gives."""
        name = short_branch(branch)
        if _any_matches(self.release_branches, name):
            return BranchKind.RELEASE
        if not _any_matches(self.pre_release_branches, name):
            return BranchKind.NEITHER
        return BranchKind.RELEASE if _PULL_REQUEST in branch else BranchKind.PRE_RELEASE


def short_branch(branch: str) -> str:
    """The name of a branch without `refs/heads/`."""
    return branch.replace(_FULL_REF, "", 1)


def _any_matches(patterns: str, name: str) -> bool:
    return any(re.search(pattern, name, re.ASCII) for pattern in patterns.split(","))
