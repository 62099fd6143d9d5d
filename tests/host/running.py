"""Runs scripts of host/ with bash, as the SSM agent would, in directories of the test's own."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.host_script import compose_script, split_output
from tasks.ssm import script_parts

HOST = Path(__file__).parents[2] / "host"
LIBRARY = (HOST / "lib.sh").read_text()


@dataclass(frozen=True, slots=True)
class Ran:
    """How a script ended: its status, what it printed, and its result line as JSON."""

    status: int
    printed: str
    noise: str

    @property
    def said(self) -> str:
        return split_output(self.printed)[0]

    @property
    def result(self) -> dict[str, Any]:
        *_, last = self.printed.removesuffix("\n").split("\n")
        assert last.startswith("TT_RESULT "), self.printed[-2000:] + self.noise
        fields = json.loads(last.removeprefix("TT_RESULT "))
        assert isinstance(fields, dict)
        return fields


class Machine:
    """A host that is one directory: its state, its logs, its memory, its programs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        self.logs = root / "logs"
        self.memory = root / "run"
        self.programs = root / "programs"
        self.programs.mkdir(parents=True)
        self.git_config = root / "gitconfig"

    def program(self, name: str, text: str) -> Path:
        """Puts a program first on the scripts' PATH."""
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
        return path

    def run(self, script: str, **inputs: str) -> Ran:
        """Runs ``script`` (bash text) after the library, inputs named as the scripts read them."""
        return self.start(compose_script([LIBRARY, script], inputs))

    def run_file(self, name: str, **inputs: str) -> Ran:
        """Runs ``host/NAME.sh`` as a deploy sends it: with all that it stands on."""
        return self.start(compose_script(script_parts(name), {"TT_STEP": name, **inputs}))

    def kill(self, script: str, *, once: Path, **inputs: str) -> None:
        """Runs it as ``run`` does until a file is there, then kills its group as the agent does."""
        begun = subprocess.Popen(
            ["bash", "-c", compose_script([LIBRARY, script], inputs)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment(),
            cwd=self.root,
            start_new_session=True,
        )
        patience = time.monotonic() + 30
        while not once.exists() and time.monotonic() < patience:
            time.sleep(0.05)
        os.killpg(begun.pid, signal.SIGKILL)
        begun.wait()

    def start(self, text: str, environment: Mapping[str, str] | None = None) -> Ran:
        ended = subprocess.run(
            ["bash", "-s"],
            input=text.encode(),
            capture_output=True,
            timeout=180,
            check=False,
            env={**self.environment(), **(environment or {})},
            cwd=self.root,
        )
        return Ran(
            ended.returncode,
            ended.stdout.decode(errors="replace"),
            ended.stderr.decode(errors="replace"),
        )

    def environment(self) -> dict[str, str]:
        """Next to nothing, as from the SSM agent, and the test's own directories."""
        return {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "TT_STATE_DIRECTORY": str(self.state),
            "TT_LOG_DIRECTORY": str(self.logs),
            "TT_RUN_DIRECTORY": str(self.memory),
            "GIT_CONFIG_GLOBAL": str(self.git_config),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
