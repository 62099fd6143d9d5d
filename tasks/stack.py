"""What a deploy would do to the stack, found out without touching it."""

from collections.abc import Sequence

from prefect import task

from blocks.aws_hosts import Host
from blocks.environment import Environment
from delivery.host_state import HostState, PlannedStack
from delivery.image import image_tag
from delivery.released import Release
from delivery.rollout import Bundle
from delivery.stack_plan import StackPlan, plan_stack
from tasks.hosts import bundle_inputs, run_step
from tasks.retrying import BACKOFF_SECONDS, retried


@task(
    name="plan stack",
    task_run_name="plan the stack of {release.tag}",
    **retried(BACKOFF_SECONDS),
)
def preview_stack(
    target: Environment,
    hosts: Sequence[Host],
    states: Sequence[HostState],
    release: Release,
    *,
    allow_data_stores: bool,
) -> tuple[StackPlan, ...]:
    """What a deploy of the release would do to each service; a plan may be unknown."""
    bundle = Bundle(release.version, release.tag, release.sha, _image(target, states, release))
    answers = run_step(
        target,
        hosts,
        "plan",
        PlannedStack,
        bundle_inputs(bundle),
        target.timeouts.look,
    )
    return tuple(
        StackPlan(name, unknown=answer.unknown)
        if answer.unknown
        else plan_stack(
            name,
            answer.services,
            target.layout,
            allow_data_stores=allow_data_stores,
            strategy=target.rollout.strategy,
        )
        for name, answer in answers.items()
    )


def _image(target: Environment, states: Sequence[HostState], release: Release) -> str:
    """The image as far as it is known before it is built: by digest if it runs already."""
    for state in states:
        known = state.last_healthy
        if known and known.revision == release.sha and known.image == state.running_image:
            return known.image
    return f"{target.image}:{image_tag(release.tag)}"
