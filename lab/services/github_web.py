"""The few pages that links lead to: a release, a commit, a comparison. Plain, and not GitHub's."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from lab.services.github_git import GitCommit, GitRepository
from lab.services.github_shapes import Shapes
from lab.services.github_statuses import newest_by_context
from lab.services.github_store import GitHubStore, Row

LISTED = 100
STYLE = "body{font:16px sans-serif;max-width:56em;margin:2em auto}pre{white-space:pre-wrap}"


class WebPages:
    """Pages for a browser, with nothing in them that runs."""

    def __init__(self, repository: GitRepository, store: GitHubStore, shapes: Shapes) -> None:
        self._git = repository
        self._store = store
        self._shapes = shapes

    def routes(self) -> list[BaseRoute]:
        """Where `html_url`s lead."""
        at = f"/{self._shapes.slug}"
        return [
            Route(at, self._serve),
            Route(f"{at}/releases", self._serve),
            Route(f"{at}/releases/tag/{{tag:path}}", self._serve),
            Route(f"{at}/commit/{{name:path}}", self._serve),
            Route(f"{at}/tree/{{name:path}}", self._serve),
            Route(f"{at}/compare/{{span:path}}", self._serve),
        ]

    async def _serve(self, request: Request) -> Response:
        page = await run_in_threadpool(self._page, request.path_params)
        return HTMLResponse(page or _page("Not found", "<p>There is nothing here.</p>"),
                            200 if page else 404)  # fmt: skip

    def _page(self, asked: dict[str, str]) -> str:
        if "tag" in asked:
            return self._release(asked["tag"])
        if "name" in asked:
            return self._commit(asked["name"])
        if "span" in asked:
            return self._comparison(*asked["span"].partition("...")[::2])
        return self._front_page()

    def _front_page(self) -> str:
        releases = [row for row in self._store.rows("releases") if not row["draft"]]
        links = (self._link(f"releases/tag/{row['tag_name']}", row["tag_name"]) for row in releases)
        shown = (self._deployment(row) for row in self._store.rows("deployments"))
        body = f"<h2>Releases</h2>{_list(links)}<h2>Deployments</h2>{_list(shown)}"
        return _page(self._shapes.slug, body)

    def _release(self, tag: str) -> str:
        found = [row for row in self._store.rows("releases") if row["tag_name"] == tag]
        sha = self._git.resolve(f"refs/tags/{tag}")
        if not found or found[-1]["draft"] or sha is None:
            return ""
        notes = escape(found[-1]["body"] or "")
        mark = "pre-release of" if found[-1]["prerelease"] else "release of"
        return _page(tag, f"<p>{mark} {self._sha(sha)}</p><pre>{notes}</pre>")

    def _commit(self, name: str) -> str:
        sha = self._git.resolve(name)
        if sha is None:
            return ""
        commit = self._git.commit(sha)
        statuses = (
            f"{row['state']}: {row['context']} {row['description'] or ''}"
            for row in newest_by_context(self._store, sha)
        )
        shown = (self._deployment(r) for r in self._store.rows("deployments") if r["sha"] == sha)
        return _page(
            sha[:12],
            f"<p>{escape(commit.author.name)}, {commit.committer.date}</p>"
            f"<pre>{escape(commit.message)}</pre>"
            f"<h2>Statuses</h2>{_list(map(escape, statuses))}<h2>Deployments</h2>{_list(shown)}",
        )

    def _comparison(self, base: str, head: str) -> str:
        old, new = self._git.resolve(base), self._git.resolve(head)
        if old is None or new is None:
            return ""
        commits = self._git.commits(f"--max-count={LISTED}", f"{old}..{new}")
        files = (escape(f"{c.status} {c.path}") for c in self._git.changes(old, new)[:LISTED])
        rows = (f"{self._sha(each.sha)} {escape(_subject(each))}" for each in commits)
        return _page(
            f"{base}...{head}", f"<h2>Commits</h2>{_list(rows)}<h2>Files</h2>{_list(files)}"
        )

    def _deployment(self, row: Row) -> str:
        said = [
            r for r in self._store.rows("deployment_statuses") if r["deployment_id"] == row["id"]
        ]
        state = said[-1]["state"] if said else "pending"
        why = (said[-1]["description"] if said else "") or row["description"] or ""
        what = escape(f"{row['environment']}: {state}, {why}")
        return f"{what} {self._sha(row['sha'])}"

    def _sha(self, sha: str) -> str:
        return self._link(f"commit/{sha}", sha[:12])

    def _link(self, path: str, text: str) -> str:
        return f'<a href="{escape(self._shapes.html)}/{escape(path)}">{escape(text)}</a>'


def _subject(commit: GitCommit) -> str:
    return commit.message.split("\n", 1)[0]


def _list(items: Iterable[str]) -> str:
    rows = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{rows}</ul>" if rows else "<p>none</p>"


def _page(title: str, body: str) -> str:
    return (
        f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
        f"<h1>{escape(title)}</h1>{body}<p><small>The lab's stand-in for GitHub.</small></p>"
    )
