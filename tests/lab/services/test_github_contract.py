"""The lab's GitHub answers as GitHub's published description says, call by call."""

from __future__ import annotations

import httpx
import pytest

from lab.commit import push
from lab.settings import LabSettings
from tests.github_contract import ContractViolation, description

REPO = "/repos/tt-lab/tt-backend"


def ok(response: httpx.Response, status: int = 200) -> httpx.Response:
    assert response.status_code == status, response.text
    return response


def head(github: httpx.Client, ref: str = "develop") -> str:
    sha: str = ok(github.get(f"{REPO}/commits/{ref}")).json()["sha"]
    return sha


@pytest.mark.parametrize(
    "path",
    [
        REPO,
        f"{REPO}/branches",
        f"{REPO}/branches/develop",
        f"{REPO}/commits",
        f"{REPO}/commits?sha=v0.1.0&per_page=1&page=2",
        f"{REPO}/commits?path=src&since=2020-01-01T00:00:00Z",
        f"{REPO}/commits/develop",
        f"{REPO}/commits/v0.1.0",
        f"{REPO}/commits/develop/pulls",
        f"{REPO}/commits/develop/status",
        f"{REPO}/commits/develop/statuses",
        f"{REPO}/compare/v0.1.0...develop",
        f"{REPO}/compare/develop...v0.1.0?per_page=1",
        f"{REPO}/git/ref/heads/develop",
        f"{REPO}/git/ref/tags/v0.1.0",
        f"{REPO}/git/matching-refs/tags/v",
        f"{REPO}/git/matching-refs/tags/nothing",
        f"{REPO}/tags",
        f"{REPO}/releases",
        f"{REPO}/releases/latest",
        f"{REPO}/releases/tags/v0.1.0",
        f"{REPO}/deployments",
        f"{REPO}/hooks",
        f"{REPO}/contents/",
        f"{REPO}/contents/src",
        f"{REPO}/contents/src/main/resources/behaviour.properties?ref=develop",
        "/user",
        "/rate_limit",
    ],
)
def test_what_is_read_has_githubs_shape(untouched_github: httpx.Client, path: str) -> None:
    ok(untouched_github.get(path))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/repos/tt-lab/other", 404),
        (f"{REPO}/branches/nope", 404),
        (f"{REPO}/commits/nope", 422),
        (f"{REPO}/compare/nope...develop", 404),
        (f"{REPO}/git/ref/tags/v0", 404),
        (f"{REPO}/git/tags/0000000000000000000000000000000000000000", 404),
        (f"{REPO}/releases/tags/v9", 404),
        (f"{REPO}/releases/1", 404),
        (f"{REPO}/deployments/1", 404),
        (f"{REPO}/contents/nope", 404),
    ],
)
def test_what_is_not_there_is_refused_in_githubs_shape(
    untouched_github: httpx.Client, path: str, status: int
) -> None:
    body = ok(untouched_github.get(path), status).json()
    assert body["documentation_url"].startswith("https://docs.github.com/")


def test_references_are_made_moved_and_deleted(github: httpx.Client) -> None:
    old, new = head(github, "v0.1.0"), head(github)
    made = {"ref": "refs/heads/next", "sha": old}
    ok(github.post(f"{REPO}/git/refs", json=made), 201)
    taken = ok(github.post(f"{REPO}/git/refs", json=made), 422)
    assert taken.json()["message"] == "Reference already exists"
    ok(github.patch(f"{REPO}/git/refs/heads/next", json={"sha": new}))
    back = ok(github.patch(f"{REPO}/git/refs/heads/next", json={"sha": old}), 422)
    assert back.json()["message"] == "Update is not a fast forward"
    ok(github.patch(f"{REPO}/git/refs/heads/next", json={"sha": old, "force": True}))
    ok(github.delete(f"{REPO}/git/refs/heads/next"), 204)
    gone = ok(github.delete(f"{REPO}/git/refs/heads/next"), 422)
    assert gone.json()["message"] == "Reference does not exist"


def test_an_annotated_tag_is_an_object_that_needs_a_reference(github: httpx.Client) -> None:
    body = {"tag": "v5.0.0", "message": "five", "object": head(github), "type": "commit"}
    made = ok(github.post(f"{REPO}/git/tags", json=body), 201).json()
    ok(github.get(f"{REPO}/git/ref/tags/v5.0.0"), 404)
    ref = {"ref": "refs/tags/v5.0.0", "sha": made["sha"]}
    assert ok(github.post(f"{REPO}/git/refs", json=ref), 201).json()["object"]["type"] == "tag"
    assert ok(github.get(f"{REPO}/git/tags/{made['sha']}")).json()["message"] == "five"
    assert head(github, "v5.0.0") == body["object"]


def test_a_release_makes_its_tag_and_lives_through_draft_and_deletion(
    github: httpx.Client,
) -> None:
    body = {"tag_name": "v0.2.0", "name": "v0.2.0", "body": "new", "draft": True}
    draft = ok(github.post(f"{REPO}/releases", json=body), 201).json()
    ok(github.get(f"{REPO}/git/ref/tags/v0.2.0"), 404)
    ok(github.get(f"{REPO}/releases/tags/v0.2.0"), 404)
    one = f"{REPO}/releases/{draft['id']}"
    published = ok(github.patch(one, json={"draft": False})).json()
    assert published["published_at"] is not None
    assert head(github, "v0.2.0") == head(github)
    assert ok(github.get(f"{REPO}/releases/latest")).json()["tag_name"] == "v0.2.0"
    again = ok(github.post(f"{REPO}/releases", json={"tag_name": "v0.2.0"}), 422).json()
    assert again["errors"][0]["code"] == "already_exists"
    ok(github.delete(one), 204)
    ok(github.get(f"{REPO}/git/ref/tags/v0.2.0"))


def test_generated_notes_compare_with_the_release_before(github: httpx.Client) -> None:
    notes = ok(github.post(f"{REPO}/releases/generate-notes", json={"tag_name": "v0.2.0"}))
    assert "v0.1.0...v0.2.0" in notes.json()["body"]


def test_deployments_and_statuses_are_kept(github: httpx.Client) -> None:
    sha = head(github)
    body = {"ref": sha, "auto_merge": False, "required_contexts": [], "environment": "lab"}
    made = ok(github.post(f"{REPO}/deployments", json=body), 201).json()
    one = f"{REPO}/deployments/{made['id']}"
    for state in ("in_progress", "success"):
        told = {"state": state, "log_url": "http://localhost/run", "description": "so far"}
        ok(github.post(f"{one}/statuses", json=told), 201)
    assert [row["state"] for row in ok(github.get(f"{one}/statuses")).json()] == [
        "success",
        "in_progress",
    ]
    assert ok(github.get(f"{REPO}/deployments?environment=lab")).json()[0]["id"] == made["id"]
    status = {"state": "success", "context": "tt-deploy", "target_url": "http://localhost"}
    ok(github.post(f"{REPO}/statuses/{sha}", json=status), 201)
    assert ok(github.get(f"{REPO}/commits/{sha}/status")).json()["state"] == "success"


def test_webhooks_are_managed(github: httpx.Client) -> None:
    config = {"url": "http://127.0.0.1:1/hook", "content_type": "json", "secret": "s3cret"}
    made = ok(github.post(f"{REPO}/hooks", json={"config": config}), 201).json()
    assert made["config"]["secret"] == "********"
    ok(github.get(f"{REPO}/hooks"))
    ok(github.get(f"{REPO}/hooks/{made['id']}/deliveries"))
    ok(github.delete(f"{REPO}/hooks/{made['id']}"), 204)


def test_a_field_that_is_missing_or_wrong_is_named(untouched_github: httpx.Client) -> None:
    with httpx.Client(
        base_url=untouched_github.base_url,
        headers=untouched_github.headers,
        timeout=30,
        trust_env=False,
    ) as plain:
        missing = plain.post(f"{REPO}/releases", json={"name": "x"})
        assert missing.json()["message"] == 'Invalid request.\n\n"tag_name" wasn\'t supplied.'
        wrong = plain.post(f"{REPO}/releases", json={"tag_name": "v1", "draft": "yes"})
        assert wrong.status_code == 422
        broken = plain.post(f"{REPO}/releases", content=b"{")
        assert (broken.status_code, broken.json()["message"]) == (400, "Problems parsing JSON")


def test_a_pushed_commit_shows_up_at_once(github: httpx.Client, settings: LabSettings) -> None:
    sha = push(settings, "feat: something new", behaviour="never-healthy")
    seen = ok(github.get(f"{REPO}/commits/develop")).json()
    assert seen["sha"] == sha
    assert seen["commit"]["message"] == "feat: something new"
    path = "src/main/resources/behaviour.properties"
    raw = github.get(f"{REPO}/contents/{path}", headers={"Accept": "application/vnd.github.raw"})
    assert raw.text.splitlines()[-1] == "behaviour=never-healthy"


@pytest.mark.parametrize(
    ("method", "path", "body", "complaint"),
    [
        ("GET", "/repos/a/b/no-such-thing", None, "describes no GET"),
        ("GET", "/repos/a/b/commits?branch=x", None, "no query parameter 'branch'"),
        ("POST", "/repos/a/b/releases", {"name": "x"}, "'tag_name' is a required property"),
        ("POST", "/repos/a/b/releases", {"tag_name": "v1", "tagname": 1}, "$.tagname"),
        ("POST", "/repos/a/b/git/refs", {"ref": "refs/tags/x", "sha": 5}, "not of type 'string'"),
    ],
)
def test_the_judge_refuses_requests_that_github_does_not_describe(
    method: str, path: str, body: dict[str, object] | None, complaint: str
) -> None:
    request = httpx.Request(method, f"http://github.test{path}", json=body)
    if body is None:
        request = httpx.Request(method, f"http://github.test{path}")
    with pytest.raises(ContractViolation) as refused:
        description().check_request(request)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (200, {"ref": "refs/tags/v1"}, "required property"),
        (418, {"message": "teapot"}, "not described"),
        (404, ["no"], "not of type 'object'"),
    ],
)
def test_the_judge_refuses_answers_that_github_would_not_give(
    status: int, body: object, complaint: str
) -> None:
    request = httpx.Request("GET", "http://github.test/repos/a/b/git/ref/tags/v1")
    response = httpx.Response(status, json=body, request=request)
    with pytest.raises(ContractViolation) as refused:
        description().check_response(response)
    assert complaint in str(refused.value)


def test_the_judge_refuses_fields_that_github_does_not_have() -> None:
    request = httpx.Request("GET", "http://github.test/repos/a/b/git/ref/tags/v1")
    target = {"type": "commit", "sha": "a" * 40, "url": "http://x", "cheerful": True}
    body = {"ref": "refs/tags/v1", "node_id": "x", "url": "http://x", "object": target}
    with pytest.raises(ContractViolation, match=r"object\.cheerful"):
        description().check_response(httpx.Response(200, json=body, request=request))
