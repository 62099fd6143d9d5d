"""Driving TT Deploy in a lab as its users do: commands, and what they answered.

The end-to-end tests and the benchmarks share it.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from benchmarks.load import Load
from lab.lab import Lab
from tools.preforked import Forked, Preforked

ROOT = Path(__file__).resolve().parents[1]
_LASTING = ("up", "down")
"""Commands of the lab whose processes outlive whoever gave them: typed, as users do."""
PATIENCE_SECONDS = 900
FLOW_SECONDS = 700


@dataclass(frozen=True, slots=True)
class DrivenLab:
    """The lab that is up: where everything is, and ways to talk to it."""

    home: Path
    status: Mapping[str, Any]
    """What `status --json` says."""
    env: Mapping[str, str] = field(repr=False)
    """The environment of a command that is to work with this lab."""
    preforked: Preforked | None = field(default=None, repr=False)
    """Where commands are forked from, if they are."""

    @classmethod
    def at(cls, home: Path) -> Self:
        """The lab in this home; raises CalledProcessError if it is not up."""
        status = json.loads(lab_command(home, "status", "--json"))
        return cls(home=home, status=status, env=environment_of(home))

    def command(self, *arguments: str, timeout: float = PATIENCE_SECONDS) -> str:
        """What `python -m lab ARGUMENTS` printed; raises CalledProcessError if it failed."""
        if self.preforked is None or arguments[0] in _LASTING:
            return lab_command(self.home, *arguments, timeout=timeout)
        return _said(
            self.preforked.run("lab", "--home", str(self.home), *arguments, timeout=timeout)
        )

    def exec(self, *command: str, host: str = "1", timeout: float = 120) -> str:
        """What a command printed that ran on a host; raises CalledProcessError if it failed.

        What `python -m lab exec` does, without a Python of its own for each of a thousand looks.
        """
        lab = Lab.load(self.home)
        engine = lab.engine()
        words = ("exec", "--interactive", lab.settings.host(host).container, *command)
        return _printed([engine.tools.docker, *words], engine.environment(), timeout)


def lab_command(
    home: Path,
    *arguments: str,
    timeout: float = PATIENCE_SECONDS,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What `python -m lab ARGUMENTS` printed for the lab in this home."""
    command = [sys.executable, "-m", "lab", "--home", str(home), *arguments]
    return _printed(command, {**os.environ, **(environment or {})}, timeout)


def _printed(command: Sequence[str | Path], environment: Mapping[str, str], timeout: float) -> str:
    return _said(
        subprocess.run(
            list(map(str, command)),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    )


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise subprocess.CalledProcessError(
            done.returncode, shlex.join(done.args), done.stdout, done.stderr
        )
    return done.stdout


def environment_of(home: Path) -> dict[str, str]:
    """This process's environment with what `python -m lab env` exports."""
    exports = shlex.split(lab_command(home, "env"))
    pairs = (word.partition("=") for word in exports if "=" in word)
    ours = {name: value.replace("$PATH", os.environ["PATH"]) for name, _, value in pairs}
    return {**os.environ, **ours}


@dataclass(frozen=True, slots=True)
class Answered:
    """How a command ended: its exit status, its JSON, and all that it said."""

    status: int
    answer: dict[str, Any]
    said: str

    @property
    def outcome(self) -> str:
        """The outcome by name."""
        return str(self.answer.get("outcome", ""))


class Delivering:
    """The product in one environment of the lab, seen at one of its hosts."""

    def __init__(
        self,
        lab: DrivenLab,
        *,
        environment: str = "lab",
        host: str = "1",
        app_url: str = "",
        preforked: Preforked | None = None,
    ) -> None:
        """Commands are forked from ``preforked`` if it is given."""
        self.lab = lab
        self._preforked = preforked
        self.environment = environment
        self.host = host
        self.app_url = app_url or str(lab.status["app_url"])

    def run(self, flow: str, *arguments: str) -> Answered:
        """``python -m flows.FLOW --environment ENVIRONMENT ARGUMENTS --json`` to its end."""
        module, *words = self._words(flow, *arguments)
        if self._preforked:
            done = self._preforked.run(module, *words, timeout=FLOW_SECONDS)
        else:
            done = subprocess.run(
                [sys.executable, "-m", module, *words],
                cwd=ROOT,
                env=dict(self.lab.env),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=FLOW_SECONDS,
                check=False,
            )
        said = done.stdout + done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return Answered(done.returncode, json.loads(lines[-1]) if lines else {}, said)

    def start(self, flow: str, *arguments: str) -> subprocess.Popen[str] | Forked:
        """The same, not waited for; its output goes nowhere."""
        module, *words = self._words(flow, *arguments)
        if self._preforked:
            return self._preforked.start(module, *words)
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            env=dict(self.lab.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def commit(self, kind: str = "fix", behaviour: str = "healthy", message: str = "") -> str:
        """A commit on develop; its SHA."""
        words = ["commit", "--type", kind, "--behaviour", behaviour]
        words += ["--message", message] if message else []
        return self.lab.command(*words).strip().splitlines()[-1]

    def edit(self, file: str, edits: Mapping[str, str], message: str) -> str:
        """A commit on develop that replaces texts in a file; its SHA.

        A file that is not there counts as an empty one, and an empty one is taken away.
        """
        with self.working_copy() as (folder, git):
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            text = _edited(path.read_text() if path.exists() else "", edits)
            path.write_text(text) if text else path.unlink()
            git("add", "--all")
            git("commit", "--quiet", "--message", message)
            git("push", "--quiet", "origin", "develop")
            return git("rev-parse", "HEAD")

    @contextmanager
    def working_copy(self) -> Iterator[tuple[Path, Callable[..., str]]]:
        """A shallow clone of develop that may push, and git in it; gone afterwards."""
        remote = f"{self.lab.status['github_url']}/{self.lab.status['repository']}.git"
        token = f"x-access-token:{self.lab.env['TT_GITHUB_TOKEN']}"
        access = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {b64encode(token.encode()).decode()}",
        }
        with tempfile.TemporaryDirectory() as folder:

            def git(*words: str) -> str:
                who = ("-c", "user.name=a test", "-c", "user.email=test@tt.example")
                return subprocess.run(
                    ["git", "-C", folder, *who, *words],
                    env={**self.lab.env, **access},
                    capture_output=True,
                    text=True,
                    check=True,
                    timeout=60,
                ).stdout.strip()

            git("clone", "--quiet", "--depth=1", "--branch=develop", remote, ".")
            yield Path(folder), git

    def serving(self) -> str:
        """The version that answers on the public port now; empty if nothing does.

        One that is late or not at its best is asked three times; a port that refuses, once.
        """
        for _ in range(3):
            try:
                reply = httpx.get(f"{self.app_url}/api/tickets", timeout=20, trust_env=False)
            except httpx.ConnectError:
                return ""
            except httpx.HTTPError:
                continue
            if reply.status_code == 200:
                return str(reply.json().get("version", ""))
            time.sleep(0.5)
        return ""

    def containers(self) -> dict[str, str]:
        """Container ids of the project on the host, by container name, running ones only."""
        shown = ("--no-trunc", "--format", "{{.Names}} {{.ID}}")
        listed = self.lab.exec("docker", "ps", *shown, host=self.host)
        pairs = (line.split() for line in listed.splitlines() if line.startswith("tt-"))
        return dict(pairs)

    def app_containers(self) -> list[str]:
        """The application's containers on the host, stopped ones too."""
        listed = self.lab.exec(
            "docker", "ps", "--all", "--format", "{{.Names}}",
            "--filter", "label=com.docker.compose.service=app", host=self.host,
        )  # fmt: skip
        return sorted(listed.split())

    def record(self) -> list[dict[str, Any]]:
        """The host's own record of healthy releases, oldest first."""
        text = self.lab.exec("cat", "/var/lib/tt-deploy/releases.jsonl", host=self.host)
        return [json.loads(line) for line in text.splitlines()]

    def tags(self) -> list[str]:
        """The tags in the application's repository."""
        url = f"{self.lab.status['github_url']}/repos/{self.lab.status['repository']}/tags"
        headers = {"Authorization": f"Bearer {self.lab.env['TT_GITHUB_TOKEN']}"}
        reply = httpx.get(
            url, params={"per_page": 100}, headers=headers, timeout=30, trust_env=False
        )
        return [tag["name"] for tag in reply.raise_for_status().json()]

    def wait_until_serving(self, version: str, *, seconds: float) -> bool:
        """Whether ``version`` answers within so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.serving() == version:
                return True
            time.sleep(0.5)
        return False

    @contextmanager
    def under_load(self, *, posts: float = 0.1) -> Iterator[list[Load]]:
        """New connections, kept ones, and one slow request a second, all the while.

        ``posts`` is the share of POSTs among the first two kinds.
        """
        tickets = f"{self.app_url}/api/tickets"
        loads = [
            Load(tickets, per_second=15, posts=posts),
            Load(tickets, per_second=15, keep_alive=True, posts=posts),
            Load(f"{self.app_url}/api/slow?ms=2000", per_second=1),
        ]
        with loads[0], loads[1], loads[2]:
            time.sleep(1.0)
            yield loads
            time.sleep(1.0)

    @staticmethod
    def kill(process: subprocess.Popen[str] | Forked) -> None:
        """``kill -9`` of a worker's process, as if its machine had lost power."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _words(self, flow: str, *arguments: str) -> list[str]:
        return [f"flows.{flow}", "--environment", self.environment, *arguments, "--json"]


def _edited(text: str, edits: Mapping[str, str]) -> str:
    for before, after in edits.items():
        if before not in text:
            raise ValueError(f"{before!r} is not in the file")
        text = text.replace(before, after, 1)
    return text
