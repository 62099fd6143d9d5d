"""What the stand-in for GitHub reads from, and writes to, its bare git repository."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.services.github_diff import Change, parse

SHA = re.compile(r"[0-9a-f]{40}")
FIELDS = ("%H", "%T", "%P", "%an", "%ae", "%ad", "%cn", "%ce", "%cd", "%B")
GIT_SECONDS = 60
UTC_DATES = "--date=format-local:%Y-%m-%dT%H:%M:%SZ"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "HOME": "/nonexistent",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    # Nobody's own configuration may change what the lab's repository says.
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "TT lab",
    "GIT_AUTHOR_EMAIL": "lab@tt.example",
    "GIT_COMMITTER_NAME": "TT lab",
    "GIT_COMMITTER_EMAIL": "lab@tt.example",
}


class GitError(Exception):
    """git refused; the message is its own."""


@dataclass(frozen=True, slots=True)
class Person:
    """An author, committer or tagger."""

    name: str
    email: str
    date: str


@dataclass(frozen=True, slots=True)
class GitCommit:
    """One commit."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


@dataclass(frozen=True, slots=True)
class GitRef:
    """A reference and the object it points at; `commit` is what a tag object leads to."""

    name: str
    sha: str
    kind: str
    commit: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree."""

    kind: str
    sha: str
    path: str
    size: int


class GitRepository:
    """A bare repository; every question is one run of git."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> bytes:
        """What git prints; raise `GitError` with its words if it fails."""
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin,
            capture_output=True,
            env={**ENVIRONMENT, **(env or {})},
            check=False,
            timeout=GIT_SECONDS,
        )
        if done.returncode != 0:
            raise GitError(done.stderr.decode(errors="replace").strip())
        return done.stdout

    def text(self, *arguments: str) -> str:
        """The same as text."""
        return self.git(*arguments).decode(errors="replace")

    def resolve(self, name: str) -> str | None:
        """The commit that a branch, a tag, a full reference or a SHA (also short) means."""
        guesses = [f"refs/heads/{name}", f"refs/tags/{name}", f"refs/{name}", name]
        if not re.fullmatch(r"[0-9a-f]{7,40}", name) and not name.startswith("refs/"):
            guesses.pop()
        for guess in guesses:
            try:
                return self.text(
                    "rev-parse", "--verify", "--quiet", "--end-of-options", f"{guess}^{{commit}}"
                ).strip()
            except GitError:
                continue
        return None

    def kind(self, sha: str) -> str | None:
        """`commit`, `tag`, `tree` or `blob`; None if there is no such object."""
        try:
            return self.text("cat-file", "-t", sha).strip()
        except GitError:
            return None

    def is_empty(self) -> bool:
        """Whether nothing was ever pushed."""
        return not self.refs("refs/heads/")

    def refs(self, prefix: str) -> list[GitRef]:
        """The references whose full names start with this, sorted by name."""
        form = "%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)"
        lines = self.text("for-each-ref", f"--format={form}").splitlines()
        rows = [line.split("\0") for line in lines]
        return [GitRef(n, s, k, peeled or s) for n, s, k, peeled in rows if n.startswith(prefix)]

    def ref(self, name: str) -> GitRef | None:
        """The reference of exactly this full name."""
        return next((ref for ref in self.refs(name) if ref.name == name), None)

    def is_valid_name(self, name: str) -> bool:
        """Whether git allows a reference of this name."""
        try:
            self.git("check-ref-format", name)
        except GitError:
            return False
        return True

    def update_ref(self, name: str, sha: str, *, expected: str | None = None) -> None:
        """Point a reference somewhere; `expected` all zeros means that it must be new."""
        self.git("update-ref", "--", name, sha, *([expected] if expected else []))

    def delete_ref(self, name: str) -> None:
        """Take a reference away."""
        self.git("update-ref", "-d", name)

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `new` was made on top of `old`."""
        try:
            self.git("merge-base", "--is-ancestor", old, new)
        except GitError:
            return False
        return True

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor."""
        try:
            return self.text("merge-base", one, other).strip()
        except GitError:
            return None

    def count(self, old: str, new: str) -> int:
        """How many commits are in `new` and not in `old`."""
        return int(self.text("rev-list", "--count", f"{old}..{new}"))

    def commits(self, *selection: str) -> list[GitCommit]:
        """The commits that `git log` selects, in its order."""
        form = "--format=" + "%x00".join(FIELDS)
        raw = self.text("log", "-z", UTC_DATES, form, *selection)
        words = raw.split("\0")[:-1] if raw.endswith("\0") else raw.split("\0")
        size = len(FIELDS)
        return [_commit(words[i : i + size]) for i in range(0, len(words) - size + 1, size)]

    def commit(self, sha: str) -> GitCommit:
        """One commit, which must exist."""
        return self.commits("-1", sha)[0]

    def changes(self, old: str, new: str) -> list[Change]:
        """The files that differ between two trees, renames found."""
        raw = self.text("diff", "--raw", "-z", "-M", "--abbrev=40", old, new)
        numbers = self.text("diff", "--numstat", "-z", "-M", old, new)
        return parse(raw, numbers, self.text("diff", "-M", old, new))

    def parent_or_nothing(self, commit: GitCommit) -> str:
        """What a commit is compared with: its first parent, or the empty tree."""
        return commit.parents[0] if commit.parents else EMPTY_TREE

    def tree(self, commit: str, path: str) -> list[Entry] | Entry | None:
        """A directory's entries, a file, or None."""
        path = path.strip("/")
        if not path:
            return self._entries(commit, "")
        found = self._entries(commit, path)
        if not found:
            return None
        return self._entries(commit, path + "/") if found[0].kind == "tree" else found[0]

    def blob(self, sha: str) -> bytes:
        """A file's content."""
        return self.git("cat-file", "blob", sha)

    def make_tag(self, tag: str, message: str, target: str, kind: str, tagger: Person) -> str:
        """Write a tag object (no reference) and return its SHA."""
        moment = self._epoch(tagger.date)
        who = f"{tagger.name} <{tagger.email}> {moment} +0000"
        content = f"object {target}\ntype {kind}\ntag {tag}\ntagger {who}\n\n{message}\n"
        return self.git("mktag", stdin=content.encode()).decode().strip()

    def read_tag(self, sha: str) -> tuple[str, str, str, Person, str]:
        """Object, its kind, name, tagger and message of a tag object."""
        head, _, message = (
            self.git("cat-file", "tag", sha).decode(errors="replace").partition("\n\n")
        )
        fields = dict(line.split(" ", 1) for line in head.splitlines())
        found = re.fullmatch(r"(.*) <(.*)> (\d+) [+-]\d+", fields.get("tagger", ""))
        name, email, moment = found.groups() if found else ("", "", "0")
        tagger = Person(name, email, _iso(int(moment)))
        return fields["object"], fields["type"], fields["tag"], tagger, message.rstrip("\n")

    def _entries(self, commit: str, path: str) -> list[Entry]:
        raw = self.text("ls-tree", "-z", "-l", commit, *(["--", path] if path else []))
        rows = [re.split(r"[ \t]+", line, maxsplit=4) for line in raw.split("\0") if line]
        return [Entry(k, s, p, int(n) if n.isdigit() else 0) for _, k, s, n, p in rows]

    @staticmethod
    def _epoch(date: str) -> int:
        return int(datetime.fromisoformat(date.replace("Z", "+00:00")).timestamp())


def _commit(words: Sequence[str]) -> GitCommit:
    sha, tree, parents, an, ae, ad, cn, ce, cd, message = words
    return GitCommit(
        sha=sha,
        tree=tree,
        parents=tuple(parents.split()),
        author=Person(an, ae, ad),
        committer=Person(cn, ce, cd),
        message=message.rstrip("\n"),
    )


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
