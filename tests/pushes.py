"""Pushes for tests: as values, as GitHub's payloads, and the real ones that GitHub published."""

import hashlib
import hmac
import json
import uuid
from pathlib import Path
from typing import Any

from delivery.trigger import NO_COMMIT, Push, PushedCommit
from tests.npm import ROOT, install_packages

EXAMPLES = Path("tests/golden/webhooks")
SECRET = "the-secret-of-these-tests"
REPOSITORY = "tt-lab/tt-backend"


def sha(number: int) -> str:
    """A commit's name, recognisable in a failure."""
    return f"{number:040x}"


def a_push(
    *paths: str,
    ref: str = "refs/heads/develop",
    before: str = sha(1),
    after: str = sha(2),
    forced: bool = False,
    commits: tuple[PushedCommit, ...] | None = None,
) -> Push:
    """A push of one commit that changes ``paths``, unless told otherwise."""
    listed = (PushedCommit(after, paths),) if commits is None else commits
    return Push(REPOSITORY, ref, before, after, forced, "kim", listed)


def payload(push: Push, **fields: Any) -> bytes:
    """The push as GitHub would send it, down to fields that nobody asked for."""
    body = {
        "ref": push.ref,
        "before": push.before,
        "after": push.after,
        "forced": push.forced,
        "created": push.before == NO_COMMIT,
        "repository": {"id": 1, "full_name": push.repository, "pushed_at": 1_700_000_000},
        "pusher": {"name": push.actor, "email": None},
        "commits": [
            {"id": each.sha, "message": "m", "added": [], "removed": [], "modified": each.paths}
            for each in push.commits
        ],
        **fields,
    }
    return json.dumps(body).encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    """What GitHub sends in X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(
    body: bytes, *, event: str = "push", delivery: str = "", secret: str = SECRET
) -> dict[str, str]:
    """The headers of a delivery."""
    return {
        "content-type": "application/json",
        "x-github-event": event,
        "x-github-delivery": delivery or str(uuid.uuid4()),
        "x-hub-signature-256": signature(body, secret),
    }


def real_payloads(event: str) -> list[dict[str, Any]]:
    """The payloads of an event that GitHub published, of github.com and of its servers."""
    install_packages(str(EXAMPLES))
    folder = ROOT / EXAMPLES / "node_modules" / "@octokit" / "webhooks-examples"
    kinds = [
        kind for index in folder.glob("*/index.json") for kind in json.loads(index.read_text())
    ]
    return [example for kind in kinds if kind["name"] == event for example in kind["examples"]]
