"""GitHub's REST API: tags, releases, branches. One call a method; a 404 is an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from blocks.github_api import GitHubApi, json_object, text_at
from delivery.errors import RevisionNotFound, SourceUnavailable, TagConflict
from delivery.service_checks import GitHubAccess
from delivery.trigger import FILES_COMPARED_AT_MOST

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
    """The door to one repository; what every call may raise is said by ``GitHubApi``."""

    def __init__(self, api: GitHubApi) -> None:
        self.repository = api.repository
        self._api = api

    def access(self) -> GitHubAccess:
        """What the token may do in the repository, and when it ends.

        Raises AccessDenied if the token is not accepted, or sees no such repository. Of a
        fine-grained token GitHub tells what its user may do.
        """
        reply = self._api.ask("GET", "")
        if reply.status_code != 200:
            raise self._api.refusal(reply)
        rights = json_object(reply).get("permissions")
        return GitHubAccess(
            push=isinstance(rights, dict) and bool(rights.get("push")),
            expires=reply.headers.get("github-authentication-token-expiration", ""),
        )

    def tag_commit(self, tag: str) -> str | None:
        """The commit that ``tag`` names (an annotated tag is followed), None if there is none."""
        reference = self._api.get(f"/git/ref/tags/{quote(tag)}")
        if reference is None:
            return None
        target = text_at(reference, "object", "sha")
        if text_at(reference, "object", "type") != "tag":
            return target
        annotated = self._api.get(f"/git/tags/{target}")
        return None if annotated is None else text_at(annotated, "object", "sha")

    def create_tag(self, tag: str, sha: str) -> bool:
        """Make a lightweight tag; False if it is there already, on this very commit.

        Raises TagConflict if it is there on another commit, and RevisionNotFound if GitHub
        does not have the commit (any more): its branch was rewritten.
        """
        reply = self._api.ask("POST", "/git/refs", json={"ref": f"refs/tags/{tag}", "sha": sha})
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
        if reply.status_code == 422 and self._api.get(f"/git/commits/{sha}") is None:
            raise RevisionNotFound(
                f"GitHub does not have the commit {sha[:12]} (any more).",
                where=self.repository,
                next_command="Start again: the branch was rewritten meanwhile.",
            )
        raise self._api.refusal(reply)

    def release_of(self, tag: str) -> PublishedRelease | None:
        """The published release of ``tag``, None if there is none."""
        found = self._api.get(f"/releases/tags/{quote(tag)}")
        return None if found is None else _release(found)

    def draft_of(self, tag: str) -> PublishedRelease | None:
        """The draft of a release of ``tag``: GitHub shows drafts only in the whole list."""
        page = 1
        while True:
            listed = self._api.rows(f"/releases?per_page={_PER_PAGE}&page={page}")
            found = [_release(each) for each in listed if each.get("tag_name") == tag]
            if drafts := [release for release in found if release.draft]:
                return drafts[-1]  # the oldest, if there should be several
            if len(listed) < _PER_PAGE:
                return None
            page += 1

    def publish_draft(self, draft: PublishedRelease) -> PublishedRelease:
        """Publish a draft, with the words that it has."""
        reply = self._api.ask("PATCH", f"/releases/{draft.id}", json={"draft": False})
        if reply.status_code == 200:
            return _release(json_object(reply))
        raise self._api.refusal(reply)

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
        reply = self._api.ask("POST", "/releases", json=fields)
        if reply.status_code == 201:
            return _release(json_object(reply))
        if reply.status_code == 422 and (existing := self.release_of(tag)):
            return existing
        raise self._api.refusal(reply)

    def branch_head(self, branch: str) -> str | None:
        """The newest commit of ``branch``, None if there is no such branch."""
        reference = self._api.get(f"/git/ref/heads/{quote(branch)}")
        return None if reference is None else text_at(reference, "object", "sha")

    def compare(self, base: str, head: str) -> Comparison | None:
        """What ``head`` changed since it parted from ``base``; None if either is unknown.

        One page is enough: GitHub names all files on the first one.
        """
        found = self._api.get(f"/compare/{base}...{head}?per_page=1")
        if found is None:
            return None
        files = found.get("files") or []
        paths = [name for each in files for name in _names(each)]
        return Comparison(
            paths=tuple(paths),
            complete=len(files) < FILES_COMPARED_AT_MOST,
            linear=text_at(found, "status") in ("ahead", "identical"),
        )

    def close(self) -> None:
        """Close the connections."""
        self._api.close()


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


def _names(file: Mapping[str, Any]) -> list[str]:
    return [str(file[key]) for key in ("filename", "previous_filename") if file.get(key)]
