"""An open-loop load on loopback: requests leave on time, however long the answers take.

Closed loops hide an outage: a client that waits for its answer asks nothing meanwhile
(G. Tene, "How NOT to Measure Latency"). Bounded in rate and time; stops by itself.
"""

import asyncio
import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

_LONGEST_SECONDS = 600.0
_FASTEST_PER_SECOND = 200.0
_MOST_CONNECTIONS = 500
_PATIENCE_SECONDS = 40.0
_IDLE_SECONDS = 5.0
_TICKET = b"a ticket of the load"


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it left (seconds since the load began), how long, what came or why not.

    A ``post`` may be lost where a GET would be asked again of another release.
    """

    at: float
    seconds: float
    status: int
    version: str
    error: str = ""
    post: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What a load saw. Seconds are wall time; a request without an answer has status 0."""

    answers: tuple[Answer, ...]

    @property
    def failed(self) -> list[Answer]:
        """Everything but a 2xx answer."""
        return [answer for answer in self.answers if not 200 <= answer.status < 300]

    @property
    def longest_gap_seconds(self) -> float:
        """The longest time between two requests that were answered well."""
        good = [answer.at for answer in self.answers if 200 <= answer.status < 300]
        return max((b - a for a, b in itertools.pairwise(good)), default=0.0)

    @property
    def versions(self) -> Counter[str]:
        """How many answers each version gave."""
        return Counter(answer.version for answer in self.answers if answer.version)

    def percentile(self, share: float) -> float:
        """The latency in seconds that ``share`` (0 to 1) of the good answers stayed within."""
        good = sorted(a.seconds for a in self.answers if 200 <= a.status < 300)
        return good[min(len(good) - 1, int(len(good) * share))] if good else 0.0


class Load:
    """Sends ``per_second`` requests to ``url`` until it is left; use as a context manager.

    ``keep_alive`` reuses connections as browsers do, otherwise each request opens its own. No
    request is sent twice: one that fails is lost, on a connection that was kept as on a new one.
    ``posts`` is the share of them (0 to 1) that are POSTs, evenly spread; the others are GETs.
    Raises ValueError for anything but a loopback address or an unreasonable rate or share.
    """

    def __init__(
        self, url: str, *, per_second: float, keep_alive: bool = False, posts: float = 0.0
    ) -> None:
        if urlsplit(url).hostname not in ("127.0.0.1", "localhost"):
            raise ValueError(f"a load goes to loopback only, not to {url}")
        if not 0 < per_second <= _FASTEST_PER_SECOND:
            raise ValueError(f"{per_second} requests per second are out of bounds")
        if not 0 <= posts <= 1:
            raise ValueError(f"{posts} is no share of the requests")
        self._url = url
        self._posts = posts
        self._pause = 1.0 / per_second
        self._keep_alive = keep_alive
        self._began = 0.0
        self._stop = threading.Event()
        self._answers: list[Answer] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """How long it has been running, as ``Answer.at`` has it; 0 before it began."""
        return time.perf_counter() - self._began if self._began else 0.0

    @property
    def figures(self) -> Figures:
        """What was seen so far, in the order in which the requests left."""
        return Figures(tuple(sorted(self._answers, key=lambda answer: answer.at)))

    async def _run(self) -> None:
        self._began = time.perf_counter()
        async with self._session() as session:
            asked: list[asyncio.Task[None]] = []
            for number in range(int(_LONGEST_SECONDS / self._pause)):
                if self._stop.is_set():
                    break
                post = int((number + 1) * self._posts) > int(number * self._posts)
                asked.append(asyncio.create_task(self._ask(session, post=post)))
                due = self._began + (number + 1) * self._pause
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await asyncio.gather(*asked)

    def _session(self) -> aiohttp.ClientSession:
        kept = {"keepalive_timeout": _IDLE_SECONDS} if self._keep_alive else {"force_close": True}
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_MOST_CONNECTIONS,
                family=socket.AF_INET,
                **kept,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=_PATIENCE_SECONDS, sock_read=_PATIENCE_SECONDS
            ),
        )
        # It would ask once more on its own where a kept connection broke: a lost request, unseen.
        session._retry_connection = False
        return session

    async def _ask(self, session: aiohttp.ClientSession, *, post: bool) -> None:
        left = time.perf_counter()
        status, version, failed = 0, "", ""
        method, body = ("POST", _TICKET) if post else ("GET", None)
        try:
            async with session.request(
                method, self._url, data=body, allow_redirects=False
            ) as reply:
                version = _version_in(reply.content_type, await reply.read())
                status = reply.status
        except Exception as error:  # whatever it is, the request went without an answer
            failed = repr(error)
        took = time.perf_counter() - left
        self._answers.append(Answer(left - self._began, took, status, version, failed, post))


def _version_in(content_type: str, content: bytes) -> str:
    if "json" not in content_type:
        return ""
    body = json.loads(content)
    return str(body.get("version", "")) if isinstance(body, dict) else ""


def together(loads: Sequence[Load]) -> Figures:
    """The figures of several loads that ran side by side, as one."""
    answers = [answer for load in loads for answer in load.figures.answers]
    return Figures(tuple(sorted(answers, key=lambda answer: answer.at)))
