"""Commits, references, users and the repository in the shapes that GitHub answers with."""

from __future__ import annotations

import base64
from typing import Any

from lab.services.github_diff import Change
from lab.services.github_git import GitCommit, GitRef, Person

Shape = dict[str, Any]
VIEWER = "tt-lab"
UNSIGNED: Shape = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}
REPOSITORY_ID, OWNER_ID = 700_000_001, 600_000_001
CREATED = "2024-09-01T00:00:00Z"
PLAIN_URLS = (
    "contributors",
    "deployments",
    "downloads",
    "events",
    "forks",
    "hooks",
    "languages",
    "merges",
    "stargazers",
    "subscribers",
    "subscription",
    "tags",
    "teams",
)
NEVER_USED = ("archived", "disabled", "is_template", "has_pages", "has_wiki", "has_projects")


class Shapes:
    """Shapes of one repository, with addresses that lead back here."""

    def __init__(self, base: str, owner: str, name: str, default_branch: str) -> None:
        self.base = base
        self.slug = f"{owner}/{name}"
        self.owner, self.name = owner, name
        self.default_branch = default_branch
        self.api = f"{base}/repos/{self.slug}"
        self.html = f"{base}/{self.slug}"

    def user(self, login: str) -> Shape:
        """A user or organisation, as it stands inside other answers."""
        url = f"{self.base}/users/{login}"
        return {
            "login": login,
            "id": OWNER_ID,
            "node_id": node("User", login),
            "avatar_url": f"{self.base}/avatars/{login}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.base}/{login}",
            "followers_url": f"{url}/followers",
            "following_url": f"{url}/following{{/other_user}}",
            "gists_url": f"{url}/gists{{/gist_id}}",
            "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
            "subscriptions_url": f"{url}/subscriptions",
            "organizations_url": f"{url}/orgs",
            "repos_url": f"{url}/repos",
            "events_url": f"{url}/events{{/privacy}}",
            "received_events_url": f"{url}/received_events",
            "type": "User",
            "site_admin": False,
        }

    def viewer(self) -> Shape:
        """Whose token it is."""
        nothing = ("name", "company", "location", "email", "hireable", "bio")
        counts = ("public_repos", "public_gists", "followers", "following")
        return {
            **self.user(VIEWER),
            **dict.fromkeys(nothing),
            **dict.fromkeys(counts, 0),
            "blog": "",
            "created_at": CREATED,
            "updated_at": CREATED,
        }

    def repository(self, pushed_at: str, *, may_write: bool = True) -> Shape:
        """The repository in full, as a caller sees it who may or may not write."""
        counts = ("forks_count", "stargazers_count", "watchers_count", "open_issues_count")
        short = ("forks", "watchers", "open_issues", "network_count", "subscribers_count", "size")
        return {
            "id": REPOSITORY_ID,
            "node_id": node("Repository", self.slug),
            "name": self.name,
            "full_name": self.slug,
            "private": False,
            "owner": self.user(self.owner),
            "html_url": self.html,
            "description": "TT Backend, as the lab has it",
            "fork": False,
            "url": self.api,
            **self._repository_urls(),
            "clone_url": f"{self.html}.git",
            "git_url": f"{self.html}.git",
            "ssh_url": f"{self.html}.git",
            "svn_url": self.html,
            "mirror_url": None,
            "homepage": None,
            "language": "Java",
            **dict.fromkeys(counts, 0),
            **dict.fromkeys(short, 0),
            "default_branch": self.default_branch,
            "topics": [],
            **dict.fromkeys(NEVER_USED, False),
            "has_issues": True,
            "has_downloads": True,
            "has_discussions": False,
            "visibility": "public",
            "created_at": CREATED,
            "pushed_at": pushed_at,
            "updated_at": pushed_at,
            "license": None,
            "permissions": {"admin": may_write, "push": may_write, "pull": True},
        }

    def _repository_urls(self) -> Shape:
        tails = {
            "archive": "/{archive_format}{/ref}",
            "assignees": "{/user}",
            "blobs": "/git/blobs{/sha}",
            "branches": "{/branch}",
            "collaborators": "{/collaborator}",
            "comments": "{/number}",
            "commits": "{/sha}",
            "compare": "/{base}...{head}",
            "contents": "/{+path}",
            "issue_comment": "{/number}",
            "issue_events": "{/number}",
            "issues": "{/number}",
            "keys": "{/key_id}",
            "labels": "{/name}",
            "milestones": "{/number}",
            "notifications": "{?since,all,participating}",
            "pulls": "{/number}",
            "releases": "{/id}",
            "statuses": "/{sha}",
            "trees": "{/sha}",
        }
        urls = {f"{key}_url": f"{self.api}/{key}{tail}" for key, tail in tails.items()}
        urls |= {f"{key}_url": f"{self.api}/{key}" for key in PLAIN_URLS}
        for kind in ("commits", "refs", "tags"):
            urls[f"git_{kind}_url"] = f"{self.api}/git/{kind}{{/sha}}"
        return urls

    def commit(self, commit: GitCommit, comments: int = 0) -> Shape:
        """A commit as lists and comparisons show it."""
        return {
            "sha": commit.sha,
            "node_id": node("Commit", commit.sha),
            "commit": {
                "author": person(commit.author),
                "committer": person(commit.committer),
                "message": commit.message,
                "tree": {"sha": commit.tree, "url": f"{self.api}/git/trees/{commit.tree}"},
                "url": f"{self.api}/git/commits/{commit.sha}",
                "comment_count": comments,
                "verification": UNSIGNED,
            },
            "url": f"{self.api}/commits/{commit.sha}",
            "html_url": f"{self.html}/commit/{commit.sha}",
            "comments_url": f"{self.api}/commits/{commit.sha}/comments",
            "author": self.user(login(commit.author)),
            "committer": self.user(login(commit.committer)),
            "parents": [self.parent(sha) for sha in commit.parents],
        }

    def git_commit(self, commit: GitCommit) -> Shape:
        """A commit as the git database shows it."""
        return {
            "sha": commit.sha,
            "node_id": node("Commit", commit.sha),
            "url": f"{self.api}/git/commits/{commit.sha}",
            "html_url": f"{self.html}/commit/{commit.sha}",
            "author": person(commit.author),
            "committer": person(commit.committer),
            "tree": {"sha": commit.tree, "url": f"{self.api}/git/trees/{commit.tree}"},
            "message": commit.message,
            "parents": [
                {
                    "sha": sha,
                    "url": f"{self.api}/git/commits/{sha}",
                    "html_url": f"{self.html}/commit/{sha}",
                }
                for sha in commit.parents
            ],
            "verification": UNSIGNED,
        }

    def parent(self, sha: str) -> Shape:
        """A parent of a commit."""
        return {
            "sha": sha,
            "url": f"{self.api}/commits/{sha}",
            "html_url": f"{self.html}/commit/{sha}",
        }

    def file(self, change: Change, commit: str) -> Shape:
        """One file of a comparison."""
        shape: Shape = {
            "sha": change.blob,
            "filename": change.path,
            "status": change.status,
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "blob_url": f"{self.html}/blob/{commit}/{change.path}",
            "raw_url": f"{self.html}/raw/{commit}/{change.path}",
            "contents_url": f"{self.api}/contents/{change.path}?ref={commit}",
        }
        if change.patch is not None:
            shape["patch"] = change.patch
        if change.previous is not None:
            shape["previous_filename"] = change.previous
        return shape

    def ref(self, ref: GitRef) -> Shape:
        """A reference."""
        kind = "tags" if ref.kind == "tag" else f"{ref.kind}s"
        return {
            "ref": ref.name,
            "node_id": node("Ref", ref.name),
            "url": f"{self.api}/git/{ref.name}",
            "object": {"sha": ref.sha, "type": ref.kind, "url": f"{self.api}/git/{kind}/{ref.sha}"},
        }


def person(who: Person) -> Shape:
    """An author as git knows one."""
    return {"name": who.name, "email": who.email, "date": who.date}


def login(who: Person) -> str:
    """The user whom GitHub takes an author for: here, what stands before the @."""
    return who.email.partition("@")[0].rpartition("+")[2] or "ghost"


def node(kind: str, name: str) -> str:
    """An opaque id for GraphQL."""
    return base64.b64encode(f"{kind}:{name}".encode()).decode().rstrip("=")
