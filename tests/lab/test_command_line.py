"""The command line of the lab."""

from pathlib import Path

import pytest

from lab.__main__ import parser


def test_a_home_is_one_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parser().parse_args(["--home", "here", "down"]).home == tmp_path / "here"
    assert parser().parse_args(["--home", str(tmp_path), "down"]).home == tmp_path
