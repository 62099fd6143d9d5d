"""The gateway's own files in a real HAProxy: a release that dies takes no request with it."""

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from benchmarks.load import Load, together
from lab.processes import wait_until
from tests.free_ports import free_port
from tests.host.running import HOST, Machine
from tests.stack.files import STACK
from tools.stack_programs import environment

pytestmark = pytest.mark.e2e

FILES = STACK / "docker" / "gateway"
WATCHED, WARM = "127.0.0.2", "127.0.0.3"
"""Where the new release answers, which dies, and the old one."""
DEATHS = 5
LIFE_SECONDS = 1.2


@contextmanager
def ended_after(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is over when this is."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)


def serving(address: str, port: int, seconds: float) -> subprocess.Popen[bytes]:
    """A release at an address, which dies after so many seconds; it listens, or did."""
    mortal = Path(__file__).with_name("mortal.py")
    words = [sys.executable, str(mortal), address, str(port), str(seconds)]
    process = subprocess.Popen(words)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            # On a busy machine its whole life may lie between two looks.
            if not probe.connect_ex((address, port)) or process.poll() is not None:
                return process
        time.sleep(0.02)
    raise AssertionError(f"nothing listens at {address}:{port}")


@pytest.fixture
def app_port() -> int:
    """The port that both releases have, each at its address."""
    return free_port()


@pytest.fixture
def gateway(tmp_path: Path, app_port: int) -> Iterator[str]:
    """The URL of a gateway whose slots are as a rollout writes them."""
    machine = Machine(tmp_path / "host")
    library = (HOST / "gateway.sh").read_text()
    written = f"{library}\nopen_log; write_slots b {WARM} {WATCHED}; succeed"
    assert machine.run(written, TT_APP_PORT=str(app_port)).result["ok"]
    public = free_port()
    moved = {
        "bind :8080": f"bind 127.0.0.1:{public}",
        "bind :8404": f"bind 127.0.0.1:{free_port()}",
    }
    moved["127.0.0.1:9999"] = f"127.0.0.1:{free_port()}"
    text = (FILES / "haproxy.cfg").read_text()
    for there, here in moved.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(text)
    slots = machine.state / "gateway" / "current"
    files = ["-f", str(configuration), "-f", str(slots / "backends.cfg")]
    found = environment({**os.environ, "GATEWAY_FILES": str(slots)})
    with ended_after(subprocess.Popen(["haproxy", "-db", *files], env=found)):
        yield f"http://127.0.0.1:{public}/"


def test_a_release_that_dies_while_it_is_watched_takes_no_request_with_it(
    gateway: str, app_port: int
) -> None:
    with ExitStack() as stack:
        stack.enter_context(ended_after(serving(WARM, app_port, 0)))
        watched = stack.enter_context(ended_after(serving(WATCHED, app_port, LIFE_SECONDS)))
        _until_it_answers(gateway)
        loads = [Load(gateway, per_second=40), Load(gateway, per_second=80, keep_alive=True)]
        for load in loads:
            stack.enter_context(load)
        for death in range(DEATHS):
            assert watched.wait(timeout=30) == 1
            time.sleep(0.8)
            if death < DEATHS - 1:
                watched = serving(WATCHED, app_port, LIFE_SECONDS)
                stack.enter_context(ended_after(watched))
    figures = together(loads)

    assert len(figures.answers) > DEATHS * 120
    assert figures.failed == []


class Picky(socketserver.ThreadingTCPServer):
    """A release that notes what it was asked, and answers ``each`` so many requests of a connection.

    What comes after them it reads and closes without a word, as one does that has just ended.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str, port: int, *, each: int) -> None:
        self.each = each
        self.posts: list[bytes] = []
        self.gets = 0
        self.checks = 0
        super().__init__((address, port), _Answering)


class _Answering(socketserver.StreamRequestHandler):
    server: Picky

    def handle(self) -> None:
        with suppress(ConnectionError):
            self._answer_all()

    def _answer_all(self) -> None:
        answered = 0
        while line := self.rfile.readline():
            length = 0
            while (header := self.rfile.readline().strip().lower()) != b"":
                if header.startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            body = self.rfile.read(length)
            if line.startswith(b"POST"):
                self.server.posts.append(body)
            elif b"/actuator/" not in line:
                self.server.gets += 1
            else:
                self.server.checks += 1
            if b"/actuator/" not in line and answered >= self.server.each:
                return
            answered += 1
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@contextmanager
def answering(address: str, port: int, *, each: int) -> Iterator[Picky]:
    """Such a release, in a thread of this process."""
    with Picky(address, port, each=each) as release:
        threading.Thread(target=release.serve_forever, args=(0.05,), daemon=True).start()
        yield release
        release.shutdown()


def test_a_post_never_goes_out_on_a_connection_that_has_answered_already(
    gateway: str, app_port: int
) -> None:
    with answering(WATCHED, app_port, each=1) as release:
        _until_it_answers(gateway)
        with httpx.Client(timeout=30, trust_env=False) as client:
            sent = [f"ticket {number}".encode() for number in range(10)]
            said = [client.post(gateway, content=body).status_code for body in sent]
    assert said == [200] * 10
    assert release.posts == sent


def test_a_post_that_was_read_is_never_sent_twice_though_a_get_is(
    gateway: str, app_port: int
) -> None:
    with answering(WARM, app_port, each=1) as old, answering(WATCHED, app_port, each=1) as new:
        _until_both_are_known(old, new)
        _until_it_answers(gateway)
        new.each = 0
        new.gets = 0
        posted = httpx.post(gateway, content=b"a ticket", timeout=30, trust_env=False)
        httpx.get(gateway, timeout=30, trust_env=False)
    assert (posted.status_code, new.posts, old.posts) == (502, [b"a ticket"], [])
    assert new.gets > 1


def test_a_post_to_a_release_that_is_gone_is_answered_by_the_other(
    gateway: str, app_port: int
) -> None:
    with answering(WARM, app_port, each=1) as old:
        with answering(WATCHED, app_port, each=1) as new:
            _until_both_are_known(old, new)
            _until_it_answers(gateway)
        posted = httpx.post(gateway, content=b"a ticket", timeout=30, trust_env=False)
    assert (posted.status_code, old.posts) == (200, [b"a ticket"])


def _until_both_are_known(*releases: Picky) -> None:
    """Wait until the gateway has had an answer to a check of each: it sends one after another."""
    assert wait_until(lambda: all(release.checks >= 2 for release in releases), 60)


def _until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=10, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("the gateway does not answer")
