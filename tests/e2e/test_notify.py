"""Who hears of a deploy: Slack, GitHub, Grafana, and the history that is told later."""

import json
from typing import Any

import httpx
import pytest

from lab.processes import wait_until
from tests.e2e.delivering import Delivering
from tests.e2e.metrics import query
from tests.e2e.telling import slack_listening
from tests.stack.files import MONITORING

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]


def on_github(delivering: Delivering, path: str) -> Any:
    """What GitHub's API answers to anybody with the lab's token."""
    url = f"{delivering.lab.status['github_url']}/repos/{delivering.lab.status['repository']}{path}"
    headers = {"Authorization": f"Bearer {delivering.lab.env['TT_GITHUB_TOKEN']}"}
    return httpx.get(url, headers=headers, timeout=30, trust_env=False).raise_for_status().json()


def marks(delivering: Delivering, version: str) -> list[dict[str, Any]]:
    """What Grafana has about a version."""
    secrets = httpx.get(
        f"{delivering.lab.status['doppler_url']}/_lab/secrets", timeout=30, trust_env=False
    )
    reply = httpx.get(
        f"{delivering.lab.status['grafana_url']}/api/annotations",
        params={"tags": ["deploy", version]},
        auth=("admin", secrets.json()["GRAFANA_PASSWORD"]),
        timeout=30,
        trust_env=False,
    )
    found: list[dict[str, Any]] = reply.raise_for_status().json()
    return found


def test_a_deploy_is_told_to_slack_github_and_grafana(delivering: Delivering) -> None:
    serving = delivering.serving()
    sha = delivering.commit("fix", message="worth telling <!channel>")

    with slack_listening(delivering) as told:
        done = delivering.run("deploy", "--actor", "kim", "--reason", "<!here> friday")

    assert (done.status, done.outcome) == (0, "DEPLOYED"), done.said
    version = done.answer["version"]
    begun, ended = told
    assert f"Deploy of {version} to lab has begun" in begun.headline
    assert f"{version} is live on lab" in ended.headline
    change = f"{serving.removeprefix('v')} → {version}" if serving else f"nothing → {version}"
    for message in told:
        assert (message.facts["By"], message.facts["Version"]) == ("kim", change)
        assert message.facts["Why"] == "&lt;!here&gt; friday"
        assert message.links["Release"] == done.answer["release_url"]
        assert message.links["Dashboard"].startswith(delivering.lab.env["TT_LAB_GRAFANA_URL"])
    assert ended.facts["Took"].endswith(" s")
    assert not serving or "0 of " in ended.facts["Cost"]
    (deployment,) = on_github(delivering, f"/deployments?sha={sha}")
    states = on_github(delivering, f"/deployments/{deployment['id']}/statuses")
    assert [state["state"] for state in states] == ["success", "in_progress"]
    status = on_github(delivering, f"/commits/{sha}/status")
    assert [(s["context"], s["state"]) for s in status["statuses"]] == [
        ("tt-deploy/lab", "success")
    ]
    assert wait_until(lambda: bool(marks(delivering, version)), 60)
    (mark,) = marks(delivering, version)
    assert mark["tags"] == ["deploy", "lab", version, "DEPLOYED"]
    assert mark["timeEnd"] > mark["time"]
    page = httpx.get(done.answer["release_url"], timeout=30, trust_env=False)
    assert page.headers["content-type"].startswith("text/html")


def test_with_slack_down_a_deploy_succeeds_and_the_history_tells_of_both(
    delivering: Delivering,
) -> None:
    delivering.lab.command("fault", "slack", "down")
    try:
        done = delivering.run("deploy", "--actor", "lee")
    finally:
        delivering.lab.command("fault", "slack", "clear")
    assert done.status == 0, done.said
    assert "Without Slack: ChannelError: Slack did not answer" in done.said
    assert str(delivering.lab.env["TT_SLACK_WEBHOOK_URL"]).rpartition("/")[2] not in done.said

    told = delivering.run("history", "--days", "1")

    assert told.status == 0, told.said
    newest = told.answer["deliveries"][0]
    assert (newest["outcome"], newest["actor"]) == (done.outcome, "lee")
    assert newest["version"] == done.answer["version"]
    figures = told.answer["figures"]
    assert figures["deployments"] >= 1
    assert figures["lead_time_seconds"] > 0
    assert 0 <= figures["change_failure_rate"] < 1
    assert told.answer["missing"] == []
    panels = json.loads((MONITORING / "grafana" / "dashboards" / "deploys.json").read_text())
    asked = [t["expr"] for p in panels["panels"] for t in p["targets"] if "tt_dora_" in t["expr"]]
    assert len(asked) == 4
    # Nothing needs to have failed in this lab, and then there is no time to restore.
    assert wait_until(lambda: sum(bool(query(delivering, expr)) for expr in asked) >= 3, 60)
