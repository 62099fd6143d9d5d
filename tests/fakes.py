"""Hand-written doubles of the outside world: each keeps what it was asked.

Every double is a function from an HTTP request to its answer, so the same one serves a
door in this process (``httpx.MockTransport``) and a real socket (``LoopbackServer``).
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


class Killed(BaseException):
    """The process that asked is gone: nothing it would have done next happens."""


Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class FakeClock:
    """Time that passes only when somebody sleeps."""

    now: float = 1000.0
    sleeps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.sleeps.append(seconds)
        self.now += seconds


class HttpDouble:
    """What the doubles share: the requests they got, and failures that a test orders.

    An ordered failure is used up by the first request that matches it. One with
    ``after=True`` strikes when the request has already had its effect: the caller sees
    the failure, the world has changed.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._orders: list[tuple[re.Pattern[str], httpx.Response | Exception, bool]] = []
        self._kill: tuple[int, bool] | None = None

    def fail(
        self,
        pattern: str,
        how: httpx.Response | Exception | int,
        *,
        times: int = 1,
        after: bool = False,
    ) -> None:
        """Let requests whose "METHOD path" matches ``pattern`` fail, so many times."""
        answer = httpx.Response(how, json={"message": "ordered"}) if isinstance(how, int) else how
        self._orders += [(re.compile(pattern), answer, after)] * times

    def kill(self, at: int, *, after: bool) -> None:
        """Let the caller die at its request number ``at``, before or after it had its effect."""
        self._kill = len(self.requests) + at, after

    def recover(self) -> None:
        """Forget the failures that have not struck yet."""
        self._orders.clear()
        self._kill = None

    def asked(self, method: str) -> list[str]:
        """The paths that were asked for with ``method``, in order."""
        return [each.url.path for each in self.requests if each.method == method]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._kill and len(self.requests) > self._kill[0]:
            if self._kill[1]:
                self.answer(request)
            raise Killed
        order = self._order_for(f"{request.method} {request.url.path}")
        if order is None or order[2]:
            answer = self.answer(request)
        if order is None:
            return answer
        if isinstance(order[1], Exception):
            raise order[1]
        return _copy(order[1])

    def _order_for(
        self, line: str
    ) -> tuple[re.Pattern[str], httpx.Response | Exception, bool] | None:
        for number, order in enumerate(self._orders):
            if order[0].search(line):
                return self._orders.pop(number)
        return None

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What the service itself says."""
        raise NotImplementedError

    def transport(self) -> httpx.MockTransport:
        """The double as an httpx transport."""
        return httpx.MockTransport(self)


def _copy(response: httpx.Response) -> httpx.Response:
    return httpx.Response(response.status_code, headers=response.headers, content=response.read())


def refused(message: str = "refused") -> httpx.ConnectError:
    """What a service that is down gives."""
    return httpx.ConnectError(message)


class GitHubDouble(HttpDouble):
    """Tags and releases of one repository as GitHub's REST API shows them.

    ``holds`` are the commits that GitHub has (None: any). Drafts are found only in the
    list, as on GitHub.
    """

    def __init__(self, repository: str = "tt/app", holds: set[str] | None = None) -> None:
        super().__init__()
        self.repository = repository
        self.holds = holds
        self.may_push = True
        self.tags: dict[str, str] = {}
        self.releases: list[dict[str, Any]] = []
        self.deployments: list[dict[str, Any]] = []
        self.commit_states: list[tuple[str, str, str]] = []

    def release(self, tag: str, *, draft: bool = False, body: str = "") -> dict[str, Any]:
        """Put a release there, as a person or an earlier run would have."""
        number = len(self.releases) + 1
        made = {
            "id": number,
            "tag_name": tag,
            "html_url": f"https://github.example/{self.repository}/releases/{tag}",
            "draft": draft,
            "prerelease": False,
            "name": tag,
            "body": body,
        }
        self.releases.append(made)
        return made

    def of_tag(self, tag: str) -> list[dict[str, Any]]:
        """Every release of a tag, drafts too."""
        return [each for each in self.releases if each["tag_name"] == tag]

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix(f"/repos/{self.repository}")
        fields = json.loads(request.content) if request.content else {}
        if request.method == "GET":
            found = self._found(path, request.url.params)
            return httpx.Response(404 if found is None else 200, json=found or [])
        if request.method == "PATCH":
            release = self.releases[int(path.rpartition("/")[2]) - 1]
            release.update(fields)
            return httpx.Response(200, json=release)
        if path.startswith(("/deployments", "/statuses")):
            return self._show(path, fields)
        if path == "/git/refs":
            return self._create_tag(fields)
        return self._create_release(fields)

    def _found(self, path: str, params: Mapping[str, str]) -> Any:
        if not path:
            return {"full_name": self.repository, "permissions": {"push": self.may_push}}
        if tag := _after(path, "/git/ref/tags/"):
            sha = self.tags.get(tag)
            return sha and {"ref": f"refs/tags/{tag}", "object": {"type": "commit", "sha": sha}}
        if tag := _after(path, "/releases/tags/"):
            return next((r for r in self.of_tag(tag) if not r["draft"]), None)
        if sha := _after(path, "/git/commits/"):
            return {"sha": sha} if self.holds is None or sha in self.holds else None
        if path == "/deployments":
            return [*reversed(self.deployments)]
        if number := _after(path, "/deployments/"):
            states = self.deployments[int(number.partition("/")[0]) - 1]["states"]
            return [{"state": state} for state in reversed(states)][:1]
        size, page = int(params.get("per_page", 30)), int(params.get("page", 1))
        return [*reversed(self.releases)][size * (page - 1) : size * page]

    def _show(self, path: str, fields: dict[str, Any]) -> httpx.Response:
        number = len(self.deployments) + 1
        if path == "/deployments":
            self.deployments.append({"id": number, "states": [], **fields})
        elif sha := _after(path, "/statuses/"):
            self.commit_states.append((sha, fields["context"], fields["state"]))
        else:
            self.deployments[int(path.split("/")[2]) - 1]["states"].append(fields["state"])
        return httpx.Response(201, json={"id": number})

    def _create_tag(self, fields: dict[str, Any]) -> httpx.Response:
        tag = fields["ref"].removeprefix("refs/tags/")
        if self.holds is not None and fields["sha"] not in self.holds:
            return httpx.Response(422, json={"message": "Object does not exist"})
        if tag in self.tags:
            return httpx.Response(422, json={"message": "Reference already exists"})
        self.tags[tag] = fields["sha"]
        return httpx.Response(201, json={"ref": fields["ref"]})

    def _create_release(self, fields: dict[str, Any]) -> httpx.Response:
        tag = fields["tag_name"]
        if len(fields["body"].encode("utf-16-le")) // 2 > 125_000:
            words = "body is too long (maximum is 125000 characters)"
            return httpx.Response(422, json={"message": "Validation Failed", "errors": [words]})
        if any(not each["draft"] for each in self.of_tag(tag)) and not fields["draft"]:
            return httpx.Response(422, json={"message": "Validation Failed"})
        if not fields["draft"]:
            self.tags.setdefault(tag, fields["target_commitish"])
        made = self.release(tag)
        made.update(fields)
        return httpx.Response(201, json=made)


def _after(text: str, start: str) -> str:
    return text.removeprefix(start) if text.startswith(start) else ""


class RegistryDouble(HttpDouble):
    """One repository of a container registry; its images have labels."""

    def __init__(self) -> None:
        super().__init__()
        self._blobs: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}

    def put(self, tag: str, revision: str, **labels: str) -> str:
        """Have an image under ``tag``; its digest."""
        named = {"org.opencontainers.image.revision": revision} if revision else {}
        named |= {f"org.opencontainers.image.{name}": value for name, value in labels.items()}
        configuration = self._keep({"config": {"Labels": named}})
        self.tags[tag] = self._keep({"schemaVersion": 2, "config": {"digest": configuration}})
        return self.tags[tag]

    def _keep(self, document: dict[str, Any]) -> str:
        blob = json.dumps(document).encode()
        digest = f"sha256:{sha256(blob).hexdigest()}"
        self._blobs[digest] = blob
        return digest

    def answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        digest = self.tags.get(name, name)
        if digest not in self._blobs:
            return httpx.Response(404, json={})
        headers = {"docker-content-digest": digest, "content-type": "application/json"}
        return httpx.Response(200, headers=headers, content=self._blobs[digest])


class DopplerDouble(HttpDouble):
    """One config of Doppler: its names and its tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.names = ["GITHUB_TOKEN", "DDL_AUTO"]
        self.tokens: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.rpartition("/")[2]
        return httpx.Response(200, json={kind: getattr(self, kind), "success": True})


class LoopbackServer:
    """A double behind a real socket on loopback; a fault that it raises drops the connection."""

    def __init__(self, handler: Handler) -> None:
        server = _http_server(handler)
        self._server = server
        self._thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05))
        self.address = f"127.0.0.1:{server.server_port}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> "LoopbackServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


@contextmanager
def served(*handlers: Handler) -> Iterator[list[LoopbackServer]]:
    """Several doubles, each behind a socket of its own."""
    with ExitStack() as running:
        yield [running.enter_context(LoopbackServer(handler)) for handler in handlers]


def _http_server(handler: Handler) -> ThreadingHTTPServer:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: else the second waits 40 ms for the first's receipt.
        wbufsize = -1

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = f"http://{self.headers['Host']}{self.path}"
            request = httpx.Request(self.command, url, headers=dict(self.headers), content=body)
            try:
                reply = handler(request)
            except httpx.HTTPError:
                self.close_connection = True
                return
            self.send_response(reply.status_code)
            for name, value in reply.headers.items():
                if name not in ("content-length", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else reply.content)

        do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: pytest's output is for pytest."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Requests)
