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
        self._folder = self._found(folder)
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
        of its folders; OWNER for one that lies in the root.
        """
        remote = self._asked("config", "--get", "remote.origin.url")
        if re.match(r"(https?|ssh|git)://|[^/:]+:[^/]", remote):
            return Repository.from_url(remote).url
        place = Path(self._url, remote.removeprefix("file://") or self._top()).resolve()
        name = place.name.removesuffix(".git")
        return f"https://github.com/{quote(place.parent.name or 'OWNER')}/{quote(name)}"

    def _found(self, folder: Path) -> Path:
        """Where git keeps the clone. Its own words say why it may not be read, and the remedy."""
        asked = ["-C", str(folder), "rev-parse", "--absolute-git-dir"]
        try:
            return Path(self._git(*asked, inside=False).rstrip("\n"))
        except SourceUnavailable:
            raise
        except SourceError as error:
            raise BadRequest(
                "Here is no clone of a git repository that may be read.",
                where=str(folder),
                last_words=error.last_words,
            ) from None

    def _top(self) -> Path:
        """The folder of the files; of a bare clone, its own."""
        top = self._asked("-C", self._url, "rev-parse", "--show-toplevel", inside=False)
        if top:
            return Path(top)
        return self._folder.parent if self._folder.name == ".git" else self._folder

    def _asked(self, *arguments: str, inside: bool = True) -> str:
        """git's answer on one line; empty if it has none."""
        try:
            return self._git(*arguments, inside=inside).rstrip("\n")
        except SourceUnavailable:
            raise
        except SourceError:
            return ""
