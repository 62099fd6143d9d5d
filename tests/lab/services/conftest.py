"""Services of the lab, served for real on loopback ports of their own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from lab.services.serving import server
from lab.settings import LabSettings
from tests.github_contract import event_hooks
from tests.lab_settings import settings_in


@pytest.fixture
def settings(tmp_path: Path) -> LabSettings:
    return settings_in(tmp_path / "home")


@contextmanager
def served(app: ASGIApp, port: int) -> Iterator[str]:
    """The application's address while it is served."""
    running = server(app, port)
    thread = threading.Thread(target=running.run)
    thread.start()
    due = time.monotonic() + 60
    while not running.started:
        assert thread.is_alive(), "the service ended while starting"
        assert time.monotonic() < due, "the service did not start"
        time.sleep(0.01)
    try:
        yield f"http://localhost:{port}"
    finally:
        running.should_exit = True
        thread.join(60)


@contextmanager
def process_of(settings: LabSettings, name: str) -> Iterator[None]:
    """A service as the lab runs it, ended as the lab ends it."""
    command = [sys.executable, "-m", f"lab.services.{name}", "--home", str(settings.home)]
    running = subprocess.Popen(command)
    health = f"http://127.0.0.1:{settings.ports[name]}/_lab/health"
    due = time.monotonic() + 60
    try:
        while not answers(health):
            assert running.poll() is None, "the service ended while starting"
            assert time.monotonic() < due, "the service did not start"
            time.sleep(0.05)
        yield
    finally:
        running.terminate()
        running.wait(60)


def answers(url: str) -> bool:
    """Whether a service is up."""
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def github_of(settings: LabSettings) -> Iterator[httpx.Client]:
    """A client of a lab's GitHub with its token, held to GitHub's own description."""
    from lab.services.github import build

    with (
        served(build(settings), settings.ports["github"]) as url,
        httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {settings.github_token}"},
            event_hooks=event_hooks(),
            trust_env=False,
            timeout=60,
        ) as client,
    ):
        yield client


@pytest.fixture
def github(settings: LabSettings) -> Iterator[httpx.Client]:
    """The GitHub of a lab of this test's own."""
    with github_of(settings) as client:
        yield client


@pytest.fixture(scope="module")
def untouched_github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A GitHub that a module's tests share and only read."""
    with github_of(settings_in(tmp_path_factory.mktemp("lab"))) as client:
        yield client
