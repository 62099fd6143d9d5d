"""The three ways to bring a built release to the lab's host that are compared."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import Load, together
from lab.processes import wait_until
from tools.driving import ROOT, Delivering

_BARE = Path(__file__).with_name("bare.sh")
_SECONDS = 500
_UNTIL_SERVING_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Built:
    """A release whose image is in the registry, ready to be brought to the host."""

    tag: str
    image: str
    revision: str


@dataclass(frozen=True, slots=True)
class Row:
    """What one way cost: requests asked and failed, gap and p99 in seconds, wall time."""

    way: str
    asked: int
    failed: int
    longest_gap_seconds: float
    p99_seconds: float
    wall_seconds: float
    serving: bool

    @classmethod
    def of(cls, way: str, loads: Sequence[Load], *, wall_seconds: float, serving: bool) -> "Row":
        """The row of a measured way; the load that asks for slow answers is last, not in p99."""
        figures = together(loads)
        return cls(
            way=way,
            asked=len(figures.answers),
            failed=len(figures.failed),
            longest_gap_seconds=figures.longest_gap_seconds,
            p99_seconds=together(loads[:-1]).percentile(0.99),
            wall_seconds=wall_seconds,
            serving=serving,
        )


class Comparison:
    """Runs the ways one after the other on the same host, each with a release of its own."""

    def __init__(self, delivering: Delivering) -> None:
        self._delivering = delivering

    def ours(self) -> Row:
        """``python -m flows.deploy``, strategy rolling; an empty host gets a release before."""
        if not self._delivering.serving():
            self._deploy(self._new_release())
        return self._measured("TT Deploy, rolling", self._deploy)

    def bare(self) -> list[Row]:
        """Today's script, and Compose for the app alone; the host is ours again afterwards."""
        self._on_host("prepare", self._new_release())
        try:
            if not wait_until(lambda: bool(self._delivering.serving()), _UNTIL_SERVING_SECONDS):
                raise RuntimeError("the application never answered on port 8080 without a gateway")
            return [
                self._measured("today's script, bare", lambda new: self._on_host("script", new)),
                self._measured("compose up -d app", lambda new: self._on_host("app", new)),
            ]
        finally:
            last = self._new_release()
            self._on_host("restore", last)
            self._deploy(last)

    def _measured(self, way: str, bring: Callable[[Built], None]) -> Row:
        new = self._new_release()
        # GETs alone: what today's ways and the tables before this one were measured with.
        with self._delivering.under_load(posts=0) as loads:
            began = time.monotonic()
            bring(new)
            wall = time.monotonic() - began
            serving = self._delivering.wait_until_serving(new.tag, seconds=_UNTIL_SERVING_SECONDS)
        return Row.of(way, loads, wall_seconds=wall, serving=serving)

    def _new_release(self) -> Built:
        """A new commit, tagged and built: what it takes to build is no part of a way."""
        revision = self._delivering.commit("fix", message="fix: measured")
        built = self._answer("build", "--revision", revision)
        return Built(tag=built["tag"], image=built["image"], revision=revision)

    def _deploy(self, new: Built) -> None:
        self._answer("deploy", "--revision", new.revision)

    def _answer(self, flow: str, *arguments: str) -> Mapping[str, Any]:
        done = self._delivering.run(flow, *arguments)
        if done.status:
            raise RuntimeError(f"{flow} ended with status {done.status}:\n{done.said[-2000:]}")
        return done.answer

    def _on_host(self, way: str, new: Built) -> None:
        registry = new.image.partition("/")[0]
        inputs = {
            "WAY": way,
            "IMAGE": new.image,
            "REVISION": new.revision,
            "REGISTRY": registry,
            "REGISTRY_USER": self._delivering.lab.env["TT_REGISTRY_USERNAME"],
        }
        words = [f"{name}={value}" for name, value in inputs.items()]
        command = [sys.executable, "-m", "lab", "--home", str(self._delivering.lab.home)]
        subprocess.run(
            [*command, "exec", "1", "--", "env", *words, "bash", "-s"],
            cwd=ROOT,
            input=_BARE.read_text(encoding="utf-8"),
            text=True,
            check=True,
            timeout=_SECONDS,
        )
