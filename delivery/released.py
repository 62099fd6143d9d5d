"""A release as the later stages need it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the application: its tag on one commit, and its page.

    ``created`` is False when the revision had its tag and its release already; ``url`` is
    empty in a dry run.
    """

    tag: str
    version: str
    sha: str
    previous_tag: str
    notes: str
    url: str
    created: bool
    reason: str

    @property
    def previous_version(self) -> str:
        """The version of the tag before, without the prefix that both have."""
        return self.previous_tag.removeprefix(self.tag.removesuffix(self.version))
