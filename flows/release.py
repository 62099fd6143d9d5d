"""Give a revision its version, its tag and its release; nothing more."""

import sys

if __name__ == "__main__" and "--plan" in sys.argv[1:]:
    # Before Prefect, whose import alone takes longer than a plan may.
    from flows.release_plan import main as show_plan

    sys.exit(show_plan(sys.argv[1:]))

from prefect import flow

from blocks.environment import load_environment
from delivery.released import Release
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import DryRun, EnvironmentName, Revision
from tasks.release import find_revision, make_tag_and_release


@flow(name="release", flow_run_name=run_name("release {revision}"), persist_result=False)
def release(
    environment: EnvironmentName = "production",
    revision: Revision = None,
    dry_run: DryRun = False,
) -> Release:
    """Tag a revision and publish its release with notes; what exists is reused."""
    target = load_environment(environment)
    return make_tag_and_release(target, find_revision(target, revision), dry_run=dry_run)


def main(arguments: list[str]) -> int:
    """``python -m flows.release --environment NAME [--revision REV] [--dry-run] [--json]``.

    With ``--plan`` instead: what would be released from the clone in the current folder.
    """
    parser = command_line("Tag a revision and publish its release.", "flows.release")
    parser.add_argument("--revision", help="commit, branch or tag; default: the branch's head")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, touch nothing")
    options = parser.parse_args(arguments)
    made = release(options.environment, options.revision, options.dry_run)
    done = "PLANNED" if options.dry_run else "RELEASED"
    answer = {
        "outcome": done if made.created else "UNCHANGED",
        "version": made.version,
        "previous_version": made.previous_version,
        "revision": made.sha,
        "tag": made.tag,
        "previous_tag": made.previous_tag,
        "url": made.url,
        "reason": made.reason,
    }
    text = f"{made.tag}  {made.reason}\n\n{made.notes}"
    return end_process(answer, options, succeeded=True, text=text)


if __name__ == "__main__":
    run_command(main)
