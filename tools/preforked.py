"""Our commands without the time that their imports take: a process that has imported, and forks.

Importing the flows takes nearly two seconds of a processor, and the end-to-end tests type hundreds
of commands. A forked one is the command as a user has it but for that: its own arguments and
output, the module run as ``python -m`` runs it, and the interpreter's own end.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import boto3
from apprise import Apprise

from blocks.aws_hosts import AwsHosts
from blocks.tls import trusted

_REQUEST_BYTES = 1 << 16
_MODULES = tuple(
    f"flows.{name}"
    for name in ("deploy", "diagnose", "drift", "healthcheck", "history", "preflight", "rollback")
) + tuple(
    f"lab.{name}"
    for name in ("commit", "down", "environment", "execute", "faults", "inspect", "status", "up")
)


class Preforked:
    """Runs modules as commands of one environment and folder; ends with its maker at the latest."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tools.preforked", str(theirs.fileno())],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    @property
    def process(self) -> int:
        """The id of the process that forks."""
        return self._server.pid

    def close(self) -> None:
        """End the process that forks."""
        self._requests.close()
        self._server.wait(timeout=30)

    def run(
        self, module: str, *arguments: str, timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        """``python -m MODULE ARGUMENTS`` to its end.

        Raises TimeoutExpired, the command killed, after so many seconds.
        """
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            forked = self._fork([module, *arguments], output, errors)
            try:
                status = forked.wait(timeout)
            except subprocess.TimeoutExpired:
                forked.send_signal(signal.SIGKILL)
                raise
            said, complained = (_text_of(file) for file in (output, errors))
        return subprocess.CompletedProcess(forked.args, status, said, complained)

    def start(self, module: str, *arguments: str) -> "Forked":
        """The same, not waited for; its output goes nowhere."""
        with Path(os.devnull).open("wb") as nowhere:
            return self._fork([module, *arguments], nowhere, nowhere)

    def _fork(self, command: list[str], output: IO[bytes], errors: IO[bytes]) -> "Forked":
        reading, writing = os.pipe()
        handed = [output.fileno(), errors.fileno(), writing]
        socket.send_fds(self._requests, [json.dumps(command).encode()], handed)
        os.close(writing)
        return Forked(command, os.fdopen(reading, "rb", buffering=0))


class Forked:
    """A command under way, as much of `subprocess.Popen` as is needed."""

    def __init__(self, args: list[str], told: IO[bytes]) -> None:
        """``told`` says the command's process and, at its end, its status."""
        self.args = args
        self._told = told
        self.pid = int(told.readline())

    def send_signal(self, sent: int) -> None:
        """Send it a signal; it must not have been waited for."""
        os.kill(self.pid, sent)

    def wait(self, timeout: float | None = None) -> int:
        """Its status, the negative number of a signal if that ended it.

        Raises TimeoutExpired if it has not ended after so many seconds.
        """
        if not select.select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        with self._told:
            return int(self._told.readline())


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _serve(requests: socket.socket) -> list[str]:
    """Fork for each request until nobody can make one any more; in a fork, its command."""
    while True:
        request, handed, *_ = socket.recv_fds(requests, _REQUEST_BYTES, 3)
        if not request:
            return []
        if not os.fork():
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _fork_watched(*handed)
            return list(json.loads(request))
        for descriptor in handed:
            os.close(descriptor)


def _fork_watched(output: int, errors: int, telling: int) -> None:
    """Fork once more: the parent tells the child's process and status, and ends."""
    process = os.fork()
    if process:
        os.write(telling, b"%d\n" % process)
        _, status = os.waitpid(process, 0)
        # Whoever asked may have stopped waiting.
        with contextlib.suppress(BrokenPipeError):
            os.write(telling, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    for descriptor in (output, errors, telling):
        os.close(descriptor)


def _read_ahead() -> None:
    """Read what each command would read for itself, which takes half a second of a processor.

    Whom HTTP clients trust, how AWS's services are described, Apprise's many plugins.
    """
    trusted()
    nobody = boto3.Session("-", "-", region_name="eu-west-1")
    AwsHosts(nobody, {})
    Apprise().add("json://localhost")


def main(requests: socket.socket) -> None:
    """Import, then serve; in a fork, be the command."""
    for module in _MODULES:
        importlib.import_module(module)
    _read_ahead()
    # What all forks share should stay shared.
    gc.freeze()
    # The forks that watch are waited for by nobody.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if command := _serve(requests):
        module, *arguments = command
        sys.modules.pop(module, None)
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
