"""Watchers that watch no more: each really broken in the lab for a while, and mended again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.e2e.breaking import CLONE, RECORD, Broken

_MONITORING = f"{CLONE}/monitoring"
_PROMETHEUS = f"{_MONITORING}/prometheus/prometheus.yml"
_DRILL = f"{_MONITORING}/prometheus/rules/drill.yml"
_SOURCE = f"{_MONITORING}/grafana/provisioning/datasources/prometheus.yml"
_DASHBOARD = f"{_MONITORING}/grafana/dashboards/deploys.json"
_RELOAD = "docker kill --signal HUP tt-{}-1"


@dataclass(frozen=True)
class Blindness:
    """A fault, how it is made for a while, which check must fail first, and its remedy."""

    name: str
    made: Callable[[Broken], AbstractContextManager[None]]
    first: str
    words: str
    remedy: str
    drill: bool = False
    """Whether only a drill can see it: all else is well meanwhile."""


def _edited(
    host: Broken, file: str, edit: str, *, reload: str = "true"
) -> AbstractContextManager[None]:
    """A file of the clone that was edited with sed, and whoever read it told to read it again."""
    back = f"git -c safe.directory='*' -C {CLONE} checkout --quiet -- {file}"
    return host.undone_by(f"sed -i '{edit}' {file}; {reload}", f"{back}; {reload}")


@contextmanager
def _receivers(host: Broken, edit: str) -> Iterator[None]:
    """An Alertmanager that was told to load a configuration that was edited with sed."""
    inside, reload = (
        "tt-alertmanager-1:/run/secrets/alertmanager.yml",
        _RELOAD.format("alertmanager"),
    )
    edited = f"sed '{edit}' /root/loaded.yml > /root/edited.yml; chmod 644 /root/edited.yml"
    with host.undone_by(
        f"docker cp --archive {inside} /root/loaded.yml; {edited}; "
        f"docker cp /root/edited.yml {inside}; rm /root/edited.yml; {reload}",
        f"docker cp --archive /root/loaded.yml {inside}; rm /root/loaded.yml; {reload}",
    ):
        yield


BLIND = [
    Blindness(
        "the SSM agent is gone",
        lambda host: host.agent_killed(),
        "host answers", "could not deliver the command", "aws ssm describe-instance-information",
    ),
    Blindness(
        "the application hangs",
        lambda host: host.hung(),
        "application", "no answer", "logs --tail 50 app",
    ),
    Blindness(
        "Prometheus stopped",
        lambda host: host.stopped("tt-prometheus-1"),
        "Prometheus", "does not answer", "ps --all prometheus",
    ),
    Blindness(
        "Prometheus refuses its new configuration",
        lambda host: _edited(
            host, _PROMETHEUS, "$a garbage: [", reload=_RELOAD.format("prometheus")
        ),
        "Prometheus", "it refused the new one", "logs --tail 50 prometheus",
    ),
    Blindness(
        "an exporter stopped",
        lambda host: host.stopped("tt-postgres-exporter-1"),
        "targets", "postgres postgres-exporter:9187: ", "ps --all postgres-exporter",
    ),
    Blindness(
        "nothing was scraped since the deploy began",
        lambda host: host.undone_by(
            f"cp -p {RECORD} {RECORD}.aside; tail -n 1 {RECORD}.aside | "
            f'sed -E "s/(.generation.: *)[0-9]+/\\1$(date -d 600seconds +%s)000/" >> {RECORD}',
            f"mv {RECORD}.aside {RECORD}",
        ),
        "scrapes", "before the deploy began", "logs --tail 50 prometheus",
    ),
    Blindness(
        "Prometheus knows no Alertmanager",
        lambda host: _edited(
            host, _PROMETHEUS, "/^alerting:/,/alertmanager:9093/d",
            reload=_RELOAD.format("prometheus"),
        ),
        "alerts' way", "knows no Alertmanager", "logs --tail 50 prometheus",
    ),
    Blindness(
        "Grafana stopped",
        lambda host: host.stopped("tt-grafana-1"),
        "Grafana", "not healthy", "ps --all grafana",
    ),
    Blindness(
        "Grafana's data source leads nowhere",
        lambda host: _edited(host, _SOURCE, "s/prometheus:9090/prometheus:9999/"),
        "data source", "does not work", "logs --tail 50 grafana",
    ),
    Blindness(
        "a dashboard that Grafana cannot read",
        lambda host: _edited(host, _DASHBOARD, "$a garbage"),
        "dashboards", "not there: ", "logs --tail 50 grafana",
    ),
    Blindness(
        "Alertmanager stopped",
        lambda host: host.stopped("tt-alertmanager-1"),
        "Alertmanager", "does not answer", "ps --all alertmanager",
    ),
    Blindness(
        "Alertmanager refuses its new configuration",
        lambda host: _receivers(host, "$a garbage: ["),
        "Alertmanager", "it refused the new one", "logs --tail 50 alertmanager",
    ),
    Blindness(
        "a receiver is missing",
        lambda host: _receivers(host, "s/slack-drill/slack-nobody/"),
        "receivers", "slack-drill", "python -m flows.deploy --environment lab",
    ),
    Blindness(
        "Slack refuses the alerts",
        lambda host: host.service("slack", "forbidden", "POST"),
        "drill: Slack takes it", "403", "logs alertmanager",
        drill=True,
    ),
    Blindness(
        "a rule that does not fire",
        lambda host: _edited(
            host, _DRILL, "s/ == 1/ == 9/", reload=_RELOAD.format("prometheus")
        ),
        "drill: Prometheus fires", "not within", "logs prometheus",
        drill=True,
    ),
    Blindness(
        "Prometheus sends its alerts to the wrong port",
        lambda host: _edited(
            host, _PROMETHEUS, "/^alerting:/,/9093/s/9093/9999/",
            reload=_RELOAD.format("prometheus"),
        ),
        "drill: reaches Alertmanager", "not within", "logs prometheus",
        drill=True,
    ),
    Blindness(
        "Alertmanager does not say when it is over",
        lambda host: _receivers(host, "s/send_resolved: true/send_resolved: false/"),
        "drill: resolved in Slack", "not within", "logs alertmanager",
        drill=True,
    ),
]  # fmt: skip
