"""Asking GitHub's REST API: its limits honoured, its refusals turned into our errors."""

import datetime
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from blocks.tls import trusted
from delivery.errors import AccessDenied, RateLimited, SourceError, SourceUnavailable

_API_VERSION = "2022-11-28"
PATIENCE_SECONDS = 900.0
_WELL = "curl -sS https://www.githubstatus.com/api/v2/status.json   # is GitHub well?"
_LONGEST_LIMIT_SECONDS = 86_400.0
_LIMITED_WITHOUT_END_SECONDS = 60.0


class GitHubApi:
    """Calls about one repository; paths begin after ``/repos/owner/name``.

    Rate limits are honoured, for reads and writes: a call waits as long as GitHub asks for,
    ``patience_seconds`` at most, and tells ``on_wait`` how many seconds; beyond that it raises
    RateLimited. Every other failure is raised at once: AccessDenied, SourceUnavailable
    (transient), or SourceError with GitHub's own words.
    """

    def __init__(
        self,
        *,
        api_url: str,
        repository: str,
        token: str,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        on_wait: Callable[[float], None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        timeout_seconds: float = 20.0,
    ) -> None:
        self.repository = repository
        self._patience_seconds = patience_seconds
        self._on_wait = on_wait or (lambda _seconds: None)
        self._sleep = sleep
        self._clock = clock
        self._client = httpx.Client(
            base_url=api_url.rstrip("/"),
            timeout=httpx.Timeout(timeout_seconds, connect=5.0),
            transport=transport,
            verify=trusted(),
            follow_redirects=True,  # as GitHub asks for: a renamed repository has moved
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "X-GitHub-Api-Version": _API_VERSION,
                "User-Agent": "tt-deploy",
            },
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at ``path``; None for a 404, which is an answer."""
        reply = self.ask("GET", path)
        if reply.status_code == 404:
            return None
        if reply.status_code != 200:
            raise self.refusal(reply)
        return json_object(reply)

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The objects on one page of a list."""
        reply = self.ask("GET", path)
        if reply.status_code != 200:
            raise self.refusal(reply)
        return _json_list(reply)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Whatever GitHub answers once it does not ask us to wait."""
        waited = 0.0
        while True:
            reply = self._send(method, path, **options)
            said = _message(reply) if reply.status_code == 403 else ""
            wait = seconds_to_wait(reply.status_code, reply.headers, said=said, now=self._clock())
            if wait is None:
                return reply
            if waited + wait > self._patience_seconds:
                raise self._limited(wait)
            self._on_wait(wait)
            self._sleep(wait)
            waited += wait

    def _limited(self, wait: float) -> RateLimited:
        over = datetime.datetime.fromtimestamp(self._clock() + wait, datetime.UTC)
        return RateLimited(
            f"GitHub's rate limit is used up until {over:%Y-%m-%d %H:%M:%S} UTC.",
            where=self.repository,
            next_command="Start again after that: what is done will be found and reused.",
        )

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, f"/repos/{self.repository}{path}", **options)
        except httpx.HTTPError as error:
            raise SourceUnavailable(
                f"GitHub did not answer: {type(error).__name__}.",
                where=self._where(path),
                next_command=_WELL,
            ) from None

    def refusal(self, reply: httpx.Response) -> SourceError:
        """The error that says what an unwelcome answer says."""
        where = f"{reply.request.method} {reply.request.url}"
        said = _message(reply)
        if reply.status_code >= 500 or reply.status_code == 429:
            return SourceUnavailable(
                f"GitHub answered {reply.status_code}: {said}", where=where, next_command=_WELL
            )
        if reply.status_code in (401, 403, 404):
            return AccessDenied(
                f"GitHub refused ({reply.status_code}): {said}",
                where=where,
                next_command="Give the token 'contents: write' on this repository (to show deploys "
                "there also 'deployments: write' and 'statuses: write') and save it in the "
                "environment's GitHub block.",
            )
        return SourceError(f"GitHub refused ({reply.status_code}): {said}", where=where)

    def _where(self, path: str) -> str:
        return f"{self._client.base_url}/repos/{self.repository}{path}"


def seconds_to_wait(
    status: int, headers: Mapping[str, str], *, said: str, now: float
) -> float | None:
    """How long GitHub asks us to wait before trying again; None if it does not ask.

    ``Retry-After`` first (secondary limits), else ``X-RateLimit-Reset`` when nothing
    remains, else a minute, as GitHub's "Rate limits for the REST API" describes. A 403
    without either is a limit only by what it ``said``: GitHub gives no other sign. An end
    that is further away than a day is believed to be a day away.
    """
    if status not in (403, 429):
        return None
    wait = _until_retry(headers, now)
    if wait is None:
        wait = _until_reset(headers, now)
    if wait is not None:
        return min(wait, _LONGEST_LIMIT_SECONDS)
    if status == 429 or "secondary rate limit" in said.lower():
        return _LIMITED_WITHOUT_END_SECONDS
    return None


def _until_retry(headers: Mapping[str, str], now: float) -> float | None:
    """What ``Retry-After`` says: seconds, or a date (RFC 9110, 10.2.3)."""
    after = headers.get("retry-after", "")
    if after.isdecimal():
        return max(1.0, float(after))
    try:
        return max(1.0, parsedate_to_datetime(after).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def _until_reset(headers: Mapping[str, str], now: float) -> float | None:
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(0.0, float(reset) - now) + 1.0
    return None


def text_at(body: Any, *path: str) -> str:
    """What lies at ``path`` in an answer; SourceUnavailable if nothing does."""
    try:
        for key in path:
            body = body[key]
    except (KeyError, TypeError):
        raise SourceUnavailable(f"GitHub's answer has no '{'.'.join(path)}'.") from None
    return str(body)


def json_object(reply: httpx.Response) -> dict[str, Any]:
    """The answer's body; SourceUnavailable if it is no JSON object."""
    body = _body(reply)
    if not isinstance(body, dict):
        raise _unreadable(reply, "an object")
    return body


def _json_list(reply: httpx.Response) -> list[dict[str, Any]]:
    body = _body(reply)
    if not isinstance(body, list) or not all(isinstance(each, dict) for each in body):
        raise _unreadable(reply, "a list of objects")
    return body


def _body(reply: httpx.Response) -> object:
    try:
        return reply.json()
    except ValueError:
        return None


def _unreadable(reply: httpx.Response, expected: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"GitHub's answer ({reply.status_code}) is not {expected} in JSON.",
        where=str(reply.request.url),
    )


def _message(reply: httpx.Response) -> str:
    body = _body(reply)
    return str(body.get("message", ""))[:200] if isinstance(body, dict) else reply.text[:200]
