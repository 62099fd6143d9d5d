"""Forked commands are the commands their users type, but for the time."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lab.processes import wait_until
from tools.driving import ROOT
from tools.preforked import Preforked

_WRONG = ("flows.preflight", "--environment", "No Name", "--json")


@pytest.fixture(scope="module")
def preforked() -> Iterator[Preforked]:
    with closing(Preforked(os.environ, ROOT)) as server:
        yield server


def test_a_forked_command_answers_as_a_typed_one(preforked: Preforked) -> None:
    typed = subprocess.run(
        [sys.executable, "-m", *_WRONG],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    for _ in range(2):
        forked = preforked.run(*_WRONG, timeout=60)
        assert (forked.returncode, forked.stdout, forked.stderr) == (
            typed.returncode,
            typed.stdout,
            typed.stderr,
        )
    assert typed.returncode == 2
    assert "'No Name' is no environment's name" in typed.stderr


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, pathlib, time\n"
        "pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "time.sleep(300)\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    with closing(Preforked(environment, tmp_path)) as server:
        with pytest.raises(subprocess.TimeoutExpired):
            server.run("slow", timeout=5)
        process = int((tmp_path / "pid").read_text())
        assert wait_until(lambda: not Path(f"/proc/{process}").exists(), 10)


def test_one_that_was_started_tells_its_status_and_a_signal_as_a_negative_one(
    preforked: Preforked,
) -> None:
    assert preforked.start(*_WRONG).wait(timeout=60) == 2
    dead = preforked.start(*_WRONG)
    dead.send_signal(signal.SIGKILL)
    assert dead.wait(timeout=60) == -signal.SIGKILL


def test_it_ends_with_the_process_that_began_it() -> None:
    begun = (
        "import os; from tools.driving import ROOT; from tools.preforked import Preforked\n"
        "server = Preforked(os.environ, ROOT); print(server.process, flush=True); os._exit(9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", begun],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    server = Path(f"/proc/{int(done.stdout)}")
    assert wait_until(lambda: not server.exists(), 60)
