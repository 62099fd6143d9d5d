"""Forget runs that nobody will look at any more, and keep the last deploys for ever."""

import dataclasses
import datetime

from prefect import flow

from blocks.run_history import RunHistory
from delivery.retention import Forgotten
from flows.ending import command_line, end_process, run_command, run_name
from flows.parameters import DryRun, EnvironmentName, KeepDays, KeepDeploys
from flows.watched import TAG
from tasks.retention import find_old_runs, forget_runs, publish_account

KEEP_DAYS = 90
KEEP_DEPLOYS = 20


@flow(name="retention", flow_run_name=run_name("old runs of {environment}"), persist_result=False)
def retention(
    environment: EnvironmentName = "production",
    keep_days: KeepDays = KEEP_DAYS,
    keep_deploys: KeepDeploys = KEEP_DEPLOYS,
    dry_run: DryRun = False,
) -> Forgotten:
    """Delete an environment's runs that ended long ago, with their logs and artifacts.

    Left alone: what has not ended, the last deploys, rollouts and rollbacks, and the runs
    of everybody else on the server. What runs on the hosts is not written here, so nothing
    that a deploy or a rollback needs is lost.
    """
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=keep_days)
    history = RunHistory(TAG)
    old = find_old_runs(history, environment, before=before, keep=keep_deploys)
    account = forget_runs(history, environment, old, dry_run=dry_run)
    publish_account(environment, account)
    return account


def main(arguments: list[str]) -> int:
    """``python -m flows.retention --environment NAME [--keep-days N] [--dry-run] [--json]``."""
    parser = command_line("Forget an environment's old runs.", "flows.retention")
    parser.add_argument("--keep-days", type=int, default=KEEP_DAYS, help="(default: %(default)s)")
    parser.add_argument(
        "--keep-deploys", type=int, default=KEEP_DEPLOYS, help="the last of them are kept"
    )
    parser.add_argument("--dry-run", action="store_true", help="count, delete nothing")
    options = parser.parse_args(arguments)
    account = retention(
        options.environment, options.keep_days, options.keep_deploys, options.dry_run
    )
    answer = {
        "outcome": "PLANNED" if options.dry_run else "FORGOTTEN",
        **dataclasses.asdict(account),
    }
    return end_process(answer, options, succeeded=True, text=account.as_markdown())


if __name__ == "__main__":
    run_command(main)
