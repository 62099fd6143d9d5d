"""Deployments and how they went."""

from __future__ import annotations

from lab.services.github_errors import GitHubError, invalid, not_found
from lab.services.github_front import Answer, Call
from lab.services.github_handlers import Handlers
from lab.services.github_pages import paged
from lab.services.github_shapes import VIEWER, Shape, node
from lab.services.github_statuses import newest_by_context
from lab.services.github_store import Row

STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
DESCRIPTION_LIMIT = 140


class Deployments(Handlers):
    """Handlers for `/deployments`."""

    def list_all(self, call: Call) -> Answer:
        """Deployments, newest first, perhaps of one SHA, reference, task or environment."""
        rows = list(reversed(self._store.rows("deployments")))
        for name in ("sha", "ref", "task", "environment"):
            if name in call.query:
                rows = [row for row in rows if row[name] == call.query[name]]
        return paged(call, [self._shape(row) for row in rows])

    def get(self, call: Call) -> Answer:
        """One deployment."""
        return Answer(self._shape(self._known(call)))

    def create(self, call: Call) -> Answer:
        """Announce a deployment, if the reference is not behind and its checks passed."""
        ref = call.want("ref")
        sha = self._git.resolve(ref)
        if sha is None:
            raise GitHubError(422, f"No ref found for: {ref}")
        if call.get("auto_merge", bool, True):
            self._refuse_behind(ref, sha)
        self._refuse_unchecked(call, ref, sha)
        environment = call.get("environment", str, "production")
        row: Row = {
            "sha": sha,
            "ref": ref,
            "task": call.get("task", str, "deploy"),
            "payload": call.body.get("payload", {}),
            "environment": environment,
            "description": call.get("description"),
            "transient": call.get("transient_environment", bool, False),
            "production": call.get("production_environment", bool, environment == "production"),
            "created_at": self._now(),
        }
        with self._store.change():
            row = self._store.add("deployments", row)
        return Answer(self._shape(row), 201)

    def delete(self, call: Call) -> Answer:
        """Forget an inactive deployment, or the only one."""
        row = self._known(call)
        others = [r for r in self._store.rows("deployments") if r["id"] != row["id"]]
        if others and self._state(row) not in ("inactive", "failure", "error", None):
            raise GitHubError(
                422,
                "We cannot delete an active deployment unless it is the only deployment "
                "in a given environment.",
            )
        with self._store.change():
            self._store.remove("deployments", row["id"])
        return Answer(status=204)

    def statuses(self, call: Call) -> Answer:
        """How a deployment went, newest first."""
        rows = self._statuses_of(self._known(call))
        return paged(call, [self._status_shape(row) for row in reversed(rows)])

    def create_status(self, call: Call) -> Answer:
        """Tell how a deployment goes; success puts its predecessors out of use."""
        deployment = self._known(call)
        state = call.want("state")
        if state not in STATES:
            raise invalid("DeploymentStatus", "state", "custom", f"{state} is not a valid state")
        description = call.get("description", str, "")
        if len(description) > DESCRIPTION_LIMIT:
            raise invalid("DeploymentStatus", "description", "custom", "description is too long")
        row = {
            "deployment_id": deployment["id"],
            "state": state,
            "description": description,
            "environment": call.get("environment", str, deployment["environment"]),
            "log_url": call.get("log_url") or call.get("target_url") or "",
            "environment_url": call.get("environment_url", str, ""),
            "created_at": self._now(),
        }
        with self._store.change():
            if state == "success" and call.get("auto_inactive", bool, True):
                self._retire_others(deployment)
            row = self._store.add("deployment_statuses", row)
        return Answer(self._status_shape(row), 201)

    def _refuse_behind(self, ref: str, sha: str) -> None:
        main = self._shapes.default_branch
        head = self._git.resolve(f"refs/heads/{main}")
        if head and not self._git.is_ancestor(head, sha):
            # The real one merges the default branch into a branch; into a SHA it cannot.
            raise GitHubError(409, f"Conflict merging {main} into {ref}.")

    def _refuse_unchecked(self, call: Call, ref: str, sha: str) -> None:
        wanted = call.get("required_contexts", list)
        newest = {row["context"]: row["state"] for row in newest_by_context(self._store, sha)}
        contexts = list(newest) if wanted is None else wanted
        if failed := [context for context in contexts if newest.get(context) != "success"]:
            states = [{"context": c, "state": newest.get(c, "pending")} for c in failed]
            error = {
                "contexts": states,
                "resource": "Deployment",
                "field": "required_contexts",
                "code": "invalid",
            }
            raise GitHubError(409, f"Conflict: Commit status checks failed for {ref}.", [error])

    def _retire_others(self, deployment: Row) -> None:
        for other in list(self._store.rows("deployments")):
            same = other["environment"] == deployment["environment"]
            lasting = other["transient"] or other["production"]
            if other["id"] != deployment["id"] and same and not lasting:
                self._store.add(
                    "deployment_statuses",
                    {
                        "deployment_id": other["id"],
                        "state": "inactive",
                        "description": "",
                        "environment": other["environment"],
                        "log_url": "",
                        "environment_url": "",
                        "created_at": self._now(),
                    },
                )

    def _statuses_of(self, deployment: Row) -> list[Row]:
        rows = self._store.rows("deployment_statuses")
        return [row for row in rows if row["deployment_id"] == deployment["id"]]

    def _state(self, deployment: Row) -> str | None:
        rows = self._statuses_of(deployment)
        state: str | None = rows[-1]["state"] if rows else None
        return state

    def _known(self, call: Call) -> Row:
        row = self._store.find("deployments", int(call.params["deployment_id"]))
        if row is None:
            raise not_found()
        return row

    def _shape(self, row: Row) -> Shape:
        url = f"{self._shapes.api}/deployments/{row['id']}"
        kept = ("id", "sha", "ref", "task", "payload", "environment", "description", "created_at")
        return {
            "url": url,
            "node_id": node("Deployment", str(row["id"])),
            **{name: row[name] for name in kept},
            "original_environment": row["environment"],
            "creator": self._shapes.user(VIEWER),
            "updated_at": row["created_at"],
            "statuses_url": f"{url}/statuses",
            "repository_url": self._shapes.api,
            "transient_environment": row["transient"],
            "production_environment": row["production"],
        }

    def _status_shape(self, row: Row) -> Shape:
        deployment_url = f"{self._shapes.api}/deployments/{row['deployment_id']}"
        kept = ("id", "state", "description", "environment", "log_url", "environment_url")
        return {
            "url": f"{deployment_url}/statuses/{row['id']}",
            "node_id": node("DeploymentStatus", str(row["id"])),
            **{name: row[name] for name in kept},
            "creator": self._shapes.user(VIEWER),
            "target_url": row["log_url"],
            "created_at": row["created_at"],
            "updated_at": row["created_at"],
            "deployment_url": deployment_url,
            "repository_url": self._shapes.api,
        }
