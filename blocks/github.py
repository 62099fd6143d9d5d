"""GitHub's REST API: tags, releases, branches. One call a method; a 404 is an answer."""

import datetime
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from delivery.errors import (
    AccessDenied,
    RateLimited,
    RevisionNotFound,
    SourceError,
    SourceUnavailable,
    TagConflict,
)
from delivery.trigger import FILES_COMPARED_AT_MOST

_API_VERSION = "2022-11-28"
_LONGEST_WAIT_SECONDS = 900.0
_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is on the way from one commit to another.

    ``paths`` are the files that differ from where both last were the same, old names of
    renamed ones too; GitHub names at most 300 (``FILES_COMPARED_AT_MOST``), then ``complete``
    is False. ``linear`` says that the head follows the base, so nothing else differs.
    """

    paths: tuple[str, ...]
    complete: bool
    linear: bool


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """A release as GitHub shows it."""

    id: int
    tag: str
    url: str
    draft: bool


class GitHubRepository:
    """The door to one repository.

    Rate limits are honoured, for reads and writes: a call waits as long as GitHub asks for,
    fifteen minutes at most, and tells ``on_wait`` how many seconds; beyond that it raises
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
    ) -> None:
        self.repository = repository
        self._on_wait = on_wait or (lambda _seconds: None)
        self._sleep = sleep
        self._clock = clock
        self._client = httpx.Client(
            base_url=api_url.rstrip("/"),
            timeout=httpx.Timeout(20.0, connect=5.0),
            transport=transport,
            follow_redirects=True,  # as GitHub asks for: a renamed repository has moved
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "X-GitHub-Api-Version": _API_VERSION,
                "User-Agent": "tt-deploy",
            },
        )

    def tag_commit(self, tag: str) -> str | None:
        """The commit that ``tag`` names (an annotated tag is followed), None if there is none."""
        reference = self._get(f"/git/ref/tags/{quote(tag)}")
        if reference is None:
            return None
        target = _text(reference, "object", "sha")
        if _text(reference, "object", "type") != "tag":
            return target
        annotated = self._get(f"/git/tags/{target}")
        return None if annotated is None else _text(annotated, "object", "sha")

    def create_tag(self, tag: str, sha: str) -> bool:
        """Make a lightweight tag; False if it is there already, on this very commit.

        Raises TagConflict if it is there on another commit, and RevisionNotFound if GitHub
        does not have the commit (any more): its branch was rewritten.
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
        if reply.status_code == 422 and self._get(f"/git/commits/{sha}") is None:
            raise RevisionNotFound(
                f"GitHub does not have the commit {sha[:12]} (any more).",
                where=self.repository,
                next_command="Start again: the branch was rewritten meanwhile.",
            )
        raise self._refusal(reply)

    def release_of(self, tag: str) -> PublishedRelease | None:
        """The published release of ``tag``, None if there is none."""
        found = self._get(f"/releases/tags/{quote(tag)}")
        return None if found is None else _release(found)

    def draft_of(self, tag: str) -> PublishedRelease | None:
        """The draft of a release of ``tag``: GitHub shows drafts only in the whole list."""
        page = 1
        while True:
            listed = self._list(f"/releases?per_page={_PER_PAGE}&page={page}")
            found = [_release(each) for each in listed if each.get("tag_name") == tag]
            if drafts := [release for release in found if release.draft]:
                return drafts[-1]  # the oldest, if there should be several
            if len(listed) < _PER_PAGE:
                return None
            page += 1

    def publish_draft(self, draft: PublishedRelease) -> PublishedRelease:
        """Publish a draft, with the words that it has."""
        reply = self._ask("PATCH", f"/releases/{draft.id}", json={"draft": False})
        if reply.status_code == 200:
            return _release(_json(reply))
        raise self._refusal(reply)

    def create_release(
        self, *, tag: str, sha: str, name: str, body: str, draft: bool, prerelease: bool
    ) -> PublishedRelease:
        """Make a release; if it came to be meanwhile, the one that is there."""
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

    def branch_head(self, branch: str) -> str | None:
        """The newest commit of ``branch``, None if there is no such branch."""
        reference = self._get(f"/git/ref/heads/{quote(branch)}")
        return None if reference is None else _text(reference, "object", "sha")

    def compare(self, base: str, head: str) -> Comparison | None:
        """What ``head`` changed since it parted from ``base``; None if either is unknown.

        One page is enough: GitHub names all files on the first one.
        """
        found = self._get(f"/compare/{base}...{head}?per_page=1")
        if found is None:
            return None
        files = found.get("files") or []
        paths = [name for each in files for name in _names(each)]
        return Comparison(
            paths=tuple(paths),
            complete=len(files) < FILES_COMPARED_AT_MOST,
            linear=_text(found, "status") in ("ahead", "identical"),
        )

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

    def _list(self, path: str) -> list[dict[str, Any]]:
        reply = self._ask("GET", path)
        if reply.status_code != 200:
            raise self._refusal(reply)
        return _json_list(reply)

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        waited = 0.0
        while True:
            reply = self._send(method, path, **options)
            wait = seconds_to_wait(reply.status_code, reply.headers, now=self._clock())
            if wait is None:
                return reply
            if waited + wait > _LONGEST_WAIT_SECONDS:
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
    if after.isdecimal():
        return max(1.0, float(after))
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(0.0, float(reset) - now) + 1.0
    return 60.0 if status == 429 else None


def _release(fields: Mapping[str, Any]) -> PublishedRelease:
    try:
        return PublishedRelease(
            id=int(fields["id"]),
            tag=str(fields["tag_name"]),
            url=str(fields["html_url"]),
            draft=bool(fields["draft"]),
        )
    except (KeyError, TypeError, ValueError):
        raise SourceUnavailable("GitHub's answer does not read as a release.") from None


def _text(body: Any, *path: str) -> str:
    """What lies at ``path`` in an answer; SourceUnavailable if nothing does."""
    try:
        for key in path:
            body = body[key]
    except (KeyError, TypeError):
        raise SourceUnavailable(f"GitHub's answer has no '{'.'.join(path)}'.") from None
    return str(body)


def _names(file: Mapping[str, Any]) -> list[str]:
    return [str(file[key]) for key in ("filename", "previous_filename") if file.get(key)]


def _json(reply: httpx.Response) -> dict[str, Any]:
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
