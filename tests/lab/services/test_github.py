"""What the lab's GitHub does beyond its shapes: rights, limits, pages, git and webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from lab.commit import authorization, push
from lab.services.github_git import ENVIRONMENT
from lab.settings import LabSettings
from tests.lab.services.conftest import github_of

REPO = "/repos/tt-lab/tt-backend"
NOTHING = "0" * 40


def with_token(github: httpx.Client, token: str, **permissions: str) -> dict[str, str]:
    """Headers of a token with these permissions."""
    body = {"text": token, "permissions": permissions}
    github.post("/_lab/tokens", json=body).raise_for_status()
    return {"Authorization": f"Bearer {token}"}


def head(github: httpx.Client, ref: str = "develop") -> str:
    sha: str = github.get(f"{REPO}/commits/{ref}").json()["sha"]
    return sha


def git(directory: Path, *arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    access = authorization(token) if token else {}
    return subprocess.run(
        ["git", *arguments],
        cwd=directory,
        env={**ENVIRONMENT, **access},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_unknown_an_expired_and_a_missing_token_are_refused(github: httpx.Client) -> None:
    bad = github.get(REPO, headers={"Authorization": "Bearer nope"})
    assert (bad.status_code, bad.json()["message"]) == (401, "Bad credentials")
    expired = {"text": "old", "expires_at": time.time() - 1}
    github.post("/_lab/tokens", json=expired)
    assert github.get(REPO, headers={"Authorization": "token old"}).status_code == 401
    del github.headers["Authorization"]
    assert github.get(REPO).status_code == 200
    made = github.post(f"{REPO}/releases", json={"tag_name": "v1"})
    assert (made.status_code, made.json()["message"]) == (401, "Requires authentication")


def test_a_repository_says_what_the_token_may_and_every_answer_when_it_ends(
    github: httpx.Client,
) -> None:
    assert github.get(REPO).json()["permissions"]["push"] is True
    reader = {"text": "ghp_reader", "permissions": {}, "expires_at": 4_102_444_800}
    github.post("/_lab/tokens", json=reader)
    answer = github.get(REPO, headers={"Authorization": "Bearer ghp_reader"})
    assert answer.json()["permissions"]["push"] is False
    ends = answer.headers["github-authentication-token-expiration"]
    assert ends == "2100-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("git/refs", {"ref": "refs/tags/v1", "sha": "a" * 40}),
        ("releases", {"tag_name": "v1"}),
        ("deployments", {"ref": "develop"}),
        ("hooks", {"config": {"url": "http://localhost"}}),
    ],
)
def test_a_token_that_may_only_read_cannot_write(
    untouched_github: httpx.Client, path: str, body: dict[str, object]
) -> None:
    reader = with_token(untouched_github, "reader", contents="read")
    refused = untouched_github.post(f"{REPO}/{path}", json=body, headers=reader)
    assert refused.status_code == 403
    assert refused.json()["message"] == "Resource not accessible by personal access token"


def test_drafts_are_seen_only_by_those_who_may_write(github: httpx.Client) -> None:
    draft = github.post(f"{REPO}/releases", json={"tag_name": "v3.0.0", "draft": True}).json()
    reader = with_token(github, "reader", contents="read")
    assert "v3.0.0" in {row["tag_name"] for row in github.get(f"{REPO}/releases").json()}
    seen = github.get(f"{REPO}/releases", headers=reader).json()
    assert "v3.0.0" not in {row["tag_name"] for row in seen}
    assert github.get(f"{REPO}/releases/{draft['id']}", headers=reader).status_code == 404


def test_every_page_is_reached_by_its_link_and_nothing_twice(
    untouched_github: httpx.Client,
) -> None:
    whole = [row["sha"] for row in untouched_github.get(f"{REPO}/commits").json()]
    url: str | None = f"{REPO}/commits?per_page=2"
    seen: list[str] = []
    while url:
        page = untouched_github.get(url)
        seen += [row["sha"] for row in page.json()]
        url = page.links.get("next", {}).get("url")
    assert seen == whole
    assert len(whole) > 2


def test_an_unchanged_answer_costs_nothing(untouched_github: httpx.Client) -> None:
    first = untouched_github.get(REPO)
    again = untouched_github.get(REPO, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    left = "x-ratelimit-remaining"
    assert again.headers[left] == first.headers[left]


def test_the_hour_has_an_end_and_says_when_the_next_begins(github: httpx.Client) -> None:
    github.get(REPO)
    github.post("/_lab/rate_limit", json={"limit": 2, "reset_in_seconds": 6})
    assert github.get(REPO).status_code == 200
    assert github.get(REPO).headers["x-ratelimit-remaining"] == "0"
    over = github.get(REPO)
    assert over.status_code == 403
    assert over.json()["message"].startswith("API rate limit exceeded")
    assert github.get("/rate_limit").json()["rate"]["remaining"] == 0
    time.sleep(max(0.0, float(over.headers["x-ratelimit-reset"]) - time.time()))
    assert github.get(REPO).status_code == 200


def test_a_comparison_shows_the_newest_250_commits_unless_paged(
    github: httpx.Client, settings: LabSettings
) -> None:
    bare = settings.home / "github" / "tt-backend.git"
    base = head(github)
    lines = []
    for number in range(260):
        lines += [
            "commit refs/heads/develop",
            f"committer A <a@tt.example> {1_700_000_000 + number} +0000",
            f"data {len(str(number))}",
            str(number),
            *([f"from {base}"] if number == 0 else []),
        ]
    subprocess.run(
        ["git", "fast-import", "--quiet"],
        cwd=bare,
        input="\n".join([*lines, ""]),
        text=True,
        check=True,
        timeout=60,
    )
    path = f"{REPO}/compare/{base}...develop"
    whole = github.get(path).json()
    assert (whole["total_commits"], len(whole["commits"])) == (260, 250)
    assert whole["commits"][-1]["commit"]["message"] == "259"
    paged = github.get(f"{path}?per_page=100&page=3")
    assert [c["commit"]["message"] for c in paged.json()["commits"]] == [
        str(number) for number in range(200, 260)
    ]
    assert paged.json()["files"] == []


def test_a_rename_a_change_and_a_deletion_are_told_apart(
    github: httpx.Client, settings: LabSettings, tmp_path: Path
) -> None:
    remote = f"{settings.url('github')}/{settings.slug}.git"
    work = tmp_path / "work"
    assert git(tmp_path, "clone", "--quiet", remote, str(work)).returncode == 0
    git(work, "mv", "gradlew", "gradlew.moved")
    git(work, "rm", "--quiet", "settings.gradle")
    (work / "README.md").write_text("changed\n")
    git(work, "commit", "--quiet", "--all", "-m", "refactor: three things")
    pushed = git(work, "push", "--quiet", "origin", "develop", token=settings.github_token)
    assert pushed.returncode == 0, pushed.stderr
    files = github.get(f"{REPO}/commits/develop").json()["files"]
    told = {file["filename"]: file for file in files}
    assert told["gradlew.moved"]["status"] == "renamed"
    assert told["gradlew.moved"]["previous_filename"] == "gradlew"
    assert told["settings.gradle"]["status"] == "removed"
    assert "+changed" in told["README.md"]["patch"]


def test_git_fetches_without_a_token_and_pushes_only_with_the_right(
    github: httpx.Client, settings: LabSettings, tmp_path: Path
) -> None:
    remote = f"{settings.url('github')}/{settings.slug}.git"
    assert git(tmp_path, "clone", "--quiet", remote, "w").returncode == 0
    work = tmp_path / "w"
    git(work, "commit", "--quiet", "--allow-empty", "-m", "chore: nothing")
    assert git(work, "push", "origin", "develop").returncode != 0
    with_token(github, "reader", contents="read")
    refused = git(work, "push", "origin", "develop", token="reader")
    assert "403" in refused.stderr
    assert git(work, "push", "origin", "develop", token=settings.github_token).returncode == 0
    assert head(github) == git(work, "rev-parse", "HEAD").stdout.strip()
    old = git(work, "rev-parse", "HEAD~2").stdout.strip()
    fetched = git(tmp_path, "init", "--quiet", "x")
    fetched = git(tmp_path / "x", "fetch", "--quiet", "--depth=1", remote, old)
    assert fetched.returncode == 0, fetched.stderr


def test_a_release_whose_tag_is_deleted_is_a_draft_again(github: httpx.Client) -> None:
    made = github.post(f"{REPO}/releases", json={"tag_name": "v4.0.0"}).json()
    github.delete(f"{REPO}/git/refs/tags/v4.0.0")
    again = github.get(f"{REPO}/releases").json()
    assert next(row["draft"] for row in again if row["id"] == made["id"]) is True
    assert github.get(f"{REPO}/releases/tags/v4.0.0").status_code == 404


def test_of_many_at_once_one_makes_the_tag_and_one_the_release(github: httpx.Client) -> None:
    tag = {"ref": "refs/tags/v9.0.0", "sha": head(github)}
    release = {"tag_name": "v9.0.1"}

    def make(path: str, body: dict[str, str]) -> list[int]:
        with ThreadPoolExecutor(8) as pool:
            replies = pool.map(lambda _: github.post(f"{REPO}/{path}", json=body), range(8))
            return sorted(reply.status_code for reply in replies)

    assert make("git/refs", tag) == [201, *[422] * 7]
    assert make("releases", release) == [201, *[422] * 7]


def test_a_release_is_no_longer_than_github_takes(github: httpx.Client) -> None:
    for status, body in ((201, "🎫" * 62_500), (422, "🎫" * 62_501)):
        fields = {"tag_name": f"v9.1.{status}", "body": body}
        assert github.post(f"{REPO}/releases", json=fields).status_code == status


def test_a_release_needs_a_target_that_exists(github: httpx.Client) -> None:
    body = {"tag_name": "v4.0.0", "target_commitish": "nowhere"}
    refused = github.post(f"{REPO}/releases", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {"resource": "Release", "code": "invalid", "field": "target_commitish"}
    ]
    assert github.get(f"{REPO}/git/ref/tags/v4.0.0").status_code == 404


def test_a_deployment_behind_the_branch_or_with_failed_checks_conflicts(
    github: httpx.Client, settings: LabSettings
) -> None:
    old = head(github)
    push(settings, "feat: newer")
    behind = github.post(f"{REPO}/deployments", json={"ref": old})
    assert (behind.status_code, behind.json()["message"]) == (
        409,
        f"Conflict merging develop into {old}.",
    )
    github.post(f"{REPO}/statuses/{old}", json={"state": "failure", "context": "ci"})
    failed = github.post(f"{REPO}/deployments", json={"ref": old, "auto_merge": False})
    assert failed.status_code == 409
    assert failed.json()["errors"][0]["contexts"] == [{"context": "ci", "state": "failure"}]
    unknown = github.post(f"{REPO}/deployments", json={"ref": "nowhere"})
    assert unknown.json()["message"] == "No ref found for: nowhere"


def test_success_puts_the_earlier_deployments_out_of_use(github: httpx.Client) -> None:
    body = {"ref": "develop", "environment": "staging", "required_contexts": []}
    ids = [github.post(f"{REPO}/deployments", json=body).json()["id"] for _ in range(2)]
    for deployment in ids:
        github.post(f"{REPO}/deployments/{deployment}/statuses", json={"state": "success"})
    states = [
        github.get(f"{REPO}/deployments/{deployment}/statuses").json()[0]["state"]
        for deployment in ids
    ]
    assert states == ["inactive", "success"]


def test_a_restart_of_the_service_loses_nothing(settings: LabSettings) -> None:
    with github_of(settings) as client:
        client.post(f"{REPO}/releases", json={"tag_name": "v7.0.0"}).raise_for_status()
        sha = push(settings, "feat: before the restart")
    with github_of(settings) as client:
        assert head(client) == sha
        assert client.get(f"{REPO}/releases/latest").json()["tag_name"] == "v7.0.0"


@pytest.fixture
def receiver() -> Iterator[tuple[str, queue.Queue[tuple[dict[str, str], bytes]]]]:
    """A webhook's receiver: its address, and what it got."""
    got: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.put(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/hook", got
        listening.shutdown()


def delivery_listed(github: httpx.Client, hook: int, guid: str) -> int:
    """The number of a delivery; it is listed once the receiver's answer has come back."""
    due = time.monotonic() + 30
    while time.monotonic() < due:
        listed = github.get(f"{REPO}/hooks/{hook}/deliveries").json()
        found = [delivery["id"] for delivery in listed if delivery["guid"] == guid]
        if found:
            return int(found[0])
        time.sleep(0.05)
    raise AssertionError(f"the delivery {guid} was never listed")


def test_a_push_is_told_signed_to_every_webhook(
    github: httpx.Client,
    settings: LabSettings,
    receiver: tuple[str, queue.Queue[tuple[dict[str, str], bytes]]],
) -> None:
    url, got = receiver
    before = head(github)
    hook = github.post("/_lab/hooks", json={"url": url}).json()
    assert got.get(timeout=60)[0]["x-github-event"] == "ping"
    after = push(settings, "feat: heard", behaviour="never-healthy")
    headers, body = got.get(timeout=60)
    digest = hmac.new(settings.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
    assert headers["x-hub-signature-256"] == f"sha256={digest}"
    told = json.loads(body)
    assert (told["ref"], told["before"], told["after"]) == ("refs/heads/develop", before, after)
    assert (told["created"], told["deleted"], told["forced"]) == (False, False, False)
    [commit] = told["commits"]
    assert commit["modified"] == ["src/main/resources/behaviour.properties"]
    assert commit["added"] == ["src/main/resources/change.properties"]
    delivery = delivery_listed(github, hook["id"], headers["x-github-delivery"])
    again = f"{REPO}/hooks/{hook['id']}/deliveries/{delivery}/attempts"
    assert github.post(again).status_code == 202
    assert got.get(timeout=60)[0]["x-github-delivery"] == headers["x-github-delivery"]


def test_a_tag_and_a_forced_push_and_a_deletion_are_told_as_such(
    github: httpx.Client,
    receiver: tuple[str, queue.Queue[tuple[dict[str, str], bytes]]],
) -> None:
    url, got = receiver
    new, old = head(github), head(github, "v0.1.0")
    github.post("/_lab/hooks", json={"url": url})
    got.get(timeout=60)
    github.post(f"{REPO}/git/refs", json={"ref": "refs/heads/side", "sha": new})
    made = json.loads(got.get(timeout=60)[1])
    assert (made["created"], made["commits"], made["before"]) == (True, [], NOTHING)
    github.patch(f"{REPO}/git/refs/heads/side", json={"sha": old, "force": True})
    assert json.loads(got.get(timeout=60)[1])["forced"] is True
    github.delete(f"{REPO}/git/refs/heads/side")
    gone = json.loads(got.get(timeout=60)[1])
    assert (gone["deleted"], gone["head_commit"], gone["after"]) == (True, None, NOTHING)
    github.post(f"{REPO}/releases", json={"tag_name": "v6.0.0"})
    tagged = json.loads(got.get(timeout=60)[1])
    assert (tagged["ref"], tagged["created"]) == ("refs/tags/v6.0.0", True)


def test_a_file_comes_as_text_in_base64_or_raw(untouched_github: httpx.Client) -> None:
    path = f"{REPO}/contents/README.md"
    body = untouched_github.get(path).json()
    raw = untouched_github.get(path, headers={"Accept": "application/vnd.github.raw+json"})
    assert base64.b64decode(body["content"]).decode() == raw.text
    assert raw.text.startswith("# TT Backend")


def test_the_sha_alone_can_be_asked_for(untouched_github: httpx.Client) -> None:
    path = f"{REPO}/commits/develop"
    answer = untouched_github.get(path, headers={"Accept": "application/vnd.github.sha"})
    assert answer.text == head(untouched_github)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "error", "status": 502}, 502),
        ({"kind": "throttle", "retry_after_seconds": 7}, 429),
        ({"kind": "limit", "retry_after_seconds": 7}, 403),
        ({"kind": "unauthorized"}, 401),
        ({"kind": "forbidden"}, 403),
    ],
)
def test_faults_are_worded_as_github_words_them(
    github: httpx.Client, fault: dict[str, object], status: int
) -> None:
    github.post("/_lab/fault", json={**fault, "match": "releases", "count": 1})
    refused = github.get(f"{REPO}/releases")
    assert refused.status_code == status
    if fault["kind"] == "throttle":
        assert refused.headers["retry-after"] == "7"
    if fault["kind"] == "limit":
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert 6 <= int(refused.headers["x-ratelimit-reset"]) - time.time() <= 9
    assert github.get(f"{REPO}/releases").status_code == 200


def test_a_request_may_take_effect_though_its_answer_is_lost(github: httpx.Client) -> None:
    github.post("/_lab/fault", json={"kind": "reset", "match": "POST .*releases", "count": 1})
    with pytest.raises(httpx.ReadError):
        github.post(f"{REPO}/releases", json={"tag_name": "v8.0.0"})
    assert github.get(f"{REPO}/releases/tags/v8.0.0").status_code == 200
