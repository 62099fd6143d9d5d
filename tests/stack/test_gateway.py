"""The gateway's own files in a real HAProxy: a release that dies takes no request with it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.load import Load, together
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
        process.wait(timeout=10)


def serving(address: str, port: int, seconds: float) -> subprocess.Popen[bytes]:
    """A release at an address, which dies after so many seconds."""
    mortal = Path(__file__).with_name("mortal.py")
    words = [sys.executable, str(mortal), address, str(port), str(seconds)]
    process = subprocess.Popen(words)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if not probe.connect_ex((address, port)):
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


def _until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError("the gateway does not answer")
