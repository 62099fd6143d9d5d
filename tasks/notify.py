"""Telling people how a deploy goes. Nothing here can fail one, or hold it up for long."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from blocks.environment import Environment
from blocks.slack import Channel, Posted
from delivery.announcement import Announcement, announce_drift, announce_end, announce_start
from delivery.checks import Check
from delivery.journal import Journal
from delivery.notification import Weight
from delivery.redaction import redact
from delivery.report import Report
from delivery.slack_message import slack_message
from tasks.bounded import within

_PATIENCE_SECONDS = 12.0
"""Two tries of five seconds and a pause: no announcement is waited for any longer."""

Answer = TypeVar("Answer")


class Announcer:
    """Announces one deploy, rollback or rollout: its start, and how it ended.

    The start is told while the deploy goes on; the end once nothing depends on it any more.
    """

    def __init__(self, target: Environment, *, kind: str) -> None:
        self._target = target
        self._kind = kind
        self._told: PrefectFuture[Posted | None] | None = None

    def start(self, journal: Journal) -> None:
        """Say that it begins; not waited for."""
        with harmless("announcing the start"):
            announcement = announce_start(journal, kind=self._kind, dashboard_url=self._page)
            self._told = announce.submit(self._target, announcement)

    def end(self, report: Report) -> None:
        """Say how it ended, in the place of its start where the channel allows."""
        with harmless("announcing the end"):
            announcement = announce_end(report, kind=self._kind, dashboard_url=self._page)
            posted = self._posted()
            if announcement is not None:
                announce(self._target, announcement, posted)

    @property
    def _page(self) -> str:
        return self._target.notifications.dashboard_url

    def _posted(self) -> Posted | None:
        return None if self._told is None else self._told.result(timeout=_PATIENCE_SECONDS)


def tell_of_drift(
    target: Environment, checks: Sequence[Check], *, mended: Sequence[Check] = ()
) -> None:
    """Say that what runs drifted from what was deployed, or no longer does.

    ``checks`` are all that do not pass now, ``mended`` those that pass again. For whoever
    found out that this has changed since the last look: it is told each time it is called.
    """
    page = runtime.flow_run.ui_url or ""
    announce(target, announce_drift(target.name, checks, mended=mended, run_url=page))


@task(
    name="announce",
    task_run_name="announce: {announcement.headline}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def announce(
    target: Environment, announcement: Announcement, posted: Posted | None = None
) -> Posted | None:
    """Tell the environment's channel, if it has one and wants to hear of this now.

    ``posted`` is the message to replace. Never tried again by Prefect: the channel itself
    asks a second time where that cannot double the message.
    """
    channel = target.channel()
    if channel is None:
        return None
    now = datetime.datetime.now(datetime.UTC)
    if not target.notifications.wants(announcement.weight, at=now):
        get_run_logger().info("not announced, as the environment's notifications want it")
        return None
    return best_effort("Slack", lambda: _say(channel, announcement, posted))


def _say(channel: Channel, announcement: Announcement, posted: Posted | None) -> Posted | None:
    message = slack_message(announcement)
    try:
        if posted is None:
            return channel.post(message)
        channel.update(posted, message)
        if announcement.weight is Weight.PROBLEM:  # a change of a message notifies nobody
            channel.post(message, below=posted)
        return posted
    finally:
        channel.close()


def best_effort(what: str, work: Callable[[], Answer]) -> Answer | None:
    """What ``work`` gives; None and a warning if it fails or takes too long."""
    with harmless(what):
        return within(_PATIENCE_SECONDS, work)
    return None


@contextmanager
def harmless(what: str) -> Iterator[None]:
    """Turn every failure within into a warning that holds no secret."""
    try:
        yield
    except Exception as error:
        problem = str(error) or "no answer in time"
        get_run_logger().warning("%s", redact(f"Without {what}: {type(error).__name__}: {problem}"))
