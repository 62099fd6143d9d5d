"""Release, build, roll out and verify; go back if it does not hold."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.environment import Environment
from delivery.journal import Journal
from delivery.report import Outcome
from delivery.rollout import Bundle, plan_rollout, running_tag
from flows.approval import Gate
from flows.ending import allows_data_stores, command_line, run_command, run_name, run_reported
from flows.parameters import Actor, AllowDataStores, DryRun, EnvironmentName, Reason, Revision
from flows.readiness import ready_to_deploy
from flows.reported import reported
from flows.rollout import now, roll_out
from tasks.image import build_image_and_push
from tasks.release import make_tag_and_release
from tasks.stack import preview_stack


@flow(name="deploy", flow_run_name=run_name("{environment} ← {revision}"), persist_result=False)
def deploy(
    environment: EnvironmentName = "production",
    revision: Revision = None,
    reason: Reason = "",
    actor: Actor = "",
    dry_run: DryRun = False,
    allow_data_stores: AllowDataStores = False,
) -> State[Any]:
    """Bring a revision of the application to every host of an environment.

    Looks at everything that can be known before (``preflight``), tags and releases the
    revision, builds its image, replaces the running release, and
    believes nothing but the health of what then runs; goes back if that does not hold.
    Doing it again with the same revision changes nothing.
    """

    gate = Gate(revision, dry_run=dry_run)

    def deliver(target: Environment, journal: Journal) -> Outcome:
        generation = now()
        with journal.stage("preflight"):
            ready = ready_to_deploy(target, gate.revision, journal, wait=not dry_run)
            hosts, states = ready.hosts, ready.states
            gate.confirm(states)
        with journal.stage("make tag and release"):
            release = make_tag_and_release(
                target, ready.revision, running=running_tag(states), dry_run=dry_run
            )
            journal.note_release(release)
        if dry_run:
            with journal.stage("plan the rollout"):
                journal.plans = preview_stack(
                    target, hosts, states, release, allow_data_stores=allow_data_stores
                )
            return Outcome.PLANNED
        with journal.stage("build image and push"):
            image = build_image_and_push(target, release)
            bundle = Bundle.of_image(image, version=release.version, revision=release.sha)
            journal.note_bundle(bundle, image)
        plan = plan_rollout(
            states, bundle, generation=generation, allow_data_stores=allow_data_stores
        )
        return roll_out(target, hosts, plan, journal)

    return reported(
        environment,
        deliver,
        actor=actor,
        reason=reason,
        first=gate.ask,
        announced=not dry_run,
    )


def main(arguments: list[str]) -> int:
    """``python -m flows.deploy --environment NAME [--revision REV] [--dry-run] [--json]``."""
    parser = command_line("Deploy a revision to an environment.", "flows.deploy")
    parser.add_argument("--revision", help="commit, branch or tag; default: the branch's head")
    parser.add_argument("--reason", default="", help="why; the report quotes it")
    parser.add_argument("--actor", default="", help="who asks")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, touch nothing")
    allows_data_stores(parser)
    return run_reported(deploy, parser.parse_args(arguments))


if __name__ == "__main__":
    run_command(main)
