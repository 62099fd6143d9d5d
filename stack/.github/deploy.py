#!/usr/bin/env python3
"""deploy.py DEPLOYMENT: have TT Deploy deploy, follow the run, end as it ends.

For CI: Python's standard library alone, so nothing is installed first. Asks the Prefect
server at PREFECT_API_URL (PREFECT_API_AUTH_STRING if it wants a login), prints the run's
states and logs as they come, and appends its report to --summary (GITHUB_STEP_SUMMARY).

Exit status: 0 deployed or up to date, 1 any other end, 2 bad usage.
"""

import argparse
import base64
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

POLL_SECONDS = 2.0
ANSWER_SECONDS = 30.0
QUIET_LOOKS = 2
"""A run's last lines reach the server after its last state: so often nothing new may come."""
AWAY_SECONDS = 300.0
"""The server may be away for so long, as while it is upgraded."""
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class GivenUp(Exception):
    """The run could not be started or followed; the message says why."""


class Prefect:
    """The few calls to the server that this takes; each waits out a short absence."""

    def __init__(self, api_url: str, login: str) -> None:
        self.ui_url = api_url.rstrip("/").removesuffix("/api")
        self._api_url = api_url.rstrip("/")
        self._headers = {"Content-Type": "application/json", "User-Agent": "tt-deploy-ci"}
        if login:
            encoded = base64.b64encode(login.encode()).decode()
            self._headers["Authorization"] = f"Basic {encoded}"

    def start(self, deployment: str, parameters: dict[str, Any], key: str) -> str:
        """Start a run; the same key gives the same run, so a lost answer is asked for again."""
        name = urllib.parse.quote(deployment)
        found = self._ask("GET", f"/deployments/name/{name}")
        wanted = {"parameters": parameters, "idempotency_key": key, "state": {"type": "SCHEDULED"}}
        run = self._ask("POST", f"/deployments/{found['id']}/create_flow_run", wanted)
        return str(run["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """The run as it is now."""
        return dict(self._ask("GET", f"/flow_runs/{run_id}"))

    def logs(self, run_id: str, since: datetime) -> list[dict[str, Any]]:
        """Log lines of the run and of the flows that it called, oldest first."""
        called = self._ask(
            "POST",
            "/flow_runs/filter",
            {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}, "limit": 50},
        )
        runs = [run_id, *(each["id"] for each in called)]
        wanted = {
            "logs": {"flow_run_id": {"any_": runs}, "timestamp": {"after_": since.isoformat()}},
            "sort": "TIMESTAMP_ASC",
            "limit": 200,
        }
        return list(self._ask("POST", "/logs/filter", wanted))

    def report(self, run_id: str) -> str:
        """The run's report, empty if it left none: the newest Markdown under a deploy's key."""
        found = self._ask(
            "POST",
            "/artifacts/filter",
            {"artifacts": {"flow_run_id": {"any_": [run_id]}}, "sort": "CREATED_DESC"},
        )
        texts = [each["data"] for each in found if (each["key"] or "").startswith("deploy-")]
        return str(texts[0]) if texts else ""

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._api_url + path, data=content, headers=self._headers, method=method
        )
        due = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as reply:
                    return json.load(reply)
            except urllib.error.HTTPError as error:
                if error.code < 500 and error.code != 429:
                    said = error.read().decode(errors="replace")[:500]
                    raise GivenUp(f"{method} {path} was answered {error.code}: {said}") from None
                away = f"answered {error.code}"
            except (OSError, ValueError) as error:
                away = f"did not answer ({type(error).__name__})"
            if time.monotonic() > due:
                raise GivenUp(f"The Prefect server {away} for {AWAY_SECONDS:.0f} s.")
            time.sleep(POLL_SECONDS)


def follow(prefect: Prefect, run_id: str, *, deadline: float) -> dict[str, Any]:
    """Print states and logs until the run is over and silent; the run as it ended."""
    shown: set[str] = set()
    state, quiet = "", 0
    since = datetime.now(UTC) - timedelta(minutes=1)
    while True:
        run = prefect.run(run_id)
        if run["state"]["id"] != state:
            state = run["state"]["id"]
            print(f"--- {run['name']}: {state_of(run)}", flush=True)
        quiet += 1
        for line in new_lines(prefect.logs(run_id, since - timedelta(seconds=10)), shown):
            since = max(since, datetime.fromisoformat(line["timestamp"]))
            print(f"{line['timestamp'][11:19]} {line['message']}", flush=True)
            quiet = 0
        late = time.monotonic() > deadline
        if run["state_type"] not in FINAL:
            quiet = 0
        elif late or quiet >= QUIET_LOOKS:
            return run
        if late:
            raise GivenUp("It takes longer than --timeout-minutes; the run itself goes on.")
        time.sleep(POLL_SECONDS)


def new_lines(lines: list[dict[str, Any]], shown: set[str]) -> Iterator[dict[str, Any]]:
    """Those that were not shown; lines may arrive late, so the last seconds are read again."""
    for line in lines:
        if line["id"] not in shown:
            shown.add(line["id"])
            yield line


def state_of(run: dict[str, Any]) -> str:
    """The run's state in words."""
    message = run["state"].get("message") or ""
    return f"{run['state']['name']}{': ' if message else ''}{message}"


def succeeded(run: dict[str, Any], *, dry_run: bool) -> bool:
    """Whether the release is live; a plan that nobody asked for is no success."""
    return run["state_type"] == "COMPLETED" and (dry_run or run["state"]["name"] != "Planned")


def parameters_of(asked: argparse.Namespace) -> dict[str, Any]:
    """What the deployment is given; it knows its environment itself."""
    named = {"revision": asked.revision, "actor": asked.actor, "reason": asked.reason}
    return {name: text for name, text in named.items() if text} | (
        {"dry_run": True} if asked.dry_run else {}
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line; ends with status 2 if it makes no sense."""
    parser = argparse.ArgumentParser(prog="deploy.py", description="Deploy, and wait for its end.")
    parser.add_argument("deployment", help="such as deploy/production")
    parser.add_argument("--revision", default="", help="commit, branch or tag")
    parser.add_argument("--actor", default="", help="who asks")
    parser.add_argument("--reason", default="", help="why; the report quotes it")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, touch nothing")
    parser.add_argument("--key", default="", help="the same key never starts a second run")
    parser.add_argument("--timeout-minutes", type=float, default=60.0)
    parser.add_argument("--summary", default=os.environ.get("GITHUB_STEP_SUMMARY", ""))
    asked = parser.parse_args(arguments)
    if asked.deployment.count("/") != 1:
        parser.error("a deployment is written FLOW/NAME")
    if not os.environ.get("PREFECT_API_URL"):
        parser.error("PREFECT_API_URL is not set")
    return asked


@contextmanager
def as_text() -> Iterator[None]:
    """What is printed meanwhile is text to GitHub, never a command, whatever a run logs."""
    token = secrets.token_hex(16) if os.environ.get("GITHUB_ACTIONS") else ""
    if token:
        print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        if token:
            print(f"::{token}::", flush=True)


def deploy(prefect: Prefect, asked: argparse.Namespace) -> bool:
    """Start the run, follow it, keep its report; whether the release is live."""
    deadline = time.monotonic() + asked.timeout_minutes * 60
    key = asked.key or secrets.token_hex(16)
    run_id = prefect.start(asked.deployment, parameters_of(asked), key)
    print(f"Run: {prefect.ui_url}/runs/flow-run/{run_id}", flush=True)
    with as_text():
        run = follow(prefect, run_id, deadline=deadline)
    if asked.summary:
        report = prefect.report(run_id) or f"# {asked.deployment}: {state_of(run)}\n"
        with Path(asked.summary).open("a", encoding="utf-8") as summary:
            summary.write(report)
    return succeeded(run, dry_run=asked.dry_run)


def main(arguments: list[str]) -> int:
    """Exit status: 0 deployed or up to date, 1 any other end, 2 bad usage."""
    asked = parse(arguments)
    login = os.environ.get("PREFECT_API_AUTH_STRING", "")
    try:
        return 0 if deploy(Prefect(os.environ["PREFECT_API_URL"], login), asked) else 1
    except GivenUp as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped following; the run itself goes on.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
