"""Marking a deploy on the dashboards of the hosts that it went to."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from blocks.environment import Environment
from delivery.annotation import Annotated, annotation
from delivery.report import Report
from tasks.bounded import best_effort
from tasks.hosts import layout_inputs
from tasks.ssm import ScriptRun, run_script

_SECONDS = 30


@task(
    name="annotate grafana",
    task_run_name="Grafana: {report.outcome}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def annotate(target: Environment, report: Report, kind: str) -> None:
    """Have each host's Grafana show it; a warning if one does not."""
    mark = annotation(report, kind=kind)
    if mark is None:
        return
    inputs = {**layout_inputs(target), "TT_ANNOTATION": mark}
    run = ScriptRun("annotate", inputs, _SECONDS, target.timeouts.delivery)

    def on_hosts() -> dict[str, Annotated]:
        door = target.hosts_door()
        return run_script(door, door.running(target.tag_key, target.tag_value), run, Annotated)

    answers = best_effort("a mark in Grafana", on_hosts) or {}
    marked = [name for name, answer in answers.items() if answer.annotated]
    if marked:
        get_run_logger().info("marked in Grafana on %s", ", ".join(marked))
