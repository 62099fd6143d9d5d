"""A release as the later stages need it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the application: its tag on one commit, and its page.

    ``created`` is False when the revision carried the tag already; ``url`` is empty in a
    dry run of a release that does not exist yet.
    """

    tag: str
    version: str
    sha: str
    previous_tag: str
    notes: str
    url: str
    created: bool
    reason: str
