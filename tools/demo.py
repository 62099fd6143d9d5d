"""The demo: a real application goes to a real host, from nothing, for you to watch.

Brings the lab up, runs the deployment as a CI would, prints the report and where to look,
and leaves everything running until ``make lab-down``.
"""

import re
import subprocess
import sys
import time

import httpx
from rich.console import Console
from rich.markdown import Markdown

from tools.running_lab import RunningLab, report_of, running_lab

DEPLOYMENT = "deploy/lab"
# A first start fetches and builds everything; beyond this something hangs.
LAB_SECONDS = 1800
_RUN_ID = re.compile(r"UUID: ([0-9a-f-]{36})")

console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)


def main() -> int:
    """Run the demo; 0 if the release was deployed and answers."""
    started = time.monotonic()
    chapter("1/3  The lab: an engine, a registry, an instance, the services, Prefect")
    up = subprocess.run([sys.executable, "-m", "lab", "up"], timeout=LAB_SECONDS)
    if up.returncode:
        console.print("The lab did not come up: its own words are above; `make demo` tries again.")
        return up.returncode
    lab = running_lab()

    chapter(f"2/3  The deploy; watch it at {lab.prefect_ui_url}/runs")
    run_id, deployed = deploy_as_a_ci_would(lab)

    chapter("3/3  The report")
    show_report(lab, run_id)
    answers = deployed and service_answers(lab)
    console.print(where_to_look(lab, run_id))
    console.print(f"{time.monotonic() - started:.0f} s from start to end.")
    return 0 if answers else 1


def deploy_as_a_ci_would(lab: RunningLab) -> tuple[str, bool]:
    """Start the deployment and follow it; the run's id, and whether it completed."""
    command = ["prefect", "deployment", "run", DEPLOYMENT, "--watch"]
    console.print(f"[dim]$ {' '.join(command)}[/]")
    run_id = ""
    with subprocess.Popen(
        command, env=lab.environment, stdout=subprocess.PIPE, text=True
    ) as following:
        for line in following.stdout or ():
            print(line, end="", flush=True)
            if named := _RUN_ID.search(line):
                run_id = named[1]
    return run_id, following.returncode == 0


def show_report(lab: RunningLab, run_id: str) -> None:
    """Print the run's report, or say that it left none."""
    try:
        console.print(Markdown(report_of(lab.prefect_api_url, run_id).text))
    except LookupError as error:
        console.print(f"[red]There is no report: {error}.[/]")


def service_answers(lab: RunningLab) -> bool:
    """Ask the application itself, over the port that its users would take."""
    url = f"{lab.app_url}/actuator/health"
    try:
        status = httpx.get(url, timeout=10).json().get("status")
    except (httpx.HTTPError, ValueError) as error:
        status = f"nothing ({error})"
    console.print(f"\nThe service answers {status} at {url}")
    return bool(status == "UP")


def where_to_look(lab: RunningLab, run_id: str) -> str:
    """What is running, and what to try next."""
    return f"""
Everything stays up. Look at
  the run        {lab.prefect_ui_url}/runs/flow-run/{run_id}
  the service    {lab.app_url}/actuator/info
  the releases   {lab.releases_url}

What to type next
  . .venv/bin/activate && eval "$(python -m lab env)"
  python -m lab commit --type feat && prefect deployment run {DEPLOYMENT} --watch
  python -m lab commit --behaviour never-healthy && prefect deployment run {DEPLOYMENT} --watch
  python -m lab status
  make lab-down
"""


def chapter(title: str) -> None:
    """Begin a part of the demo."""
    console.rule(f"[bold]{title}", align="left")


if __name__ == "__main__":
    sys.exit(main())
