"""`python -m lab.services.github`: the REST calls that TT Deploy makes, over a real git repository.

The repository is bare and lies in the lab's home; `git push` and `git fetch` reach it at
`/OWNER/NAME.git`. Beside the calls there are doors for tests: `/_lab/tokens`, `/_lab/hooks`,
`/_lab/rate_limit`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from lab.services.faults import FaultBoard
from lab.services.github_code import Code
from lab.services.github_deployments import Deployments
from lab.services.github_errors import GitHubVoice, not_found
from lab.services.github_front import Answer, Call, Front, Handler
from lab.services.github_git import GitRepository
from lab.services.github_hooks import Hooks
from lab.services.github_refs import Refs
from lab.services.github_releases import Releases
from lab.services.github_seed import seed
from lab.services.github_shapes import Shapes
from lab.services.github_smart import SmartHttp
from lab.services.github_statuses import Statuses
from lab.services.github_store import ALL_PERMISSIONS, GitHubStore
from lab.services.github_web import WebPages
from lab.services.serving import Faulty, main
from lab.settings import LabSettings

DEFAULT_BRANCH = "develop"


class GitHub:
    """One repository's API, git and lab doors."""

    def __init__(
        self,
        repository: GitRepository,
        store: GitHubStore,
        shapes: Shapes,
        *,
        webhook_secret: str = "",
        now: Callable[[], str] | None = None,
    ) -> None:
        clock = now or utc_now
        self._store = store
        self._shapes = shapes
        self._webhook_secret = webhook_secret
        self._front = Front(store)
        self._hooks = Hooks(repository, store, shapes, clock)
        self._code = Code(repository, shapes)
        self._refs = Refs(repository, shapes, self._hooks.pushed, clock)
        self._releases = Releases(repository, store, shapes, self._hooks.pushed, clock)
        self._deployments = Deployments(repository, store, shapes, clock)
        self._statuses = Statuses(repository, store, shapes, clock)
        self._web = WebPages(repository, store, shapes)
        self._smart = SmartHttp(repository, store, self._hooks.pushed)

    def app(self) -> Starlette:
        """Every path."""
        git = f"/{self._shapes.slug}.git/{{path:path}}"
        return Starlette(
            routes=[
                Route(git, self._smart.serve, methods=["GET", "POST"]),
                Route("/user", self._front.endpoint(self._viewer)),
                Route("/rate_limit", self._rate_limit),
                Route("/_lab/tokens", self._lab_tokens, methods=["POST", "DELETE"]),
                Route("/_lab/hooks", self._lab_hooks, methods=["POST"]),
                Route("/_lab/rate_limit", self._lab_rate_limit, methods=["POST"]),
                *self._reading(),
                *self._writing(),
                *self._web.routes(),
                Route("/{path:path}", self._front.endpoint(_nowhere), methods=METHODS),
            ]
        )

    def _reading(self) -> list[BaseRoute]:
        code, refs = self._code, self._refs
        releases, deployments = self._releases, self._deployments
        statuses = self._statuses
        handlers: dict[str, Handler] = {
            "": code.repository,
            "/branches": code.branches,
            "/branches/{branch:path}": code.branch,
            "/commits": code.commits,
            "/commits/{ref:path}/pulls": code.pulls,
            "/commits/{ref:path}/statuses": statuses.list_all,
            "/commits/{ref:path}/status": statuses.combined,
            "/commits/{ref:path}": code.commit,
            "/compare/{basehead:path}": code.compare,
            "/contents": code.contents,
            "/contents/{path:path}": code.contents,
            "/tags": code.tags,
            "/git/commits/{sha}": code.git_commit,
            "/git/ref/{ref:path}": refs.get,
            "/git/matching-refs/{ref:path}": refs.matching,
            "/git/tags/{sha}": refs.get_tag,
            "/releases": releases.list_all,
            "/releases/latest": releases.latest,
            "/releases/tags/{tag:path}": releases.by_tag,
            "/releases/{release_id:int}": releases.get,
            "/deployments": deployments.list_all,
            "/deployments/{deployment_id:int}": deployments.get,
            "/deployments/{deployment_id:int}/statuses": deployments.statuses,
        }
        return [self._route("GET", path, handler) for path, handler in handlers.items()]

    def _writing(self) -> list[BaseRoute]:
        refs, releases = self._refs, self._releases
        deployments, hooks = self._deployments, self._hooks
        one_release, one_hook = "/releases/{release_id:int}", "/hooks/{hook_id:int}"
        one_deployment = "/deployments/{deployment_id:int}"
        redelivery = f"{one_hook}/deliveries/{{delivery_id:int}}/attempts"
        rows: list[tuple[str, str, str, Handler]] = [
            ("contents", "POST", "/git/refs", refs.create),
            ("contents", "PATCH", "/git/refs/{ref:path}", refs.update),
            ("contents", "DELETE", "/git/refs/{ref:path}", refs.delete),
            ("contents", "POST", "/git/tags", refs.create_tag),
            ("contents", "POST", "/releases", releases.create),
            ("contents", "POST", "/releases/generate-notes", releases.generate_notes),
            ("contents", "PATCH", one_release, releases.update),
            ("contents", "DELETE", one_release, releases.delete),
            ("deployments", "POST", "/deployments", deployments.create),
            ("deployments", "DELETE", one_deployment, deployments.delete),
            ("deployments", "POST", f"{one_deployment}/statuses", deployments.create_status),
            ("statuses", "POST", "/statuses/{ref}", self._statuses.create),
            ("administration", "GET", "/hooks", hooks.list_all),
            ("administration", "POST", "/hooks", hooks.create),
            ("administration", "DELETE", one_hook, hooks.delete),
            ("administration", "GET", f"{one_hook}/deliveries", hooks.deliveries),
            ("administration", "POST", redelivery, hooks.redeliver),
        ]
        return [self._route(method, path, handler, needs) for needs, method, path, handler in rows]

    def _route(self, method: str, path: str, handler: Handler, needs: str = "") -> Route:
        full = f"/repos/{self._shapes.slug}{path}"
        return Route(full, self._front.endpoint(handler, needs), methods=[method])

    def _viewer(self, call: Call) -> Answer:
        return self._code.user(call)

    async def _rate_limit(self, request: Request) -> Response:
        """What is left of the hour; asking is free."""
        answer = self._front.endpoint(lambda _: self._limits(request), free=True)
        response: Response = await answer(request)
        return response

    def _limits(self, request: Request) -> Answer:
        left = self._front.allowance_of(request).numbers
        return Answer({"resources": {"core": left, "search": left}, "rate": left})

    async def _lab_tokens(self, request: Request) -> Response:
        """For tests: `POST {text, permissions, expires_at}` and `DELETE {text}`."""
        body: dict[str, Any] = await request.json()
        if request.method == "DELETE":
            self._store.revoke_token(body["text"])
        else:
            permissions = body.get("permissions", ALL_PERMISSIONS)
            self._store.set_token(body["text"], permissions, body.get("expires_at"))
        return JSONResponse({"text": body["text"]})

    async def _lab_hooks(self, request: Request) -> Response:
        """For the lab: `POST {url}` adds a push webhook signed with the lab's own secret."""
        url = (await request.json())["url"]
        config = {"url": url, "content_type": "json", "secret": self._webhook_secret}
        call = Call({}, request.query_params, {"config": config}, "", str(request.url), True)
        return JSONResponse(self._hooks.create(call).body, 201)

    async def _lab_rate_limit(self, request: Request) -> Response:
        """For tests: `POST {limit, reset_in_seconds}` gives every caller this from now on."""
        body = await request.json()
        self._front.set_limit(int(body["limit"]), float(body.get("reset_in_seconds", 3600)))
        return JSONResponse(body)


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def _nowhere(_: Call) -> Answer:
    raise not_found()


def utc_now() -> str:
    """The time as GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def repository_path(home: Path, name: str) -> Path:
    """Where the bare repository of a lab lies."""
    return home / "github" / f"{name}.git"


def build(settings: LabSettings, board: FaultBoard | None = None) -> ASGIApp:
    """The service of one lab, its repository seeded if it is new."""
    seed(settings)
    store = GitHubStore(settings.home / "github" / "state.json")
    store.set_token(settings.github_token, ALL_PERMISSIONS)
    repository = GitRepository(repository_path(settings.home, settings.repository))
    shapes = Shapes(settings.url("github"), settings.owner, settings.repository, DEFAULT_BRANCH)
    service = GitHub(repository, store, shapes, webhook_secret=settings.webhook_secret)
    return Faulty(service.app(), GitHubVoice(), board=board)


if __name__ == "__main__":
    main("github", build)
