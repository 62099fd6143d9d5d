import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from lab.capabilities import grantable_capabilities
from lab.engine import PRIVATE, Engine, Toolbox, choose_engine, engine_answers
from lab.errors import LabError


class Ping(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/_ping" else 404)
        self.end_headers()

    def address_string(self) -> str:
        return "a unix socket"

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def engine_socket(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "docker.sock"
    with ThreadingUnixStreamServer(str(path), Ping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown()


def test_an_engine_that_answers_is_used(engine_socket: str) -> None:
    assert choose_engine({"DOCKER_HOST": engine_socket}) == engine_socket


def test_the_private_engine_can_be_forced(engine_socket: str) -> None:
    forced = {"DOCKER_HOST": engine_socket, "TT_LAB_ENGINE": PRIVATE}

    assert choose_engine(forced) == PRIVATE


@pytest.mark.parametrize("address", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", ""])
def test_what_does_not_answer_on_a_unix_socket_is_no_engine(address: str) -> None:
    assert not engine_answers(address)


def test_a_failed_command_is_reported_with_the_end_of_its_complaint(tmp_path: Path) -> None:
    client = tmp_path / "bin" / "docker"
    client.parent.mkdir()
    client.write_text("#!/bin/sh\nseq 100 >&2; echo 'no such image' >&2; exit 1\n")
    client.chmod(0o755)
    engine = Engine("unix:///nowhere", Toolbox(tmp_path))

    with pytest.raises(LabError) as failure:
        engine.docker("pull", "nothing")

    assert str(failure.value).endswith("no such image")
    assert "docker pull nothing ... failed" in str(failure.value)
    assert len(str(failure.value).splitlines()) < 30


def test_a_command_gets_the_engine_and_no_credentials_of_the_user(tmp_path: Path) -> None:
    client = tmp_path / "bin" / "docker"
    client.parent.mkdir()
    client.write_text('#!/bin/sh\necho "$DOCKER_HOST $DOCKER_CONFIG"\n')
    client.chmod(0o755)

    said = Engine("unix:///here", Toolbox(tmp_path)).docker("version")

    assert said == f"unix:///here {tmp_path}/config"


def test_only_capabilities_in_the_bounding_set_are_asked_for() -> None:
    full = grantable_capabilities("CapEff:\t0\nCapBnd:\t000001ffffffffff\n")
    here = grantable_capabilities("CapBnd:\t000001fffeffffff\n")

    assert len(full) == 41
    assert set(full) - set(here) == {"SYS_RESOURCE"}
