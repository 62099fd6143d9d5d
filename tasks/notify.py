"""Telling people how a deploy goes. Nothing here can fail one, or hold it up for long."""

import datetime
from collections.abc import Sequence
from typing import TypeVar

from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from blocks.environment import Environment
from blocks.slack import Posted
from delivery.announcement import Announcement, announce_drift, announce_end, announce_start
from delivery.checks import Check
from delivery.errors import ChannelError
from delivery.journal import Journal
from delivery.notification import Weight
from delivery.report import Report
from delivery.slack_message import slack_message
from tasks.annotate import annotate
from tasks.bounded import PATIENCE_SECONDS, best_effort, harmless
from tasks.github_deployments import begin_on_github, end_on_github

Answer = TypeVar("Answer")


class Announcer:
    """Announces one deploy, rollback or rollout: its start, and how it ended.

    The start is told while the deploy goes on; the end once nothing depends on it any more.
    """

    def __init__(self, target: Environment, *, kind: str) -> None:
        self._target = target
        self._kind = kind
        self._told: PrefectFuture[Posted | None] | None = None
        self._deployment: PrefectFuture[int | None] | None = None

    def start(self, journal: Journal) -> None:
        """Say that it begins; not waited for."""
        with harmless("announcing the start in Slack"):
            announcement = announce_start(journal, kind=self._kind, dashboard_url=self._page)
            self._told = announce.submit(self._target, announcement)
        with harmless("announcing the start on GitHub"):
            self._deployment = begin_on_github.submit(
                self._target, journal.revision, journal.version, journal.run_url
            )

    def end(self, report: Report) -> None:
        """Say how it ended, everywhere at once; in Slack in the place of its start, if it can."""
        waiting: list[PrefectFuture[None]] = []
        with harmless("showing the end on GitHub and in Grafana"):
            if self._deployment is not None:
                deployment = _answer_of(self._deployment)
                waiting.append(end_on_github.submit(self._target, report, deployment))
                waiting.append(annotate.submit(self._target, report, self._kind))
        with harmless("announcing the end in Slack"):
            announcement = announce_end(report, kind=self._kind, dashboard_url=self._page)
            if announcement is not None:
                announce(self._target, announcement, _answer_of(self._told))
        with harmless("what GitHub and Grafana say"):
            for each in waiting:
                each.wait(timeout=PATIENCE_SECONDS)

    @property
    def _page(self) -> str:
        return self._target.notifications.dashboard_url


def _answer_of(future: PrefectFuture[Answer | None] | None) -> Answer | None:
    """What the start's telling gave; None if it did not come about, or takes too long."""
    if future is not None:
        with harmless("what the start's announcement gave"):
            return future.result(timeout=PATIENCE_SECONDS)
    return None


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
    now = datetime.datetime.now(datetime.UTC)
    if not target.notifications.wants(announcement.weight, at=now):
        get_run_logger().info("not announced, as the environment's notifications want it")
        return None
    return best_effort("Slack", lambda: _say(target, announcement, posted))


def _say(target: Environment, announcement: Announcement, posted: Posted | None) -> Posted | None:
    channel = target.channel()
    if channel is None:
        return None
    message = slack_message(announcement)
    try:
        if posted is None:
            return channel.post(message)
        try:
            channel.update(posted, message)
        except ChannelError:  # somebody deleted it, or it may not be changed any more
            return channel.post(message)
        if announcement.weight is Weight.PROBLEM:  # a change of a message notifies nobody
            channel.post(message, below=posted)
        return posted
    finally:
        channel.close()
