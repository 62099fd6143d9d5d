"""Build the image of a released revision and push it; nothing more."""

from prefect import flow

from blocks.environment import load_environment
from delivery.image import Image
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import EnvironmentName, Revision
from tasks.image import build_image_and_push
from tasks.release import find_revision, make_tag_and_release


@flow(name="build", flow_run_name=run_name("build {revision}"), persist_result=False)
def build(environment: EnvironmentName = "production", revision: Revision = None) -> Image:
    """Release a revision if it is not yet, and have its image in the registry."""
    target = load_environment(environment)
    release = make_tag_and_release(target, find_revision(target, revision))
    return build_image_and_push(target, release)


def main(arguments: list[str]) -> int:
    """``python -m flows.build --environment NAME [--revision REV] [--json]``."""
    parser = command_line("Build and push the image of a revision.", "flows.build")
    parser.add_argument("--revision", help="commit, branch or tag; default: the branch's head")
    options = parser.parse_args(arguments)
    image = build(options.environment, options.revision)
    answer = {
        "outcome": "BUILT" if image.built else "UNCHANGED",
        "tag": image.tag,
        "digest": image.digest,
        "image": image.reference,
    }
    return end_process(answer, options, succeeded=True, text=image.reference)


if __name__ == "__main__":
    run_command(main)
