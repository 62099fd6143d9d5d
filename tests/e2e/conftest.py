"""The lab of the end-to-end tests: one for the session, beside whatever else is up.

It lies in TT_LAB_HOME (which tools/test.sh sets) or in `.lab-test`, behind which a parallel run
writes its worker's name, has no Prefect (the tests bring their own), and is gone afterwards unless
TT_LAB_KEEP=1. What an earlier run left behind, however it ended, is taken down first.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tools.driving import ROOT, Delivering, lab_command
from tools.driving import DrivenLab as RunningLab
from tools.preforked import Preforked

__all__ = ["ROOT", "RunningLab", "lab_command"]


@pytest.fixture(scope="session")
def lab_home() -> Path:
    """Where the tests' lab lies."""
    chosen = Path(os.environ.get("TT_LAB_HOME") or ROOT / ".lab-test").absolute()
    # pytest-xdist's workers have a lab each.
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    return chosen.with_name(f"{chosen.name}-{worker}") if worker else chosen


@pytest.fixture(scope="session")
def lab(lab_home: Path) -> Iterator[RunningLab]:
    """The lab of this session, up with one host."""
    keep = os.environ.get("TT_LAB_KEEP") == "1"
    if not keep:
        lab_command(lab_home, "down")
    lab_command(lab_home, "up", "--bare")
    # A lab that has just come up has written gigabytes: on a disk that is busy with them the
    # first Redis node to sync its file stalls, and its cluster fails over.
    os.sync()
    running = RunningLab.at(lab_home)
    with closing(Preforked(running.env, ROOT)) as preforked:
        yield replace(running, preforked=preforked)
    if not keep:
        lab_command(lab_home, "down")


@pytest.fixture(scope="session")
def delivering(lab: RunningLab) -> Delivering:
    """The product in that lab: a Prefect server, the environment registered, a worker."""
    lab.command("up")
    return Delivering(lab, preforked=lab.preforked)


@pytest.fixture
def serving(delivering: Delivering) -> str:
    """A healthy release serves; its version."""
    if not delivering.serving():
        done = delivering.run("deploy")
        assert done.outcome in ("DEPLOYED", "UP_TO_DATE"), done.said
    return delivering.serving()


@pytest.fixture
def another(delivering: Delivering, serving: str) -> str:
    """The revision of a release that does not serve: the newest one that did, or a new commit's."""
    others = [line["revision"] for line in delivering.record() if line["tag"] != serving]
    return others[-1] if others else delivering.commit("fix", message="another to go to")
