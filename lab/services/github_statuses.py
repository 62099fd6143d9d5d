"""The statuses of commits."""

from __future__ import annotations

from lab.services.github_errors import GitHubError, invalid
from lab.services.github_front import Answer, Call
from lab.services.github_handlers import Handlers
from lab.services.github_pages import paged
from lab.services.github_shapes import VIEWER, Shape, node
from lab.services.github_store import GitHubStore, Row

COMMIT_STATES = ("error", "failure", "pending", "success")


class Statuses(Handlers):
    """Handlers for `/statuses` and what commits tell of them."""

    def create(self, call: Call) -> Answer:
        """A status of a commit, one for each context counts."""
        sha = self._commit(call.params["ref"])
        state = call.want("state")
        if state not in COMMIT_STATES:
            raise invalid("Status", "state", "custom", f"{state} is not included in the list")
        row = {
            "sha": sha,
            "state": state,
            "description": call.get("description"),
            "target_url": call.get("target_url"),
            "context": call.get("context", str, "default"),
            "created_at": self._now(),
        }
        with self._store.change():
            row = self._store.add("statuses", row)
        return Answer(self._shape(row, with_creator=True), 201)

    def list_all(self, call: Call) -> Answer:
        """Every status of a commit, newest first."""
        sha = self._commit(call.params["ref"])
        rows = [row for row in reversed(self._store.rows("statuses")) if row["sha"] == sha]
        return paged(call, [self._shape(row, with_creator=True) for row in rows])

    def combined(self, call: Call) -> Answer:
        """The newest status of each context, and what they come to."""
        sha = self._commit(call.params["ref"])
        newest = newest_by_context(self._store, sha)
        states = {row["state"] for row in newest}
        failed = states & {"error", "failure"}
        whole = "failure" if failed else "success" if states == {"success"} else "pending"
        repository = self._shapes.repository(self._now())
        short = {k: v for k, v in repository.items() if not k.startswith(("has_", "permissions"))}
        return Answer(
            {
                "state": whole,
                "statuses": [self._shape(r, with_creator=False) for r in newest],
                "sha": sha,
                "total_count": len(newest),
                "repository": short,
                "commit_url": f"{self._shapes.api}/commits/{sha}",
                "url": f"{self._shapes.api}/commits/{sha}/status",
            }
        )

    def _commit(self, name: str) -> str:
        sha = self._git.resolve(name)
        if sha is None:
            raise GitHubError(422, f"No commit found for SHA: {name}")
        return sha

    def _shape(self, row: Row, *, with_creator: bool) -> Shape:
        shape = {
            "url": f"{self._shapes.api}/statuses/{row['sha']}",
            "avatar_url": f"{self._shapes.base}/avatars/{VIEWER}",
            "id": row["id"],
            "node_id": node("StatusContext", str(row["id"])),
            "state": row["state"],
            "description": row["description"],
            "target_url": row["target_url"],
            "context": row["context"],
            "created_at": row["created_at"],
            "updated_at": row["created_at"],
        }
        return {**shape, "creator": self._shapes.user(VIEWER)} if with_creator else shape


def newest_by_context(store: GitHubStore, sha: str) -> list[Row]:
    """The last word of each context on a commit."""
    rows = [row for row in store.rows("statuses") if row["sha"] == sha]
    return list({row["context"]: row for row in rows}.values())
