"""The application's repository as a bare clone on the worker: complete and kept up to date."""

import base64
import datetime
import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from delivery.commits import Commit
from delivery.errors import AccessDenied, RevisionNotFound, SourceError, SourceUnavailable
from delivery.redaction import redact

_LOCAL_SECONDS = 30.0
_NETWORK_SECONDS = 300.0
_REFUSALS = (
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "Repository not found",
    "returned error: 401",
    "returned error: 403",
    "returned error: 404",
    "does not appear to be a git repository",
)


class SourceRepository:
    """The door to one repository's history.

    The clone lies below ``cache`` under a name of its own, so that environments share it;
    a file lock keeps concurrent runs from fetching into it at once. The token travels in
    the environment of git's own process, never in an argument, a URL or a file.
    """

    def __init__(self, url: str, *, token: str, cache: Path) -> None:
        self._url = url
        self._token = token
        self._folder = cache / hashlib.sha256(url.encode()).hexdigest()[:16]

    def refresh(self) -> None:
        """Bring the clone up to date with all branches and tags; makes it if there is none.

        Raises SourceUnavailable (transient) or AccessDenied.
        """
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if not (self._folder / "HEAD").exists():
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
            )

    def resolve(self, revision: str) -> str:
        """The commit that a branch, a tag or a (short) SHA names; else RevisionNotFound."""
        try:
            named = f"{revision}^{{commit}}"
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", named).strip()
        except SourceError:
            raise RevisionNotFound(
                f"The repository has no commit, branch or tag {revision!r}.",
                where=self._url,
                next_command=f"git ls-remote {self._url}",
            ) from None

    def tags(self) -> list[str]:
        """Every tag."""
        return self._git("tag", "--list").splitlines()

    def tags_at(self, sha: str) -> list[str]:
        """The tags on this very commit."""
        return self._git("tag", "--points-at", sha).splitlines()

    def tags_reachable_from(self, sha: str) -> list[str]:
        """The tags on this commit and on its ancestors."""
        return self._git("tag", "--merged", sha).splitlines()

    def commits(self, *, after: str | None, until: str) -> list[Commit]:
        """The commits that ``until`` has and ``after`` has not, oldest first, merges included."""
        span = f"{after}..{until}" if after else until
        listed = self._git("log", "-z", "--reverse", "--format=%H%n%B", "--end-of-options", span)
        entries = [entry.partition("\n") for entry in listed.split("\0") if entry]
        return [Commit(sha=sha, message=message.rstrip("\n")) for sha, _, message in entries]

    def committed_at(self, sha: str) -> datetime.datetime:
        """When the commit was made; a build's date that does not change from build to build."""
        seconds = self._git("show", "--no-patch", "--format=%ct", sha).strip()
        return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)

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

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _git(
        self,
        *arguments: str,
        inside: bool = True,
        network: bool = False,
        extra: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> str:
        try:
            done = subprocess.run(
                ["git", *arguments],
                env={**self._environment(inside=inside, network=network), **(extra or {})},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=_NETWORK_SECONDS if network else _LOCAL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SourceUnavailable(f"git {arguments[0]} took too long.", where=self._url) from None
        if done.returncode:
            raise self._refusal(arguments[0], done.stderr, network=network)
        return done.stdout

    def _environment(self, *, inside: bool, network: bool) -> dict[str, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
        if inside:
            environment["GIT_DIR"] = str(self._folder)
        if network and self._url.startswith(("http://", "https://")):
            login = base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{self._url}.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {login}",
            }
        return environment

    def _refusal(self, verb: str, said: str, *, network: bool) -> SourceError:
        words = redact(said, [self._token])[-1000:]
        if network and any(refusal in said for refusal in _REFUSALS):
            return AccessDenied(
                "git may not read the application's repository.",
                where=self._url,
                last_words=words,
                next_command="Check the URL and the token of the environment's GitHub block.",
            )
        kind = SourceUnavailable if network else SourceError
        return kind(f"git {verb} failed.", where=self._url, last_words=words)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where clones are kept: ``TT_CACHE``, else the user's cache folder."""
    if chosen := environment.get("TT_CACHE"):
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "tt-deploy" / "git"
