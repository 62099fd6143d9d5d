"""The command line of the lab."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.__main__ import parser
from lab.settings import LabSettings


def test_a_home_is_one_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parser().parse_args(["--home", "here", "down"]).home == tmp_path / "here"
    assert parser().parse_args(["--home", str(tmp_path), "down"]).home == tmp_path


def test_who_stops_listening_hears_no_complaint(tmp_path: Path) -> None:
    LabSettings.create(tmp_path / "lab", hosts=1).save()
    listens, speaks = os.pipe()
    os.close(listens)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lab", "--home", str(tmp_path / "lab"), "env"],
            stdout=speaks,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(speaks)

    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
