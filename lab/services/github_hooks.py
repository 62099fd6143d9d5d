"""Webhooks: who wants to hear of a push, what they are told, and that they were told."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import uuid
from typing import Any

import httpx

from lab.services.github_errors import invalid, missing, not_found
from lab.services.github_front import Answer, Call
from lab.services.github_git import GitCommit
from lab.services.github_handlers import Handlers
from lab.services.github_pages import paged
from lab.services.github_refs import NOTHING
from lab.services.github_shapes import VIEWER, Shape, login
from lab.services.github_store import Row

LISTED_COMMITS = 2048
KEPT_DELIVERIES = 50
DELIVERY_TIMEOUT_SECONDS = 10.0


class Hooks(Handlers):
    """Handlers for `/hooks`, and the sender."""

    def list_all(self, call: Call) -> Answer:
        """Every webhook, its secret left out."""
        return paged(call, [self._shape(row) for row in self._store.rows("hooks")])

    def create(self, call: Call) -> Answer:
        """A webhook; GitHub pings it at once."""
        config = call.get("config", dict) or {}
        if not config.get("url"):
            raise missing("url")
        if any(row["config"]["url"] == config["url"] for row in self._store.rows("hooks")):
            raise invalid("Hook", "", "custom", "Hook already exists on this repository")
        row = {
            "events": call.get("events", list, ["push"]),
            "active": call.get("active", bool, True),
            "config": {"content_type": "form", "insecure_ssl": "0", **config},
            "created_at": self._now(),
        }
        with self._store.change():
            row = self._store.add("hooks", row)
        ping = {"zen": "Keep it logically awesome.", "hook_id": row["id"], "hook": self._shape(row)}
        self._send(row, "ping", {**ping, **self._frame()})
        return Answer(self._shape(row), 201)

    def delete(self, call: Call) -> Answer:
        """Take a webhook away."""
        row = self._known(call)
        with self._store.change():
            self._store.remove("hooks", row["id"])
        return Answer(status=204)

    def deliveries(self, call: Call) -> Answer:
        """What was sent to a webhook, newest first."""
        hook = self._known(call)
        rows = [row for row in self._store.rows("deliveries") if row["hook_id"] == hook["id"]]
        return paged(call, [_delivery_shape(row) for row in reversed(rows)])

    def redeliver(self, call: Call) -> Answer:
        """Send something again, under the same delivery id."""
        row = self._store.find("deliveries", int(call.params["delivery_id"]))
        if row is None:
            raise not_found()
        self._send(self._known(call), row["event"], row["payload"], guid=row["guid"])
        return Answer({}, 202)

    def pushed(self, ref: str, before: str, after: str) -> None:
        """A reference moved: tell every webhook that listens to pushes."""
        payload = self._push(ref, before, after)
        for hook in self._store.rows("hooks"):
            if hook["active"] and {"push", "*"} & set(hook["events"]):
                self._send(hook, "push", payload)

    def _push(self, ref: str, before: str, after: str) -> Shape:
        created, deleted = before == NOTHING, after == NOTHING
        forced = not (created or deleted) and not self._git.is_ancestor(before, after)
        commits = [] if deleted else self._new_commits(ref, before, after)
        listed = [self._commit(commit) for commit in commits[-LISTED_COMMITS:]]
        head = None if deleted else self._commit(self._git.commit(after))
        return {
            "ref": ref,
            "before": before,
            "after": after,
            "created": created,
            "deleted": deleted,
            "forced": forced,
            "base_ref": None,
            "compare": f"{self._shapes.html}/compare/{before[:12]}...{after[:12]}",
            "commits": listed,
            "head_commit": head,
            "pusher": {"name": VIEWER, "email": f"{VIEWER}@users.example"},
            **self._frame(),
        }

    def _new_commits(self, ref: str, before: str, after: str) -> list[GitCommit]:
        """Oldest first; a new branch brings what no other branch has, a tag nothing."""
        if before != NOTHING:
            return list(reversed(self._git.commits(f"{before}..{after}")))
        if ref.startswith("refs/tags/"):
            return []
        others = [f"^{r.name}" for r in self._git.refs("refs/heads/") if r.name != ref]
        return list(reversed(self._git.commits(after, *others)))

    def _frame(self) -> Shape:
        repository = self._shapes.repository(self._now())
        # A push shows these as seconds since 1970 and the main branch by its old name, too.
        extra = {"master_branch": self._shapes.default_branch, "pushed_at": int(time.time())}
        return {"repository": {**repository, **extra}, "sender": self._shapes.user(VIEWER)}

    def _commit(self, commit: GitCommit) -> Shape:
        parent = self._git.parent_or_nothing(commit)
        changes = self._git.changes(parent, commit.sha)

        def paths(*kinds: str) -> list[str]:
            return [change.path for change in changes if change.status in kinds]

        gone = [c.previous for c in changes if c.status == "renamed" and c.previous]
        author, committer = (
            {"name": who.name, "email": who.email, "username": login(who)}
            for who in (commit.author, commit.committer)
        )
        return {
            "id": commit.sha,
            "tree_id": commit.tree,
            "distinct": True,
            "message": commit.message,
            "timestamp": commit.committer.date,
            "url": f"{self._shapes.html}/commit/{commit.sha}",
            "author": author,
            "committer": committer,
            "added": paths("added", "renamed", "copied"),
            "removed": paths("removed") + gone,
            "modified": paths("modified", "changed"),
        }

    def _send(self, hook: Row, event: str, payload: Shape, *, guid: str = "") -> None:
        """Deliver in a thread of its own: a receiver that hangs holds up nobody's push."""
        guid = guid or str(uuid.uuid4())
        threading.Thread(target=self._deliver, args=(hook, event, payload, guid)).start()

    def _deliver(self, hook: Row, event: str, payload: Shape, guid: str) -> None:
        body = json.dumps(payload).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/lab",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": guid,
            "X-GitHub-Hook-ID": str(hook["id"]),
            "X-GitHub-Hook-Installation-Target-Type": "repository",
            **signatures(body, hook["config"].get("secret", "")),
        }
        status, began = 0, time.monotonic()
        try:
            reply = httpx.post(
                hook["config"]["url"],
                content=body,
                headers=headers,
                timeout=DELIVERY_TIMEOUT_SECONDS,
                trust_env=False,
            )
            status = reply.status_code
        except httpx.HTTPError as error:
            print(f"webhook {hook['config']['url']}: {error!r}", flush=True)
        self._record(hook, event, guid, payload, status, time.monotonic() - began)

    def _record(
        self, hook: Row, event: str, guid: str, payload: Shape, status: int, seconds: float
    ) -> None:
        row: dict[str, Any] = {
            "hook_id": hook["id"],
            "guid": guid,
            "event": event,
            "payload": payload,
            "status_code": status,
            "duration": round(seconds, 3),
            "delivered_at": self._now(),
        }
        with self._store.change():
            row["redelivery"] = any(r["guid"] == guid for r in self._store.rows("deliveries"))
            self._store.add("deliveries", row)
            for old in self._store.rows("deliveries")[:-KEPT_DELIVERIES]:
                self._store.remove("deliveries", old["id"])

    def _known(self, call: Call) -> Row:
        row = self._store.find("hooks", int(call.params["hook_id"]))
        if row is None:
            raise not_found()
        return row

    def _shape(self, row: Row) -> Shape:
        url = f"{self._shapes.api}/hooks/{row['id']}"
        config = {k: "********" if k == "secret" else v for k, v in row["config"].items()}
        return {
            "type": "Repository",
            "id": row["id"],
            "name": "web",
            "active": row["active"],
            "events": row["events"],
            "config": config,
            "updated_at": row["created_at"],
            "created_at": row["created_at"],
            "url": url,
            "test_url": f"{url}/test",
            "ping_url": f"{url}/pings",
            "deliveries_url": f"{url}/deliveries",
            "last_response": {"code": None, "status": "unused", "message": None},
        }


def signatures(body: bytes, secret: str) -> dict[str, str]:
    """The headers that prove that a delivery comes from who knows the secret."""
    if not secret:
        return {}
    return {
        "X-Hub-Signature": f"sha1={hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}",
        "X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}",
    }


def _delivery_shape(row: Row) -> Shape:
    ok = 200 <= row["status_code"] < 300
    return {
        "id": row["id"],
        "guid": row["guid"],
        "delivered_at": row["delivered_at"],
        "redelivery": row["redelivery"],
        "duration": row["duration"],
        "status": "OK" if ok else f"Invalid HTTP Response: {row['status_code']}",
        "status_code": row["status_code"],
        "event": row["event"],
        "action": None,
        "installation_id": None,
        "repository_id": None,
        "throttled_at": None,
    }
