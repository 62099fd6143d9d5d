"""The repository's own calls: branches, commits, comparisons, contents, the viewer."""

from __future__ import annotations

import base64
from urllib.parse import quote

from lab.services.github_errors import GitHubError, not_found
from lab.services.github_front import Answer, Call
from lab.services.github_git import Entry, GitRepository
from lab.services.github_pages import links, page_size, paged
from lab.services.github_shapes import Shape, Shapes, node

COMPARED_COMMITS = 250
FILES = 300
INLINE_LIMIT = 1_000_000


class Code:
    """Handlers that only read."""

    def __init__(self, repository: GitRepository, shapes: Shapes) -> None:
        self._git = repository
        self._shapes = shapes

    def repository(self, call: Call) -> Answer:
        """The repository, and what the caller may do in it."""
        commits = [] if self._git.is_empty() else self._git.commits("-1", "--branches")
        pushed_at = commits[0].committer.date if commits else ""
        return Answer(self._shapes.repository(pushed_at, may_write=call.may_write))

    def user(self, _: Call) -> Answer:
        """Whose token it is."""
        return Answer(self._shapes.viewer())

    def branches(self, call: Call) -> Answer:
        """Every branch."""
        rows = [
            {
                "name": ref.name.removeprefix("refs/heads/"),
                "commit": {"sha": ref.sha, "url": f"{self._shapes.api}/commits/{ref.sha}"},
                "protected": False,
            }
            for ref in self._git.refs("refs/heads/")
        ]
        return paged(call, rows)

    def branch(self, call: Call) -> Answer:
        """One branch with its head."""
        name = call.params["branch"]
        ref = self._git.ref(f"refs/heads/{name}")
        if ref is None:
            raise GitHubError(404, "Branch not found")
        url = f"{self._shapes.api}/branches/{quote(name, safe='')}"
        return Answer(
            {
                "name": name,
                "commit": self._shapes.commit(self._git.commit(ref.sha)),
                "_links": {"self": url, "html": f"{self._shapes.html}/tree/{name}"},
                "protected": False,
                "protection": {
                    "enabled": False,
                    "required_status_checks": {
                        "enforcement_level": "off",
                        "contexts": [],
                        "checks": [],
                    },
                },
                "protection_url": f"{url}/protection",
            }
        )

    def commits(self, call: Call) -> Answer:
        """The history from `sha`, newest first, perhaps of one path, author or time."""
        if self._git.is_empty():
            raise GitHubError(409, "Git Repository is empty.")
        start = self._git.resolve(call.query.get("sha", self._shapes.default_branch))
        if start is None:
            raise not_found()
        chosen = []
        for name in ("since", "until", "author", "committer"):
            if value := call.query.get(name):
                chosen.append(f"--{name}={value}")
        path = call.query.get("path")
        size = page_size(call)
        number = int(call.query.get("page", "1"))
        paths = ["--", path] if path else []
        total = len(self._git.text("rev-list", *chosen, start, *paths).splitlines())
        skip = f"--skip={(number - 1) * size}"
        found = self._git.commits(f"-{size}", skip, *chosen, start, *paths)
        headers = links(call, number, max(1, -(-total // size)))
        return Answer([self._shapes.commit(commit) for commit in found], headers=headers)

    def commit(self, call: Call) -> Answer:
        """One commit with its files; its SHA alone if that media type is asked for."""
        sha = self._known(call.params["ref"])
        if "vnd.github.sha" in call.accept:
            return Answer(sha, media_type="application/vnd.github.sha; charset=utf-8")
        commit = self._git.commit(sha)
        changes = self._git.changes(self._git.parent_or_nothing(commit), sha)
        added, removed = sum(c.additions for c in changes), sum(c.deletions for c in changes)
        files = [self._shapes.file(change, sha) for change in changes[:FILES]]
        stats = {"total": added + removed, "additions": added, "deletions": removed}
        return Answer({**self._shapes.commit(commit), "stats": stats, "files": files})

    def git_commit(self, call: Call) -> Answer:
        """One commit of the git database."""
        if self._git.kind(call.params["sha"]) != "commit":
            raise not_found()
        return Answer(self._shapes.git_commit(self._git.commit(call.params["sha"])))

    def compare(self, call: Call) -> Answer:
        """What `head` has that `base` has not; at most 250 commits unless pages are asked for."""
        base_name, dots, head_name = call.params["basehead"].partition("...")
        base, head = self._git.resolve(base_name), self._git.resolve(head_name)
        if not dots or base is None or head is None:
            raise not_found()
        fork = self._git.merge_base(base, head)
        if fork is None:
            raise GitHubError(404, f"No common ancestor between {base_name} and {head_name}.")
        commits = list(reversed(self._git.commits(f"{base}..{head}")))
        ahead, behind = len(commits), self._git.count(head, base)
        shown, headers, with_files = self._compared_page(call, [c.sha for c in commits])
        kept = [self._shapes.commit(c) for c in commits if c.sha in shown]
        files = self._git.changes(fork, head)[:FILES] if with_files else []
        span = f"{self._shapes.html}/compare/{base_name}...{head_name}"
        body = {
            "url": f"{self._shapes.api}/compare/{base_name}...{head_name}",
            "html_url": span,
            "permalink_url": f"{self._shapes.html}/compare/{base[:7]}...{head[:7]}",
            "diff_url": f"{span}.diff",
            "patch_url": f"{span}.patch",
            "base_commit": self._shapes.commit(self._git.commit(base)),
            "merge_base_commit": self._shapes.commit(self._git.commit(fork)),
            "status": _standing(ahead, behind),
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": ahead,
            "commits": kept,
            "files": [self._shapes.file(change, head) for change in files],
        }
        return Answer(body, headers=headers)

    def _compared_page(
        self, call: Call, commits: list[str]
    ) -> tuple[set[str], dict[str, str], bool]:
        """Which commits a comparison shows, how to get the others, and whether files come too."""
        if "page" not in call.query and "per_page" not in call.query:
            return set(commits[-COMPARED_COMMITS:]), {}, True
        size, number = page_size(call), int(call.query.get("page", "1"))
        last = max(1, -(-len(commits) // size))
        shown = commits[(number - 1) * size : number * size]
        return set(shown), links(call, number, last), number == 1

    def tags(self, call: Call) -> Answer:
        """Every tag, in GitHub's order: by name, last first, so v0.9 stands before v0.10."""
        rows = [
            {
                "name": name,
                "commit": {"sha": ref.commit, "url": f"{self._shapes.api}/commits/{ref.commit}"},
                "zipball_url": f"{self._shapes.api}/zipball/refs/tags/{name}",
                "tarball_url": f"{self._shapes.api}/tarball/refs/tags/{name}",
                "node_id": node("Ref", ref.name),
            }
            for ref in reversed(self._git.refs("refs/tags/"))
            for name in [ref.name.removeprefix("refs/tags/")]
        ]
        return paged(call, rows)

    def contents(self, call: Call) -> Answer:
        """A file or a directory at a reference."""
        ref = call.query.get("ref") or self._shapes.default_branch
        commit = self._git.resolve(ref)
        if commit is None:
            raise GitHubError(404, f"No commit found for the ref {ref}")
        found = self._git.tree(commit, call.params.get("path", ""))
        if found is None:
            raise not_found()
        if isinstance(found, list):
            return Answer([self._entry(entry, ref) for entry in found])
        content = self._git.blob(found.sha)
        if "vnd.github.raw" in call.accept or "vnd.github.v3.raw" in call.accept:
            return Answer(content, media_type="application/vnd.github.raw+json; charset=utf-8")
        inline = len(content) <= INLINE_LIMIT
        return Answer(
            {
                **self._entry(found, ref),
                "encoding": "base64" if inline else "none",
                "content": base64.encodebytes(content).decode() if inline else "",
            }
        )

    def pulls(self, call: Call) -> Answer:
        """The pull requests of a commit: the lab has none."""
        self._known(call.params["ref"])
        return Answer([])

    def _known(self, name: str) -> str:
        sha = self._git.resolve(name)
        if sha is None:
            raise GitHubError(422, f"No commit found for SHA: {name}")
        return sha

    def _entry(self, entry: Entry, ref: str) -> Shape:
        api, html = self._shapes.api, self._shapes.html
        is_file = entry.kind == "blob"
        url = f"{api}/contents/{quote(entry.path)}?ref={quote(ref, safe='')}"
        git_url = f"{api}/git/{entry.kind}s/{entry.sha}"
        html_url = f"{html}/{'blob' if is_file else 'tree'}/{ref}/{entry.path}"
        return {
            "type": "file" if is_file else "dir",
            "size": entry.size,
            "name": entry.path.rpartition("/")[2],
            "path": entry.path,
            "sha": entry.sha,
            "url": url,
            "git_url": git_url,
            "html_url": html_url,
            "download_url": f"{html}/raw/{ref}/{entry.path}" if is_file else None,
            "_links": {"self": url, "git": git_url, "html": html_url},
        }


def _standing(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    return "ahead" if ahead else "behind" if behind else "identical"
