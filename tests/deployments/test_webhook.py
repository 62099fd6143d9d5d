import asyncio
import json
import sqlite3
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from delivery.errors import ConfigurationError
from delivery.trigger import NO_COMMIT
from deployments.push_dispatch import Dispatcher
from deployments.push_spool import PushSpool
from deployments.webhook import Limits, PushReceiver, create_app, main, secrets_from
from tests.pushes import SECRET, a_push, headers, payload, real_payloads, sha, signature

OLD_SECRET = "the-secret-of-last-month"
FAST = Limits(body_bytes=20_000, body_seconds=0.3)


class AppClient:
    """Asks the application in this process, one request after the other."""

    def __init__(self, app: Starlette) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://webhook")
        self._loop = asyncio.Runner()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._loop.run(self._client.request(method, path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def close(self) -> None:
        self._loop.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: thousands of writes would each wait for a disk."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as name:
        yield Path(name)


@pytest.fixture
def spool(folder: Path) -> PushSpool:
    return PushSpool(folder / "webhook.sqlite")


@pytest.fixture
def client(spool: PushSpool) -> Iterator[AppClient]:
    dispatcher = Dispatcher(spool, [], lambda _name, _pushes: None)
    receiver = PushReceiver([SECRET, OLD_SECRET], spool, on_push=lambda: None, limits=FAST)
    app = create_app(receiver, dispatcher)
    # Without its lifespan: nothing empties the spool, so it shows what was accepted.
    client = AppClient(app)
    yield client
    client.close()


def test_a_signed_push_is_held_for_its_environment(client: AppClient, spool: PushSpool) -> None:
    body = payload(a_push("src/A.java"))
    reply = client.post("/github", content=body, headers=headers(body))
    assert (reply.status_code, reply.json()["accepted"]) == (202, True)
    assert [held.push.after for held in spool.held()] == [sha(2)]


def test_the_answer_says_why_a_push_deploys_nothing(client: AppClient, spool: PushSpool) -> None:
    body = payload(a_push("README.md"))
    reply = client.post("/github", content=body, headers=headers(body))
    assert (reply.status_code, reply.json()["accepted"]) == (200, False)
    assert "no changed file" in reply.json()["reason"]
    assert spool.held() == []


@pytest.mark.parametrize("push", [a_push(ref="refs/tags/v1"), a_push("src/A", after=NO_COMMIT)])
def test_tags_and_deletions_are_answered_and_not_held(
    client: AppClient, spool: PushSpool, push: object
) -> None:
    body = payload(push)  # type: ignore[arg-type]  # pytest's parameters have no types
    assert client.post("/github", content=body, headers=headers(body)).status_code == 200
    assert spool.held() == []


def test_a_ping_is_answered(client: AppClient) -> None:
    for example in real_payloads("ping"):
        body = json.dumps(example).encode()
        reply = client.post("/github", content=body, headers=headers(body, event="ping"))
        assert (reply.status_code, reply.json()["reason"]) == (200, "pong")


def test_every_push_that_github_published_is_answered_well(client: AppClient) -> None:
    for example in real_payloads("push"):
        body = json.dumps(example).encode()
        assert client.post("/github", content=body, headers=headers(body)).is_success


def test_other_events_are_answered_and_nothing_is_held(client: AppClient, spool: PushSpool) -> None:
    body = payload(a_push("src/A.java"))
    reply = client.post("/github", content=body, headers=headers(body, event="workflow_run"))
    assert (reply.status_code, spool.held()) == (200, [])


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        "sha1=" + "0" * 40,
        signature(b"another body"),
        signature(payload(a_push("src/A.java")), "another-secret-altogether"),
        signature(payload(a_push("src/A.java"))).removeprefix("sha256="),
        signature(payload(a_push("src/A.java"))).upper(),
        "é" * 71,
    ],
)
def test_a_body_with_another_signature_is_refused(
    client: AppClient, spool: PushSpool, forged: str
) -> None:
    body = payload(a_push("src/A.java"))
    given = {**headers(body), "x-hub-signature-256": forged}
    encoded = [(name, value.encode("utf-8")) for name, value in given.items()]
    assert client.post("/github", content=body, headers=encoded).status_code == 401
    assert spool.held() == []


def test_an_unsigned_ping_is_refused_like_everything_unsigned(client: AppClient) -> None:
    given = {"x-github-event": "ping", "content-type": "application/json"}
    assert client.post("/github", content=b"{}", headers=given).status_code == 401


def test_the_previous_secret_counts_while_it_is_exchanged(client: AppClient) -> None:
    body = payload(a_push("src/A.java"))
    given = headers(body, secret=OLD_SECRET)
    assert client.post("/github", content=body, headers=given).status_code == 202


def test_a_delivery_that_is_sent_again_counts_once(client: AppClient, spool: PushSpool) -> None:
    body = payload(a_push("src/A.java"))
    given = headers(body)
    statuses = [client.post("/github", content=body, headers=given).status_code for _ in range(3)]
    assert (statuses, len(spool.held())) == ([202, 200, 200], 1)


def test_a_recorded_body_under_a_new_delivery_id_counts_once(
    client: AppClient, spool: PushSpool
) -> None:
    body = payload(a_push("src/A.java"))
    for _ in range(3):
        client.post("/github", content=body, headers=headers(body))
    assert len(spool.held()) == 1


@pytest.mark.parametrize("delivery", ["", "x", "a" * 65, "../../../etc/passwd", "a b c d e f g h"])
def test_a_delivery_without_a_proper_id_is_refused(client: AppClient, delivery: str) -> None:
    body = payload(a_push("src/A.java"))
    given = {**headers(body), "x-github-delivery": delivery}
    assert client.post("/github", content=body, headers=given).status_code == 400


def test_a_body_that_says_it_is_too_large_is_refused_unread(client: AppClient) -> None:
    given = {"content-length": str(10**30), **headers(b"")}
    assert client.post("/github", content=b"", headers=given).status_code == 413


def test_a_body_that_turns_out_too_large_is_refused(client: AppClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1000

    assert client.post("/github", content=endless(), headers=headers(b"")).status_code == 413


def test_only_json_is_taken_and_the_answer_says_so(client: AppClient) -> None:
    body = payload(a_push("src/A.java"))
    given = {**headers(body), "content-type": "application/x-www-form-urlencoded"}
    reply = client.post("/github", content=body, headers=given)
    assert (reply.status_code, "application/json" in reply.json()["reason"]) == (415, True)


def test_a_body_that_never_ends_is_not_waited_for(client: AppClient) -> None:
    async def slow() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.05)
            yield b"x"

    assert client.post("/github", content=slow(), headers=headers(b"")).status_code == 408


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(client: AppClient, method: str) -> None:
    assert client.request(method, "/github").status_code == 405


def test_its_health_says_how_many_pushes_wait(client: AppClient) -> None:
    body = payload(a_push("src/A.java"))
    client.post("/github", content=body, headers=headers(body))
    assert client.request("GET", "/health").json() == {"waiting": 1}


def test_a_disk_that_takes_nothing_is_no_acceptance(client: AppClient, folder: Path) -> None:
    with sqlite3.connect(folder / "webhook.sqlite") as file:
        file.execute("drop table deliveries")
    body = payload(a_push("src/A.java"))
    assert client.post("/github", content=body, headers=headers(body)).status_code >= 500


@pytest.mark.parametrize("secrets", [[], ["short"], [SECRET, "short"]])
def test_a_webhook_without_a_real_secret_does_not_start(
    spool: PushSpool, secrets: list[str]
) -> None:
    with pytest.raises(ConfigurationError):
        PushReceiver(secrets, spool, on_push=lambda: None)


def test_its_command_refuses_to_serve_without_a_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--environment", "lab", "--spool", str(tmp_path / "w.sqlite")]) == 2
    assert "TT_WEBHOOK_SECRET" in capsys.readouterr().err


def test_the_secrets_are_the_present_one_and_the_one_before() -> None:
    given = {"TT_WEBHOOK_SECRET_PREVIOUS": "old", "TT_WEBHOOK_SECRET": "new", "OTHER": "x"}
    assert secrets_from(given) == ["new", "old"]


# Fuzzing: whatever comes, no 5xx; nothing is held without a valid signature, nothing twice.

HEADER_NAMES = st.sampled_from(
    ["x-hub-signature-256", "x-github-event", "x-github-delivery", "content-type", "x-other"]
)
HEADER_VALUES = st.one_of(
    st.sampled_from(["push", "ping", "application/json", "sha256=" + "0" * 64, ""]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside),
    max_leaves=12,
)
SHAS = st.integers(0, 5).map(sha)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "ref": st.sampled_from(["refs/heads/develop", "refs/tags/v1", "refs/heads/\ud800"]) | JSON,
        "before": SHAS | JSON,
        "after": SHAS | JSON,
        "forced": st.booleans() | JSON,
        "repository": JSON,
        "pusher": JSON,
        "commits": JSON,
    },
)
THOUSANDS = settings(
    max_examples=1000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@THOUSANDS
@given(st.binary(max_size=200), st.dictionaries(HEADER_NAMES, HEADER_VALUES))
def test_no_unsigned_request_is_an_error_of_ours_or_held(
    client: AppClient, spool: PushSpool, body: bytes, given_headers: dict[str, str]
) -> None:
    reply = client.post("/github", content=body, headers=given_headers)
    assert reply.status_code in {400, 401, 415}
    assert spool.waiting() == 0


@THOUSANDS
@given(
    st.sampled_from(["src/A.java", "docs/README.md"]),
    st.dictionaries(HEADER_NAMES.filter(lambda name: "signature" not in name), HEADER_VALUES),
)
def test_no_header_of_a_signed_push_is_an_error_of_ours_or_has_it_held_twice(
    client: AppClient, spool: PushSpool, path: str, given_headers: dict[str, str]
) -> None:
    body = payload(a_push(path), nonce=str(uuid.uuid4()))
    before = spool.waiting()
    statuses = [
        client.post("/github", content=body, headers={**headers(body), **given_headers}).status_code
        for _ in range(2)
    ]
    assert all(status in {200, 202, 400, 415} for status in statuses)
    assert statuses[1] != 202
    assert spool.waiting() - before == (statuses[0] == 202)


@THOUSANDS
@given(FIELDS | JSON, st.booleans())
def test_no_signed_body_is_an_error_of_ours_or_held_twice(
    client: AppClient, spool: PushSpool, fields: object, bare: bool
) -> None:
    body = payload(a_push("src/A.java"), **fields) if isinstance(fields, dict) else b""
    if bare or not body:
        body = json.dumps(fields).encode()
    before = spool.waiting()
    statuses = [
        client.post("/github", content=body, headers=headers(body)).status_code for _ in range(2)
    ]
    assert all(status in {200, 202, 400} for status in statuses)
    assert statuses[1] != 202
    assert spool.waiting() - before == (statuses[0] == 202)
