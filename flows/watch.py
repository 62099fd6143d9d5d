"""For servers that GitHub cannot reach: has the branch moved to something that deploys?"""

from prefect import flow, get_run_logger

from blocks.environment import load_environment
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import EnvironmentName
from tasks.hosts import find_hosts, observe_hosts
from tasks.pushes import deployed_revision, follow_branch


@flow(name="watch", flow_run_name=run_name("watch {environment}"), persist_result=False)
def watch(environment: EnvironmentName = "production") -> str:
    """Compare the branch's head with what is deployed; ask for a deploy as a push would.

    The same rules as for a push, and the same event: with the webhook on as well, a push
    still gives one deploy. A head whose deploy failed is not asked for again.
    """
    target = load_environment(environment)
    deployed = deployed_revision(observe_hosts(target, find_hosts(target)))
    answer = follow_branch(target, deployed)
    get_run_logger().info("%s", answer)
    return answer


def main(arguments: list[str]) -> int:
    """``python -m flows.watch --environment NAME [--json]``; 0 whether or not it moved."""
    parser = command_line("Ask for a deploy if the branch has moved.", "flows.watch")
    options = parser.parse_args(arguments)
    answer = watch(options.environment)
    said = {"outcome": "WATCHED", "answer": answer}
    return end_process(said, options, succeeded=True, text=answer)


if __name__ == "__main__":
    run_command(main)
