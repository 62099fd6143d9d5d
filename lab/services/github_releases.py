"""Releases, as GitHub makes, lists and publishes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.services.github_errors import invalid, not_found
from lab.services.github_front import Answer, Call
from lab.services.github_git import GitRepository
from lab.services.github_handlers import Handlers
from lab.services.github_pages import paged
from lab.services.github_refs import NOTHING, Moved
from lab.services.github_shapes import VIEWER, Shape, Shapes, node
from lab.services.github_store import GitHubStore, Row

KEPT = (
    "id",
    "tag_name",
    "target_commitish",
    "name",
    "body",
    "draft",
    "prerelease",
    "created_at",
    "published_at",
    "updated_at",
)
"""What of a row is shown as it is."""
_LONGEST_BODY = 125_000


class Releases(Handlers):
    """Handlers for `/releases`; publishing makes the tag if there is none."""

    def __init__(
        self,
        repository: GitRepository,
        store: GitHubStore,
        shapes: Shapes,
        moved: Moved,
        now: Callable[[], str],
    ) -> None:
        super().__init__(repository, store, shapes, now)
        self._moved = moved

    def list_all(self, call: Call) -> Answer:
        """All releases, newest first; drafts only for those who may write."""
        rows = [row for row in self._rows() if call.may_write or not row["draft"]]
        rows.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
        return paged(call, [self._shape(row) for row in rows])

    def get(self, call: Call) -> Answer:
        """One release by its id."""
        return Answer(self._shape(self._visible(call)))

    def latest(self, _: Call) -> Answer:
        """The one marked as latest, else the newest full release."""
        rows = [row for row in self._rows() if not row["draft"] and not row["prerelease"]]
        if not rows:
            raise not_found()
        rows.sort(key=lambda row: (row["make_latest"] == "true", row["created_at"], row["id"]))
        return Answer(self._shape(rows[-1]))

    def by_tag(self, call: Call) -> Answer:
        """The published release of a tag; drafts are not found here."""
        row = self._published(call.params["tag"])
        if row is None:
            raise not_found()
        return Answer(self._shape(row))

    def create(self, call: Call) -> Answer:
        """A new release, published unless `draft`."""
        tag = call.want("tag_name")
        if not self._git.is_valid_name(f"refs/tags/{tag}"):
            raise invalid("Release", "tag_name", "custom", "tag_name is not a valid tag")
        row: Row = {
            "tag_name": tag,
            "target_commitish": call.get("target_commitish") or self._shapes.default_branch,
            "name": call.get("name"),
            "body": call.get("body") or "",
            "draft": call.get("draft", bool, False),
            "prerelease": call.get("prerelease", bool, False),
            "make_latest": call.get("make_latest", str, "legacy"),
            "created_at": self._now(),
            "updated_at": self._now(),
            "published_at": None,
        }
        if call.get("generate_release_notes", bool, False):
            row["body"] = "\n\n".join(filter(None, [row["body"], self._generated(tag)]))
        _refuse_if_too_long(row["body"])
        with self._store.change():
            if not row["draft"]:
                self._publish(row)
            row = self._store.add("releases", row)
        return Answer(self._shape(row), 201)

    def update(self, call: Call) -> Answer:
        """Change a release; `draft: false` publishes a draft."""
        row = self._visible(call)
        with self._store.change():
            row = self._visible(call)
            for name in ("tag_name", "target_commitish", "name", "body", "make_latest"):
                row[name] = call.get(name, str, row[name])
            row["prerelease"] = call.get("prerelease", bool, row["prerelease"])
            row["draft"] = call.get("draft", bool, row["draft"])
            row["updated_at"] = self._now()
            if not row["draft"]:
                self._publish(row)
        return Answer(self._shape(row))

    def delete(self, call: Call) -> Answer:
        """Take a release away; its tag stays."""
        row = self._visible(call)
        with self._store.change():
            self._store.remove("releases", row["id"])
        return Answer(status=204)

    def generate_notes(self, call: Call) -> Answer:
        """The notes that GitHub would write by itself."""
        tag = call.want("tag_name")
        return Answer({"name": tag, "body": self._generated(tag)})

    def _publish(self, row: Row) -> None:
        """Make sure that the tag exists and belongs to no other published release."""
        tag = row["tag_name"]
        other = self._published(tag)
        if other is not None and other["id"] != row.get("id"):
            raise invalid("Release", "tag_name", "already_exists")
        commit = self._git.resolve(f"refs/tags/{tag}")
        if commit is None:
            commit = self._git.resolve(row["target_commitish"])
            if commit is None:
                raise invalid("Release", "target_commitish", "invalid")
            self._git.update_ref(f"refs/tags/{tag}", commit, expected=NOTHING)
            self._moved(f"refs/tags/{tag}", NOTHING, commit)
        # GitHub dates a release by its commit; only `published_at` says when it was made.
        row["created_at"] = self._git.commit(commit).committer.date
        row["published_at"] = row["published_at"] or self._now()

    def _rows(self) -> list[Row]:
        """All releases; one whose tag was deleted is a draft again, as GitHub has it."""
        tags = {ref.name.removeprefix("refs/tags/") for ref in self._git.refs("refs/tags/")}
        return [
            {**row, "draft": row["draft"] or row["tag_name"] not in tags}
            for row in self._store.rows("releases")
        ]

    def _published(self, tag: str) -> Row | None:
        found = [row for row in self._rows() if row["tag_name"] == tag and not row["draft"]]
        return found[-1] if found else None

    def _visible(self, call: Call) -> Row:
        row = self._store.find("releases", int(call.params["release_id"]))
        if row is None or (row["draft"] and not call.may_write):
            raise not_found()
        return row

    def _generated(self, tag: str) -> str:
        published = [row["tag_name"] for row in self._rows() if not row["draft"]]
        previous = f"{published[-1]}..." if published else ""
        kind = "compare" if previous else "commits"
        return f"**Full Changelog**: {self._shapes.html}/{kind}/{previous}{tag}"

    def _shape(self, row: Row) -> Shape:
        api, html = self._shapes.api, self._shapes.html
        url = f"{api}/releases/{row['id']}"
        tag = row["tag_name"]
        page = f"untagged-{row['id']:020x}" if row["draft"] else tag
        balls: dict[str, Any] = {
            f"{kind}_url": None if row["draft"] else f"{api}/{kind}/{tag}"
            for kind in ("tarball", "zipball")
        }
        return {
            "url": url,
            "assets_url": f"{url}/assets",
            "upload_url": f"{url}/assets{{?name,label}}",
            "html_url": f"{html}/releases/tag/{page}",
            "author": self._shapes.user(VIEWER),
            "node_id": node("Release", str(row["id"])),
            **{name: row[name] for name in KEPT},
            "immutable": False,
            "assets": [],
            **balls,
        }


def _refuse_if_too_long(body: str) -> None:
    if len(body.encode("utf-16-le", "surrogatepass")) // 2 > _LONGEST_BODY:
        words = f"body is too long (maximum is {_LONGEST_BODY} characters)"
        raise invalid("Release", "body", "custom", words)
