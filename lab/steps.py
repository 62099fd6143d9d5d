"""Runs steps that need each other, side by side where they do not, and says how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do once the steps it needs are done."""

    name: str
    action: Callable[[], str | None]
    """Does it; may return a word about what it found or did."""
    needs: tuple[str, ...] = ()


def run_steps(steps: Sequence[Step], say: Callable[[str], None] = print) -> None:
    """Run every step; after a failure start no more, and raise it when the others are done."""
    known = {step.name for step in steps}
    for step in steps:
        if missing := set(step.needs) - known:
            raise ValueError(f"step {step.name!r} needs {sorted(missing)}, which is not there")
    with ThreadPoolExecutor(max_workers=len(steps) or 1) as pool:
        _Run(steps, pool, say).finish()


class _Run:
    """One run through the steps: which wait, which run, which are done."""

    def __init__(
        self, steps: Sequence[Step], pool: ThreadPoolExecutor, say: Callable[[str], None]
    ) -> None:
        self._waiting = list(steps)
        self._pool = pool
        self._say = say
        self._done: set[str] = set()
        self._running: dict[Future[str | None], tuple[Step, float]] = {}
        self._failure: BaseException | None = None

    def finish(self) -> None:
        """Start what can start and take in what ends, until nothing runs."""
        self._start_ready()
        while self._running:
            for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                self._take_in(future)
            self._start_ready()
        if self._failure:
            raise self._failure
        if self._waiting:
            raise ValueError(f"steps need each other: {[step.name for step in self._waiting]}")

    def _start_ready(self) -> None:
        if self._failure:
            return
        for step in [s for s in self._waiting if self._done.issuperset(s.needs)]:
            self._waiting.remove(step)
            self._running[self._pool.submit(step.action)] = (step, time.monotonic())

    def _take_in(self, future: Future[str | None]) -> None:
        step, started = self._running.pop(future)
        seconds = time.monotonic() - started
        if error := future.exception():
            self._say(f"  {step.name:<18}{seconds:6.1f} s  FAILED")
            self._failure = self._failure or error
        else:
            remark = future.result()
            self._say(f"  {step.name:<18}{seconds:6.1f} s" + (f"  {remark}" if remark else ""))
            self._done.add(step.name)
