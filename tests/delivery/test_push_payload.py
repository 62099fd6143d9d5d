import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.errors import BadRequest
from delivery.push_payload import read_push
from delivery.trigger import Call, decide
from tests.pushes import a_push, payload, real_payloads, sha


def test_a_payload_is_read_as_the_push_that_it_tells_of() -> None:
    push = a_push("src/A.java", "README.md", forced=True)
    assert read_push(payload(push)) == push


def test_added_removed_and_modified_files_all_count() -> None:
    commit = {"id": sha(2), "added": ["a"], "removed": ["r"], "modified": ["m"]}
    assert read_push(payload(a_push(), commits=[commit])).commits[0].paths == ("a", "r", "m")


def test_every_push_that_github_published_is_read() -> None:
    pushes = [read_push(json.dumps(example).encode()) for example in real_payloads("push")]
    assert len(pushes) >= 7
    assert {"Codertocat/Hello-World"} <= {push.repository for push in pushes}


def test_of_the_pushes_that_github_published_only_those_to_branches_deploy() -> None:
    for example in real_payloads("push"):
        push = read_push(json.dumps(example).encode())
        ignored = push.ref.startswith("refs/tags/") or example["deleted"]
        assert (decide(push).call is Call.IGNORE) == ignored


@pytest.mark.parametrize(
    "fields",
    [
        {"ref": "develop"},
        {"ref": None},
        {"after": "HEAD"},
        {"after": sha(2).upper().replace("0", "A")},
        {"before": sha(1) + "\n"},
        {"forced": "yes"},
        {"repository": {"full_name": "../../etc"}},
        {"repository": None},
        {"pusher": {"name": 7}},
        {"commits": [{"id": "x"}]},
        {"commits": {}},
    ],
)
def test_a_payload_of_another_shape_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        read_push(payload(a_push(), **fields))


def test_a_refusal_does_not_quote_the_payload() -> None:
    with pytest.raises(BadRequest) as refusal:
        read_push(payload(a_push(), ref="not-a-ref-but-a-secret"))
    assert "secret" not in str(refusal.value)


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused_and_nothing_else_happens(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_push(body)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"1" * 100_000, b'{"ref":"refs/\\ud800"}'])
def test_bodies_that_break_parsers_are_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_push(body)
