"""Which version comes next, why, and with which notes: a decision, no action."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from semver import Version

from delivery import changelog
from delivery.commits import Commit, asked_bump
from delivery.version import ZERO, increment, parse_version, to_identifier

CommitsSince = Callable[[str | None], Sequence[Commit]]
_SEVERITY = {None: 0, "patch": 1, "minor": 2, "major": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePolicy:
    """How tags and commits become a version."""

    tag_prefix: str = "v"
    default_bump: str = "patch"
    default_prerelease_bump: str = "prerelease"
    release_branches: str = "master,main"
    pre_release_branches: str = ""
    append_to_pre_release_tag: str = ""
    custom_release_rules: str = ""
    custom_tag: str = ""
    reuses_tag: bool = True

    @classmethod
    def github_tag_action(cls, **inputs: str) -> Self:
        """The rules of github-tag-action v6.2, with that action's inputs."""
        return cls(reuses_tag=False, **inputs)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlan:
    """What to release and why; `creates_tag` says whether there is anything to create."""

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
    """The next release of `branch`."""
    name = branch.replace("refs/heads/", "", 1)
    is_release = any(re.search(p, name) for p in policy.release_branches.split(","))
    identifier = to_identifier(policy.append_to_pre_release_tag or name)
    prefix = policy.tag_prefix
    known = {tag: version for tag in tags if (version := _version_of(tag, prefix)) is not None}
    finals = [tag for tag in known if not known[tag].prerelease]
    ours = [tag for tag in known if known[tag].prerelease and identifier in str(known[tag])]
    previous = max([*finals, *ours], key=lambda tag: known[tag], default=None)
    commits = commits_since(previous)
    bump = max((asked_bump(c.message) for c in commits), key=lambda b: _SEVERITY[b], default=None)
    base = known[previous] if previous else ZERO
    held = [tag for tag in tags_at_revision if tag in known]
    if policy.reuses_tag and previous and (held or not commits):
        tag = max(held, key=lambda tag: known[tag], default=previous)
        return ReleasePlan(
            bump=None, release_type=None, previous_tag=tag, previous_version=str(known[tag]),
            version=str(known[tag]), tag=tag, notes="", creates_tag=False,
            reason=f"the revision already carries {tag}",
        )
    release_type = (bump or policy.default_bump) if is_release else (
        f"pre{bump}" if bump else policy.default_prerelease_bump
    )
    version = str(increment(base, release_type, identifier))
    tag = prefix + version
    notes = changelog.render(
        commits, version=version, tag=tag, since=previous or f"{prefix}0.0.0",
        url=repository_url, on=on,
    )
    return ReleasePlan(
        bump=bump, release_type=release_type, previous_tag=previous or f"{prefix}0.0.0",
        previous_version=str(base), version=version, tag=tag, notes=notes,
        creates_tag=tag not in tags, reason=f"{len(commits)} commits ask for {bump}",
    )


def _version_of(tag: str, prefix: str) -> Version | None:
    return parse_version(tag.removeprefix(prefix)) if tag.startswith(prefix) else None
