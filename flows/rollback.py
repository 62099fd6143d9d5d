"""Go back to a release that proved healthy on the hosts before."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.environment import Environment
from delivery.journal import Journal
from delivery.preflight import Purpose
from delivery.report import Outcome
from delivery.rollout import choose_way_back, plan_rollout
from flows.ending import allows_data_stores, command_line, run_command, run_name, run_reported
from flows.parameters import Actor, AllowDataStores, EnvironmentName, Reason, WayBack
from flows.readiness import ready_hosts
from flows.reported import reported
from flows.rollout import now, roll_out
from tasks.image import check_image_is_there


@flow(name="rollback", flow_run_name=run_name("{environment} ↩ {to}"), persist_result=False)
def rollback(
    environment: EnvironmentName = "production",
    to: WayBack = None,
    reason: Reason = "",
    actor: Actor = "",
    allow_data_stores: AllowDataStores = False,
) -> State[Any]:
    """Bring back the previous release, or any that the hosts have kept, by its version.

    Passes the same gates as a deploy. What the hosts cannot go back to is refused before
    anything is touched; for an older revision use ``deploy`` with that revision.
    """

    def bring_back(target: Environment, journal: Journal) -> Outcome:
        generation = now()
        with journal.stage("preflight"):
            ready = ready_hosts(target, journal, Purpose.GO_BACK)
            hosts, states = ready.hosts, ready.states
        with journal.stage("choose the way back"):
            bundle = choose_way_back(
                states, to, environment=target.name, tag_prefix=target.tag_prefix
            )
            image = check_image_is_there(target, states, bundle)
            journal.note_bundle(bundle, image)
        plan = plan_rollout(
            states,
            bundle,
            generation=generation,
            allow_data_stores=allow_data_stores,
            going_back=True,
        )
        return roll_out(target, hosts, plan, journal)

    return reported(environment, bring_back, actor=actor, reason=reason)


def main(arguments: list[str]) -> int:
    """``python -m flows.rollback --environment NAME [--to VERSION] [--json]``."""
    parser = command_line("Go back to an earlier release.", "flows.rollback")
    parser.add_argument("--to", help="version or tag; default: the release before this one")
    parser.add_argument("--reason", default="", help="why; the report quotes it")
    parser.add_argument("--actor", default="", help="who asks")
    allows_data_stores(parser)
    return run_reported(rollback, parser.parse_args(arguments))


if __name__ == "__main__":
    run_command(main)
