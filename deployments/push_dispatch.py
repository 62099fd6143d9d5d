"""Held pushes become deploys: collapsed to the newest, decided, asked for until a run is there."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blocks.deploy_trigger import DeployTrigger
from blocks.environment import load_environment
from delivery.errors import DeliveryError
from delivery.redaction import redact
from delivery.trigger import Call, decide_together
from deployments.push_spool import HeldPush, PushSpool
from tasks.pushes import ask_for_deploy, push_wish, settle

_log = logging.getLogger("tt_deploy.webhook")


Settle = Callable[[str, Sequence[HeldPush]], None]
"""Do what these pushes ask of one environment; raise a DeliveryError to be called again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When to act, in seconds."""

    quiet: float = 3.0
    """No push for so long: the burst is over."""
    patience: float = 120.0
    """No push waits longer than this for a burst to end."""
    first_retry: float = 2.0
    longest_retry: float = 60.0
    given_up_after: float = 86_400.0
    """A push this old is dropped: nobody wants yesterday's deploy at a random hour."""


class Dispatcher:
    """Empties a spool; ``run`` is the body of a thread, ``wake`` tells it of a new push."""

    def __init__(
        self,
        spool: PushSpool,
        environments: Sequence[str],
        settle: Settle,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spool = spool
        self._environments = tuple(environments)
        self._settle = settle
        self._pace = pace or Pace()
        self._clock = clock
        self._retry = self._pace.first_retry
        self._not_before = 0.0
        self._woken = threading.Event()
        self._stopped = False

    def wake(self) -> None:
        """A push came in."""
        self._woken.set()

    def stop(self) -> None:
        """Let ``run`` return after what it is doing."""
        self._stopped = True
        self._woken.set()

    def run(self) -> None:
        """Settle pushes until stopped; survives whatever one of them brings."""
        while not self._stopped:
            self._woken.clear()
            try:
                pause = self.step()
            except Exception:
                _log.exception("Settling the held pushes failed; they stay held.")
                pause = self._later()
            self._woken.wait(pause)

    def step(self) -> float | None:
        """Settle what is due; the seconds until there is more to do, None: when woken."""
        held = self._spool.held()
        if not held:
            return None
        now = self._clock()
        quiet = held[-1].received + self._pace.quiet
        due = max(self._not_before, min(quiet, held[0].received + self._pace.patience))
        if now < due:
            return due - now
        unsettled = [name for name in self._environments if not self._settled(name, held)]
        if unsettled and now - held[-1].received < self._pace.given_up_after:
            return self._later()
        if unsettled:
            _log.error("Given up on %d pushes for %s.", len(held), ", ".join(unsettled))
        self._spool.settle(held)
        self._retry = self._pace.first_retry
        return 0.0

    def _settled(self, environment: str, held: Sequence[HeldPush]) -> bool:
        try:
            self._settle(environment, held)
        except DeliveryError as error:
            _log.warning("%s has to wait: %s", environment, redact(str(error)))
            return False
        return True

    def _later(self) -> float:
        pause, self._retry = self._retry, min(self._retry * 2, self._pace.longest_retry)
        self._not_before = self._clock() + pause
        return pause


def settle_pushes(environment: str, pushes: Sequence[HeldPush]) -> None:
    """Ask for one deploy of the branch's newest commit, if any of the pushes deploys.

    Doing it again asks for nothing twice. Raises a DeliveryError of Prefect or GitHub.
    """
    target = load_environment(environment)
    mine = [
        held.push
        for held in pushes
        if held.push.concerns(repository=target.repository, branch=target.branch)
    ]
    if not mine:
        return
    github = target.github_door()
    try:
        head = github.branch_head(target.branch)
        if head is None:
            _log.info("%s: the branch %s is gone.", environment, target.branch)
            return
        decision = settle(decide_together(mine), github, head)
    finally:
        github.close()
    _log.info("%s: %s %s: %s", environment, decision.call, head[:12], decision.reason)
    if decision.call is Call.DEPLOY:
        wish = push_wish(target, head, actor=mine[-1].actor, reason=decision.reason)
        asked = ask_for_deploy(DeployTrigger(environment), wish)
        _log.info("%s: a run %s.", environment, "was started" if asked else "is there already")
