"""A real git repository for tests: commits by message, tags, branches, merges."""

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.fakes import GitHubDouble

_WHO = {"GIT_AUTHOR_NAME": "T", "GIT_AUTHOR_EMAIL": "t@example.invalid"}
_WHO |= {"GIT_COMMITTER_NAME": "T", "GIT_COMMITTER_EMAIL": "t@example.invalid"}
_EPOCH = 1_700_000_000


def login_to_github(token: str) -> dict[str, str]:
    """The environment of a git that may clone and push; the token is in no argument."""
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        **os.environ,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }


class WorkingRepository:
    """A repository on branch ``develop``; each commit is a minute after the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._minutes = 0
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=develop")

    @property
    def url(self) -> str:
        """Where to clone it from."""
        return str(self.folder)

    def git(self, *arguments: str, given: bytes = b"", at: int | None = None) -> str:
        """Run git in it; its output without the last line end."""
        when = f"{_EPOCH + 60 * self._minutes if at is None else at} +0000"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **_WHO}
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**clean, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when},
            input=given,
            capture_output=True,
            check=True,
            timeout=120,
        )
        return done.stdout.decode("utf-8", errors="replace").rstrip("\n")

    def write(self, path: str, text: str) -> None:
        """Put a file there; the next commit has it."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self, message: str | bytes, *, at: int | None = None) -> str:
        """A commit with exactly this message; its SHA. ``at`` sets a (wrong) clock."""
        self._minutes += 1
        (self.folder / "counter").write_text(f"{self._minutes}\n")
        self.git("add", "--all")
        raw = message.encode() if isinstance(message, str) else message
        options = ["--quiet", "--allow-empty-message", "--cleanup=verbatim", "--file=-"]
        self.git("commit", *options, given=raw, at=at)
        return self.head()

    def commit_bytes(self, message: bytes) -> str:
        """A commit whose message git itself would have turned into proper text first."""
        return self._commit_object(message)

    def sign(self, message: str) -> str:
        """A commit that bears a signature, as far as git can tell without looking into it."""
        signature = "-----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
        return self._commit_object(message.encode(), f"gpgsig {signature}\n")

    def _commit_object(self, message: bytes, more: str = "") -> str:
        who = f"T <t@example.invalid> {_EPOCH + 60 * self._minutes} +0000"
        tree = self.git("rev-parse", "HEAD^{tree}")
        head = f"tree {tree}\nparent {self.head()}\nauthor {who}\ncommitter {who}\n{more}\n"
        whole = head.encode() + message
        sha = self.git("hash-object", "-t", "commit", "-w", "--stdin", given=whole)
        self.git("reset", "--quiet", "--hard", sha)
        return sha

    def merge(self, branch: str, message: str) -> str:
        """Merge ``branch`` with a merge commit, even where none is needed."""
        self._minutes += 1
        self.git("merge", "--quiet", "--no-ff", "--strategy=ours", "-m", message, branch)
        return self.head()

    def tag(self, name: str, sha: str = "HEAD", *, annotated: bool = False) -> None:
        """Tag a commit."""
        extra = ["--annotate", "--message", name] if annotated else []
        self.git("tag", *extra, name, sha)

    def head(self) -> str:
        """The SHA of what is checked out."""
        return self.git("rev-parse", "HEAD")


class GitHubOf(GitHubDouble):
    """GitHub in front of a real repository: a tag made here is there for git as well.

    ``rivals`` are commits of other runs: each takes a tag just before it would be made.
    """

    def __init__(self, repository: WorkingRepository) -> None:
        super().__init__()
        self.rivals: list[str] = []
        self._repository = repository

    def _create_tag(self, fields: dict[str, Any]) -> httpx.Response:
        if self.rivals:
            self._tag({**fields, "sha": self.rivals.pop(0)})
        return self._tag(fields)

    def _tag(self, fields: dict[str, Any]) -> httpx.Response:
        reply = super()._create_tag(fields)
        if reply.status_code == 201:
            self._repository.tag(fields["ref"].removeprefix("refs/tags/"), fields["sha"])
        return reply
