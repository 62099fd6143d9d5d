"""Noting what runs on the hosts while a flow does its work, for one table at its end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from delivery.errors import DeliveryError
from delivery.host_script import HostAnswer
from delivery.host_steps import HostStep, is_noted
from tasks.artifacts import publish_steps
from tasks.bounded import harmless

_NOTED: ContextVar[list[HostStep] | None] = ContextVar("host steps", default=None)
"""The list of the flow that is under way; its tasks, in whatever thread, see the same one."""


@contextmanager
def steps_published(environment: str) -> Iterator[None]:
    """Publish the steps that end in here, however it ends; a warning if that cannot be done."""
    steps: list[HostStep] = []
    token = _NOTED.set(steps)
    try:
        yield
    finally:
        _NOTED.reset(token)
        if steps:
            with harmless("the table of what ran on the hosts"):
                publish_steps(environment, steps)


def note_steps(
    step: str, answers: Mapping[str, HostAnswer | DeliveryError], *, waited: float
) -> None:
    """Note how a script ended on each host; nothing where nobody publishes it."""
    steps = _NOTED.get()
    if steps is not None and is_noted(step):
        steps += [HostStep.of(step, h, answer, waited=waited) for h, answer in answers.items()]
