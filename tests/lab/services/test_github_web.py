"""Links into the lab's GitHub lead somewhere, and what stands there cannot do anything."""

from __future__ import annotations

import httpx

from lab.commit import push
from lab.settings import LabSettings

REPO = "/repos/tt-lab/tt-backend"


def page(github: httpx.Client, url: str, status: int = 200) -> str:
    """A page as a browser without a token gets it."""
    reply = httpx.get(httpx.URL(github.base_url).join(url), timeout=30, trust_env=False)
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/html")
    return reply.text


def test_a_release_page_shows_its_notes_and_leads_to_its_commit(
    github: httpx.Client, settings: LabSettings
) -> None:
    sha = push(settings, "feat: <script>alert(1)</script>")
    fields = {"tag_name": "v9.0.0", "target_commitish": sha, "body": "<b>bold</b> & more"}
    made = github.post(f"{REPO}/releases", json=fields).json()
    shown = page(github, made["html_url"])
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; more" in shown
    assert f"/tt-lab/tt-backend/commit/{sha}" in shown
    commit = page(github, f"/tt-lab/tt-backend/commit/{sha}")
    assert "<script>" not in commit
    assert "&lt;script&gt;" in commit
    assert "v9.0.0" in page(github, "/tt-lab/tt-backend/releases")
    assert sha[:12] in page(github, "/tt-lab/tt-backend/compare/v0.1.0...v9.0.0")


def test_a_commit_shows_where_it_runs(github: httpx.Client) -> None:
    sha = github.get(f"{REPO}/commits/develop").json()["sha"]
    github.post(f"{REPO}/statuses/{sha}", json={"state": "success", "context": "tt-deploy/lab"})
    wanted = {"ref": sha, "environment": "lab", "required_contexts": []}
    deployment = github.post(f"{REPO}/deployments", json=wanted).json()["id"]
    github.post(f"{REPO}/deployments/{deployment}/statuses", json={"state": "in_progress"})
    shown = page(github, f"/tt-lab/tt-backend/commit/{sha}")
    assert "success: tt-deploy/lab" in shown
    assert "lab: in_progress" in shown
    assert "lab: in_progress" in page(github, "/tt-lab/tt-backend")


def test_what_is_not_there_is_a_404_page(github: httpx.Client) -> None:
    fields = {"tag_name": "v8.0.0", "target_commitish": "develop", "draft": True}
    draft = github.post(f"{REPO}/releases", json=fields).json()
    for path in (
        draft["html_url"],
        "/tt-lab/tt-backend/releases/tag/v8.0.0",
        "/tt-lab/tt-backend/commit/" + "0" * 40,
        "/tt-lab/tt-backend/compare/v0.1.0...nowhere",
    ):
        assert "Not found" in page(github, path, 404)
