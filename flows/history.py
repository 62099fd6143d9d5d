"""What happened to an environment: its deliveries, and DORA's four figures."""

import datetime
from typing import Annotated

from prefect import flow

from blocks.environment import load_environment
from delivery.cuts import named
from delivery.deliveries import gather
from delivery.dora import figures
from delivery.history import History
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import EnvironmentName, shown
from tasks.history import publish_history, push_figures, read_git, read_records, read_runs

Days = Annotated[int, shown("Days", "How far back to look.", ge=1, le=3650)]


@flow(name="history", flow_run_name=run_name("history of {environment}"), persist_result=False)
def history(environment: EnvironmentName = "production", days: Days = 30) -> History:
    """Tell what was delivered, out of Prefect's runs, the hosts' records, and git's tags.

    Touches nothing but the figures that Prometheus keeps. What cannot be read (a host that is
    away, a repository) is said, and the rest is told.
    """
    target = load_environment(environment)
    until = datetime.datetime.now(datetime.UTC)
    since = until - datetime.timedelta(days=days)
    runs = read_runs(environment, since)
    records, no_records = read_records(target)
    gathered = gather(runs, records)
    git = read_git(target, gathered)
    known = named(gathered, git.cuts)
    told = History(
        environment=environment,
        since=since,
        until=until,
        deliveries=tuple(each for each in known if each.ended >= since),
        figures=figures(known, git.commits, since=since, until=until),
        missing=tuple(filter(None, (no_records, *git.missing))),
        cuts=tuple(git.cuts),
    )
    publish_history(told)
    push_figures(target, told)
    return told


def main(arguments: list[str]) -> int:
    """``python -m flows.history --environment NAME [--days N] [--json]``; 0 if it was told."""
    parser = command_line("Tell what was delivered, with DORA's four figures.", "flows.history")
    parser.add_argument("--days", type=int, default=30, help="how far back; default: 30")
    options = parser.parse_args(arguments)
    told = history(options.environment, options.days)
    return end_process(told.as_json(), options, succeeded=True, text=told.as_markdown())


if __name__ == "__main__":
    run_command(main)
