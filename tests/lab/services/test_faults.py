"""Faults as a caller meets them, on real connections."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.ports import choose_port
from lab.services.faults import FaultBoard, FaultRequest, PlainVoice
from lab.services.serving import Faulty
from tests.lab.services.conftest import served


@pytest.fixture
def heard() -> list[str]:
    """The requests that reached the application."""
    return []


@pytest.fixture
def client(heard: list[str]) -> Iterator[httpx.Client]:
    async def answer(request: Request) -> Response:
        heard.append(request.url.path)
        return JSONResponse({"fine": True})

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    port = choose_port(0, {0})
    with (
        served(Faulty(app, PlainVoice(), spares=("/spared",)), port) as url,
        httpx.Client(base_url=url, timeout=30, trust_env=False) as made,
    ):
        yield made


def cause(client: httpx.Client, **fault: object) -> None:
    client.post("/_lab/fault", json=fault).raise_for_status()


@pytest.mark.parametrize(
    ("kind", "status"),
    [("error", 500), ("throttle", 429), ("limit", 429), ("unauthorized", 401), ("forbidden", 403)],
)
def test_a_refusal_has_its_status_and_never_reaches_the_application(
    client: httpx.Client, heard: list[str], kind: str, status: int
) -> None:
    cause(client, kind=kind)
    assert client.get("/x").status_code == status
    assert heard == []


def test_a_service_that_is_down_closes_the_connection_without_a_word(
    client: httpx.Client, heard: list[str]
) -> None:
    cause(client, kind="down")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/x")
    assert heard == []


def test_a_reset_comes_inside_an_answer_to_a_request_that_took_effect(
    client: httpx.Client, heard: list[str]
) -> None:
    cause(client, kind="reset")
    with pytest.raises(httpx.ReadError):
        client.get("/x")
    assert heard == ["/x"]


def test_garbage_calls_itself_json_and_is_not(client: httpx.Client) -> None:
    cause(client, kind="garbage")
    reply = client.get("/x")
    assert reply.headers["content-type"] == "application/json"
    with pytest.raises(ValueError):
        reply.json()


def test_a_slow_answer_comes_late_but_right(client: httpx.Client) -> None:
    cause(client, kind="slow", delay_seconds=0.5)
    began = time.monotonic()
    assert client.get("/x").json() == {"fine": True}
    assert time.monotonic() - began >= 0.5


def test_a_fault_may_hit_some_requests_only_and_only_so_many(client: httpx.Client) -> None:
    cause(client, kind="error", match="^POST /a", count=2)
    statuses = [client.post("/a").status_code for _ in range(3)]
    assert statuses == [500, 500, 200]
    assert client.get("/a").status_code == 200


def test_a_fault_ends_after_its_time_or_when_it_is_cleared(client: httpx.Client) -> None:
    cause(client, kind="error", seconds=2)
    assert client.get("/x").status_code == 500
    time.sleep(2.1)
    assert client.get("/x").status_code == 200
    cause(client, kind="error")
    client.delete("/_lab/fault")
    assert client.get("/x").status_code == 200


def test_the_labs_own_questions_are_always_answered(client: httpx.Client) -> None:
    cause(client, kind="down")
    assert client.get("/_lab/health").json() == {"status": "up"}
    [fault] = client.get("/_lab/fault").json()["faults"]
    assert (fault["kind"], fault["struck"]) == ("down", 0)


def test_spared_paths_suffer_only_faults_that_name_them(client: httpx.Client) -> None:
    cause(client, kind="error")
    assert client.get("/spared").status_code == 200
    cause(client, kind="error", match="/spared")
    assert client.get("/spared").status_code == 500


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "tired"},
        {"kind": "error", "match": "("},
        {"kind": "error", "seconds": -1},
        {"kind": "error", "sseconds": 1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    client: httpx.Client, fault: dict[str, object]
) -> None:
    assert client.post("/_lab/fault", json=fault).status_code == 422
    assert client.get("/x").status_code == 200


def test_the_newest_fault_that_fits_is_the_one_suffered() -> None:
    board = FaultBoard(clock=lambda: 0.0)
    board.add(FaultRequest(kind="slow"))
    board.add(FaultRequest(kind="error", match="/a"))
    kinds = [(struck := board.strike(label)) and struck.kind for label in ("GET /a", "GET /b")]
    assert kinds == ["error", "slow"]
