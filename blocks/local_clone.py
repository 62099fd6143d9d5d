"""A clone that somebody has checked out, to be read and never changed."""

import re
from pathlib import Path
from urllib.parse import quote

from blocks.git import SourceRepository
from delivery.changelog import Repository
from delivery.errors import BadRequest, SourceError, SourceUnavailable


class LocalClone(SourceRepository):
    """The clone that a folder lies in, as it is: nothing is fetched."""

    def __init__(self, folder: Path) -> None:
        """Find it. Raises BadRequest if there is none, or only the end of its history."""
        super().__init__(str(folder), token="", cache=folder)
        found = self._asked("-C", str(folder), "rev-parse", "--absolute-git-dir", inside=False)
        if not found:
            raise BadRequest("Here is no clone of a git repository.", where=str(folder))
        self._folder = Path(found)
        if self._asked("rev-parse", "--is-shallow-repository") == "true":
            raise BadRequest(
                "The clone is shallow: what the version depends on is not in it.",
                where=str(folder),
                next_command="git fetch --unshallow --tags",
            )

    def refresh(self) -> None:
        """Do nothing: a person's clone is theirs to bring up to date."""

    def branch(self) -> str:
        """The branch that is checked out; empty if none is."""
        return self._asked("symbolic-ref", "--quiet", "--short", "HEAD")

    def page(self) -> str:
        """The web page of the repository, for links.

        Without a remote that has one, the page that it would have on GitHub, by the names
        of its folders.
        """
        remote = self._asked("config", "--get", "remote.origin.url")
        if re.match(r"(https?|ssh|git)://|[^/:]+:[^/]", remote):
            return Repository.from_url(remote).url
        place = Path(remote.removeprefix("file://") or self._top())
        name = place.name.removesuffix(".git")
        return f"https://github.com/{quote(place.parent.name)}/{quote(name)}"

    def _top(self) -> str:
        return self._asked("-C", self._url, "rev-parse", "--show-toplevel", inside=False)

    def _asked(self, *arguments: str, inside: bool = True) -> str:
        """git's answer on one line; empty if it has none."""
        try:
            return self._git(*arguments, inside=inside).rstrip("\n")
        except SourceUnavailable:
            raise
        except SourceError:
            return ""
