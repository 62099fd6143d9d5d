"""git over HTTP, served by git's own `http-backend`."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from lab.services.github_front import token_of
from lab.services.github_git import ENVIRONMENT, GIT_SECONDS, GitRepository
from lab.services.github_refs import NOTHING, Moved
from lab.services.github_store import GitHubStore


class SmartHttp:
    """Anybody may fetch; a push needs a token that may write contents."""

    def __init__(self, repository: GitRepository, store: GitHubStore, moved: Moved) -> None:
        self._git = repository
        self._store = store
        self._moved = moved
        self._one_push = asyncio.Lock()

    async def serve(self, request: Request) -> Response:
        """One request of a git client."""
        path = request.path_params["path"]
        pushing = path == "git-receive-pack" or "service=git-receive-pack" in request.url.query
        if pushing and (refused := self._refuse(request)):
            return refused
        body = await request.body()
        backend = self._backend(request, path, pushing)
        if path != "git-receive-pack":
            return await run_in_threadpool(backend, body)
        async with self._one_push:
            before = self._heads()
            response = await run_in_threadpool(backend, body)
            await run_in_threadpool(self._tell, before)
        return response

    def _refuse(self, request: Request) -> Response | None:
        token = token_of(request.headers.get("authorization", ""))
        if not token:
            challenge = {"WWW-Authenticate": 'Basic realm="GitHub"'}
            return Response("Authentication required\n", 401, challenge, media_type="text/plain")
        permissions = self._store.permissions(token)
        if permissions is None:
            return Response("Invalid username or token.\n", 401, media_type="text/plain")
        if permissions.get("contents") != "write":
            return Response("Write access to repository not granted.\n", 403)
        return None

    def _backend(self, request: Request, path: str, pushing: bool) -> Callable[[bytes], Response]:
        headers = request.headers
        environment = {
            **ENVIRONMENT,
            "GIT_PROJECT_ROOT": str(self._git.path.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{self._git.path.name}/{path}",
            "QUERY_STRING": request.url.query,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            **({"REMOTE_USER": "tt-lab"} if pushing else {}),
        }

        def run(body: bytes) -> Response:
            done = subprocess.run(
                ["git", "http-backend"],
                input=body,
                capture_output=True,
                env={**environment, "CONTENT_LENGTH": str(len(body))},
                check=False,
                timeout=GIT_SECONDS,
            )
            if done.stderr:
                print(done.stderr.decode(errors="replace"), flush=True)
            return _parsed(done.stdout)

        return run

    def _heads(self) -> dict[str, str]:
        return {ref.name: ref.sha for ref in self._git.refs("refs/")}

    def _tell(self, before: dict[str, str]) -> None:
        after = self._heads()
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name, NOTHING), after.get(name, NOTHING)
            if old != new:
                self._moved(name, old, new)


def _parsed(output: bytes) -> Response:
    """The CGI answer as a response."""
    head, _, content = output.partition(b"\r\n\r\n")
    headers = dict(
        line.split(": ", 1) for line in head.decode("latin-1").splitlines() if ": " in line
    )
    status = int(headers.pop("Status", "200").split()[0])
    return Response(content, status, headers)
