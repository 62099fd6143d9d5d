"""Where a secret could be left by a deploy, each as one text to be searched."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from lab.lab import Lab
from lab.prefect import database_of
from tests.e2e.delivering import Delivering

_SENSITIVE = ("PASSWORD", "SECRET", "TOKEN", "WEBHOOK")
_PAGE = 200
_KINDS = (
    "flows", "flow_runs", "task_runs", "artifacts", "logs", "deployments", "block_documents",
    "variables", "automations", "work_pools", "work_queues", "v2/concurrency_limits",
)  # fmt: skip
_NOT_SEARCHED = ("/proc", "/sys", "/dev", "/var/lib/docker", "/disk/var/lib/docker", "/run/docker")
"""Docker's state is root's alone, and must have what it starts a container again with."""


class Search:
    """The places of a lab that something delivered into."""

    def __init__(self, delivering: Delivering) -> None:
        self._delivering = delivering
        self._lab = delivering.lab

    def secrets(self) -> set[str]:
        """Every secret that worker or host have: tokens, passwords, addresses of webhooks."""
        own = {
            value
            for name, value in self._lab.env.items()
            if name.startswith("TT_") and name.endswith(("_TOKEN", "_PASSWORD", "_WEBHOOK_URL"))
        }
        held = httpx.get(
            f"{self._lab.status['doppler_url']}/v3/configs/config/secrets/download",
            params={"project": "tt", "config": "prd", "format": "json"},
            auth=(self._lab.env["TT_DOPPLER_TOKEN"], ""),
            timeout=30,
            trust_env=False,
        )
        values = held.raise_for_status().json().items()
        return own | {v for name, v in values if any(word in name for word in _SENSITIVE)}

    def database(self) -> str:
        """What Prefect's server has in its database."""
        database = database_of(Lab.load(self._lab.home))
        if database:
            return database.dump()
        files = sorted((self._lab.home / "prefect").glob("*.db*"))
        return "".join(file.read_bytes().decode(errors="replace") for file in files)

    def api(self) -> str:
        """What Prefect's server tells of everything it has, all pages of it."""
        with httpx.Client(
            base_url=self._lab.status["prefect_api_url"], timeout=30, trust_env=False
        ) as http:
            told = [row for kind in _KINDS for row in _rows(http, kind)]
            return json.dumps([*told, *_events(http)])

    def commands(self) -> str:
        """Every command that SSM had, with its text and its answers."""
        return self._lab.command("ssm", "history", "--json")

    def logs(self) -> str:
        """What Prefect's server, its worker and the registration printed."""
        files = sorted((self._lab.home / "logs").glob("*.log"))
        ours = [f for f in files if f.name.startswith(("prefect", "registration", "deployments"))]
        return "".join(file.read_text(errors="replace") for file in ours)

    def files_on_the_host(self, secrets: set[str]) -> set[str]:
        """Files with a secret in them, but for Docker's own and the image of the disk itself."""
        left_out = " -o ".join(f"-path {path}" for path in (*_NOT_SEARCHED, "/var/lib/tt-lab"))
        script = (
            'printf %s "$0" > /dev/shm/patterns; '
            f"find / \\( {left_out} \\) -prune -o -type f ! -path /dev/shm/patterns -print0 "
            "| xargs -0 -r grep -lF -f /dev/shm/patterns 2>/dev/null; rm -f /dev/shm/patterns"
        )
        patterns = "\n".join(sorted(secrets))
        found = self._lab.exec("bash", "-c", script, patterns, timeout=300)
        return set(found.splitlines())


def _rows(http: httpx.Client, kind: str) -> Iterator[Any]:
    for offset in range(0, 100_000, _PAGE):
        reply = http.post(f"/{kind}/filter", json={"limit": _PAGE, "offset": offset})
        rows = reply.raise_for_status().json()
        yield from rows
        if len(rows) < _PAGE:
            return


def _events(http: httpx.Client) -> Iterator[Any]:
    page = http.post("/events/filter", json={"limit": 50}).raise_for_status().json()
    while True:
        yield from page["events"]
        if not page.get("next_page"):
            return
        page = http.get(page["next_page"]).raise_for_status().json()
