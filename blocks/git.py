"""The application's repository as a bare clone on the worker: complete and kept up to date."""

import base64
import datetime
import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from blocks.commands import run_to_end
from delivery.commits import Commit
from delivery.cuts import Tag
from delivery.errors import AccessDenied, RevisionNotFound, SourceError, SourceUnavailable
from delivery.redaction import redact

_LOCAL_SECONDS = 30.0
_NETWORK_SECONDS = 300.0
_REFUSALS = (
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "Repository not found",
    "' not found",
    "returned error: 401",
    "returned error: 403",
    "returned error: 404",
    "does not appear to be a git repository",
)
# A worker's own git configuration must change neither what is read nor what is checked out.
_SETTINGS = {
    "core.autocrlf": "false",
    "column.ui": "never",
    # In the foreground: a clean-up that outlives the fetch would keep our lock.
    "gc.autoDetach": "false",
    "maintenance.autoDetach": "false",
    # A server that has fallen silent is given up.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
}


class SourceRepository:
    """The door to one repository's history.

    The clone lies below ``cache`` under a name of its own, so that environments share it;
    a file lock keeps concurrent runs from fetching into it at once. The token travels in
    the environment of git's own process, never in an argument, a URL or a file.
    """

    def __init__(
        self, url: str, *, token: str, cache: Path, network_seconds: float = _NETWORK_SECONDS
    ) -> None:
        self._url = url
        self._token = token
        self._folder = cache / hashlib.sha256(url.encode()).hexdigest()[:16]
        self._network_seconds = network_seconds

    def refresh(self) -> None:
        """Bring the clone up to date with all branches and tags; makes it if there is none.

        Raises SourceUnavailable (transient) or AccessDenied.
        """
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with self._locked() as lock:
            self._remove_stale_locks()
            self._git("init", "--quiet", "--bare", str(self._folder), inside=False)
            self._git(
                "fetch",
                "--quiet",
                "--prune",
                "--force",
                "--no-write-fetch-head",
                self._url,
                "+refs/heads/*:refs/heads/*",
                "+refs/tags/*:refs/tags/*",
                network=True,
                keep_open=[lock],
            )

    def resolve(self, revision: str) -> str:
        """The commit that a branch, a tag or a (short) SHA names; else RevisionNotFound."""
        if found := self._commit(revision):
            return found
        raise RevisionNotFound(
            f"The repository has no commit, branch or tag {revision!r}.",
            where=self._url,
            next_command=f"git ls-remote {self._url}",
        )

    def head_of(self, branch: str) -> str:
        """The newest commit of a branch, even if a tag has the same name.

        Raises RevisionNotFound if the branch is not there (any more).
        """
        if found := self._commit(f"refs/heads/{branch}"):
            return found
        raise RevisionNotFound(
            f"The repository has no branch {branch!r} (any more).",
            where=self._url,
            next_command=f"git ls-remote --heads {self._url}",
        )

    def tags(self) -> list[str]:
        """Every tag."""
        return self._tags()

    def tags_at(self, sha: str) -> list[str]:
        """The tags on this very commit."""
        return self._tags("--points-at", sha)

    def tags_reachable_from(self, sha: str) -> list[str]:
        """The tags on this commit and on its ancestors."""
        return self._tags("--merged", sha)

    def dated_tags(self, sha: str) -> list[Tag]:
        """The tags on this commit and on its ancestors, each with its commit and its date."""
        commit = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
        shape = f"--format={commit} %(creatordate:unix) %(refname:lstrip=2)"
        listed = self._git("for-each-ref", shape, "--merged", sha, "refs/tags")
        rows = (line.split(" ", 2) for line in listed.split("\n") if line)
        return [
            Tag(name, on, datetime.datetime.fromtimestamp(int(seconds), datetime.UTC))
            for on, seconds, name in rows
        ]

    def commits(self, *, after: str | None, until: str) -> list[Commit]:
        """The commits that ``until`` has and ``after`` has not, oldest first, merges included.

        ``after`` is a tag or another revision. No commit comes before its parents, however
        wrong the clocks were.
        """
        shape = ["-z", "--reverse", "--date-order", "--no-show-signature", "--format=%H%n%B"]
        listed = self._git("log", *shape, "--end-of-options", self._span(after, until))
        entries = [entry.partition("\n") for entry in listed.split("\0") if entry]
        return [Commit(sha=sha, message=message.rstrip("\n")) for sha, _, message in entries]

    def authors(self, *, after: str | None, until: str) -> list[str]:
        """Who made each of those commits, by the name that ``.mailmap`` gives."""
        shape = ["-z", "--no-show-signature", "--format=%aN"]
        listed = self._git("log", *shape, "--end-of-options", self._span(after, until))
        return [name for name in listed.split("\0") if name]

    def commit_times(self, *, after: str | None, until: str) -> list[datetime.datetime]:
        """When each of those commits was made."""
        shape = ["-z", "--no-show-signature", "--format=%ct"]
        listed = self._git("log", *shape, "--end-of-options", self._span(after, until))
        return [
            datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
            for seconds in listed.split("\0")
            if seconds
        ]

    def committed_at(self, sha: str) -> datetime.datetime:
        """When the commit was made; a build's date that does not change from build to build."""
        shape = ["--no-patch", "--no-show-signature", "--format=%ct"]
        seconds = self._git("show", *shape, "--end-of-options", sha).strip()
        return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)

    def text_of(self, sha: str, path: str) -> str:
        """The text of a file at ``sha``; SourceError if it is not there."""
        return self._git("cat-file", "blob", f"{sha}:{path}")

    def files_below(self, sha: str, folder: str) -> list[str]:
        """The paths of all files below ``folder`` at ``sha``; none if there is no such folder."""
        shape = ["-r", "-z", "--name-only", "--full-tree"]
        listed = self._git("ls-tree", *shape, sha, "--", f"{folder}/")
        return [path for path in listed.split("\0") if path]

    def commits_between(self, old: str, new: str) -> int | None:
        """How many commits ``new`` is ahead of ``old``; None if it does not follow it."""
        if self._commit(old) is None:
            return None
        counted = self._git("rev-list", "--left-right", "--count", f"{old}...{new}", "--")
        left, _, right = counted.strip().partition("\t")
        return int(right) if left == "0" else None

    @contextmanager
    def working_copy(self, sha: str) -> Iterator[Path]:
        """A folder with exactly the files of ``sha``; removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="tt-source-") as name:
            files = Path(name) / "source"
            files.mkdir()
            places = {"GIT_INDEX_FILE": f"{name}/index", "GIT_WORK_TREE": str(files)}
            self._git("read-tree", sha, extra=places)
            self._git("checkout-index", "--all", "--quiet", extra=places, folder=files)
            yield files

    def _span(self, after: str | None, until: str) -> str:
        if not after:
            return until
        return f"{self._commit(f'refs/tags/{after}') or self.resolve(after)}..{until}"

    def _commit(self, revision: str) -> str | None:
        named = f"{revision}^{{commit}}"
        try:
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", named).strip()
        except SourceUnavailable:
            raise
        except SourceError:
            return None

    def _tags(self, *which: str) -> list[str]:
        shape = "--format=%(refname:lstrip=2)"
        listed = self._git("for-each-ref", shape, *which, "refs/tags")
        return [tag for tag in listed.split("\n") if tag]

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the clone's lock; the file descriptor is for git to inherit.

        So a fetch that outlives its killed worker keeps the lock until it has ended.
        """
        with self._folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock.fileno()

    def _remove_stale_locks(self) -> None:
        """Remove git's own locks: while we hold ours, only a killed git can have left them."""
        for place in (self._folder.glob("*.lock"), self._folder.glob("refs/**/*.lock")):
            for left in place:
                left.unlink(missing_ok=True)

    def _git(
        self,
        *arguments: str,
        inside: bool = True,
        network: bool = False,
        extra: Mapping[str, str] | None = None,
        folder: Path | None = None,
        keep_open: Sequence[int] = (),
    ) -> str:
        try:
            done = run_to_end(
                ["git", *arguments],
                environment=self._environment(inside=inside, network=network) | dict(extra or {}),
                folder=folder,
                timeout_seconds=self._network_seconds if network else _LOCAL_SECONDS,
                keep_open=keep_open,
            )
        except subprocess.TimeoutExpired:
            raise SourceUnavailable(
                f"git {arguments[0]} took too long.",
                where=self._url,
                next_command=f"git ls-remote {self._url}",
            ) from None
        if done.status:
            raise self._refusal(arguments[0], done.noise, network=network)
        return done.output

    def _environment(self, *, inside: bool, network: bool) -> dict[str, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
        if inside:
            environment["GIT_DIR"] = str(self._folder)
        settings = dict(_SETTINGS)
        if network and self._url.startswith(("http://", "https://")):
            login = base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
            settings[f"http.{self._url}.extraHeader"] = f"Authorization: Basic {login}"
        return environment | _as_variables(settings)

    def _refusal(self, verb: str, said: str, *, network: bool) -> SourceError:
        words = redact(said, [self._token])[-1000:]
        if network and any(refusal in said for refusal in _REFUSALS):
            return AccessDenied(
                "git may not read the application's repository.",
                where=self._url,
                last_words=words,
                next_command="Check the URL and the token of the environment's GitHub block.",
            )
        if not network:
            return SourceError(f"git {verb} failed.", where=self._url, last_words=words)
        return SourceUnavailable(
            f"git {verb} failed: {_reason_in(words)}",
            where=self._url,
            last_words=words,
            next_command=f"git ls-remote {self._url}",
        )


def _reason_in(said: str) -> str:
    """The line with which git gave up; what follows it is advice."""
    fatal = (line for line in said.splitlines() if line.startswith("fatal: "))
    return next(fatal, "it did not say why")


def _as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Git settings as environment variables: they show in no process list and no file."""
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        variables[f"GIT_CONFIG_KEY_{number}"] = name
        variables[f"GIT_CONFIG_VALUE_{number}"] = value
    return variables


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where clones are kept: ``TT_CACHE``, else the user's cache folder."""
    if chosen := environment.get("TT_CACHE"):
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tt-deploy" / "git"
