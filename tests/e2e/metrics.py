"""What Prometheus on the lab's host says."""

from typing import Any

import httpx

from tests.e2e.delivering import Delivering


def query(delivering: Delivering, expression: str) -> list[Any]:
    """Its answer to an instant query; raises HTTPError if there is none."""
    reply = httpx.get(
        f"{delivering.lab.status['prometheus_url']}/api/v1/query",
        params={"query": expression},
        timeout=30,
        trust_env=False,
    )
    found: list[Any] = reply.raise_for_status().json()["data"]["result"]
    return found
