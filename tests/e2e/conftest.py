"""The lab of the end-to-end tests: one for the session, beside whatever else is up.

It lies in TT_LAB_HOME or in `.lab-test`, has no Prefect (the tests bring their own), and is
gone afterwards unless TT_LAB_KEEP=1. What an earlier run left behind, however it ended, is
taken down first.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.delivering import Delivering

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class RunningLab:
    """The lab that is up: where everything is, and ways to talk to it."""

    home: Path
    status: Mapping[str, Any]
    """What `status --json` says."""
    env: Mapping[str, str] = field(repr=False)
    """The environment of a command that is to work with this lab."""

    def command(self, *arguments: str, timeout: float = PATIENCE_SECONDS) -> str:
        """What `python -m lab ARGUMENTS` printed; raises CalledProcessError if it failed."""
        return lab_command(self.home, *arguments, timeout=timeout)

    def exec(self, *command: str, host: str = "1", timeout: float = 120) -> str:
        """What a command printed that ran on a host; raises CalledProcessError if it failed."""
        return self.command("exec", host, "--", *command, timeout=timeout)


def lab_command(
    home: Path,
    *arguments: str,
    timeout: float = PATIENCE_SECONDS,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What `python -m lab ARGUMENTS` printed for the lab in this home."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", "--home", str(home), *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise subprocess.CalledProcessError(
            done.returncode, f"lab {shlex.join(arguments)}", done.stdout, done.stderr
        )
    return done.stdout


def environment_of(home: Path) -> dict[str, str]:
    """This process's environment with what `python -m lab env` exports."""
    exports = shlex.split(lab_command(home, "env"))
    pairs = (word.partition("=") for word in exports if "=" in word)
    ours = {name: value.replace("$PATH", os.environ["PATH"]) for name, _, value in pairs}
    return {**os.environ, **ours}


@pytest.fixture(scope="session")
def lab_home() -> Path:
    """Where the tests' lab lies."""
    chosen = os.environ.get("TT_LAB_HOME")
    return Path(chosen).absolute() if chosen else ROOT / ".lab-test"


@pytest.fixture(scope="session")
def lab(lab_home: Path) -> Iterator[RunningLab]:
    """The lab of this session, up with one host."""
    keep = os.environ.get("TT_LAB_KEEP") == "1"
    if not keep:
        lab_command(lab_home, "down")
    lab_command(lab_home, "up", "--bare")
    yield RunningLab(
        home=lab_home,
        status=json.loads(lab_command(lab_home, "status", "--json")),
        env=environment_of(lab_home),
    )
    if not keep:
        lab_command(lab_home, "down")


@pytest.fixture(scope="session")
def delivering(lab: RunningLab) -> "Delivering":
    """The product in that lab: a Prefect server, the environment registered, a worker."""
    from tests.e2e.delivering import Delivering

    lab.command("up")
    return Delivering(lab)
