"""How much of a repository a policy looks at, before it decides.

`plan_release` decides over what it is given. What that is, is a matter of who reads: the
reference asks GitHub once and takes what comes in the first answer. So that its answers can
be compared with ours in a real clone, these cut the clone down to what it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from delivery.commits import Commit
from delivery.release import CommitsSince
from delivery.release_policy import ReleasePolicy


def tags_read(policy: ReleasePolicy, tags: Sequence[str]) -> list[str]:
    """Those of all `tags` that are read: GitHub lists them by name, the last first."""
    return sorted(tags, reverse=True)[: policy.tag_limit]


def commits_read(policy: ReleasePolicy, commits_since: CommitsSince) -> CommitsSince:
    """`commits_since` as the policy reads it: the newest of the range, in the same order."""

    def limited(tag: str | None) -> Sequence[Commit]:
        if tag is None and not policy.first_release_reads_history:
            return []
        commits = commits_since(tag)
        return commits if policy.commit_limit is None else commits[-policy.commit_limit :]

    return limited
