"""GitHub's REST API: tags and releases. One call a method; 404 is an answer, not an error."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from delivery.errors import AccessDenied, SourceError, SourceUnavailable, TagConflict

_API_VERSION = "2022-11-28"
_LONGEST_WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """A release as GitHub shows it."""

    id: int
    tag: str
    url: str
    draft: bool


class GitHubRepository:
    """The door to one repository.

    Rate limits are honoured by waiting as long as GitHub asks for, at most two minutes;
    every other failure is raised at once: AccessDenied, SourceUnavailable (transient), or
    SourceError with GitHub's own words.
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
    ) -> None:
        self.repository = repository
        self._sleep = sleep
        self._clock = clock
        self._client = httpx.Client(
            base_url=api_url.rstrip("/"),
            timeout=httpx.Timeout(20.0, connect=5.0),
            transport=transport,
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "X-GitHub-Api-Version": _API_VERSION,
                "User-Agent": "tt-deploy",
            },
        )

    def tag_commit(self, tag: str) -> str | None:
        """The commit that ``tag`` names (an annotated tag is followed), None if there is none."""
        reference = self._get(f"/git/ref/tags/{tag}")
        if reference is None:
            return None
        target = reference["object"]
        if target["type"] != "tag":
            return str(target["sha"])
        annotated = self._get(f"/git/tags/{target['sha']}")
        return None if annotated is None else str(annotated["object"]["sha"])

    def create_tag(self, tag: str, sha: str) -> bool:
        """Make a lightweight tag; False if it is there already, on this very commit.

        Raises TagConflict if it is there on another commit.
        """
        reply = self._ask("POST", "/git/refs", json={"ref": f"refs/tags/{tag}", "sha": sha})
        if reply.status_code == 201:
            return True
        if reply.status_code == 422 and (held := self.tag_commit(tag)):
            if held == sha:
                return False
            raise TagConflict(
                f"The tag {tag} exists on {held[:12]}, not on {sha[:12]}.",
                where=self.repository,
                next_command=f"git show {tag}",
            )
        raise self._refusal(reply)

    def release_of(self, tag: str) -> PublishedRelease | None:
        """The release of ``tag``, None if there is none (a draft has no tag yet)."""
        found = self._get(f"/releases/tags/{tag}")
        return None if found is None else _release(found)

    def create_release(
        self, *, tag: str, sha: str, name: str, body: str, draft: bool, prerelease: bool
    ) -> PublishedRelease:
        """Publish a release; if it came to be meanwhile, the one that is there."""
        fields = {
            "tag_name": tag,
            "target_commitish": sha,
            "name": name,
            "body": body,
            "draft": draft,
            "prerelease": prerelease,
        }
        reply = self._ask("POST", "/releases", json=fields)
        if reply.status_code == 201:
            return _release(_json(reply))
        if reply.status_code == 422 and (existing := self.release_of(tag)):
            return existing
        raise self._refusal(reply)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, path: str) -> dict[str, Any] | None:
        reply = self._ask("GET", path)
        if reply.status_code == 404:
            return None
        if reply.status_code != 200:
            raise self._refusal(reply)
        return _json(reply)

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        reply = self._send(method, path, **options)
        wait = seconds_to_wait(reply.status_code, reply.headers, now=self._clock())
        if wait is None:
            return reply
        if wait > _LONGEST_WAIT_SECONDS:
            raise SourceUnavailable(
                f"GitHub's rate limit is used up for another {wait:.0f} s.", where=self.repository
            )
        self._sleep(wait)
        return self._send(method, path, **options)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, f"/repos/{self.repository}{path}", **options)
        except httpx.HTTPError as error:
            raise SourceUnavailable(
                f"GitHub did not answer: {type(error).__name__}.", where=self._where(path)
            ) from None

    def _refusal(self, reply: httpx.Response) -> SourceError:
        where = f"{reply.request.method} {reply.request.url}"
        said = _message(reply)
        if reply.status_code >= 500 or reply.status_code == 429:
            return SourceUnavailable(f"GitHub answered {reply.status_code}: {said}", where=where)
        if reply.status_code in (401, 403, 404):
            return AccessDenied(
                f"GitHub refused ({reply.status_code}): {said}",
                where=where,
                next_command="Give the token 'contents: write' on this repository "
                "and save it in the environment's GitHub block.",
            )
        return SourceError(f"GitHub refused ({reply.status_code}): {said}", where=where)

    def _where(self, path: str) -> str:
        return f"{self._client.base_url}/repos/{self.repository}{path}"


def seconds_to_wait(status: int, headers: Mapping[str, str], *, now: float) -> float | None:
    """How long GitHub asks us to wait before trying again; None if it does not ask.

    ``Retry-After`` first (secondary limits), else ``X-RateLimit-Reset`` when nothing
    remains, as GitHub's "Rate limits for the REST API" describes.
    """
    if status not in (403, 429):
        return None
    after = headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(0.0, float(reset) - now) + 1.0
    return 60.0 if status == 429 else None


def _release(fields: Mapping[str, Any]) -> PublishedRelease:
    return PublishedRelease(
        id=int(fields["id"]),
        tag=str(fields["tag_name"]),
        url=str(fields["html_url"]),
        draft=bool(fields["draft"]),
    )


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise SourceUnavailable(
            f"GitHub's answer ({reply.status_code}) is not a JSON object.",
            where=str(reply.request.url),
        )
    return body


def _message(reply: httpx.Response) -> str:
    try:
        body = reply.json()
    except ValueError:
        return reply.text[:200]
    return str(body.get("message", ""))[:200] if isinstance(body, dict) else ""
