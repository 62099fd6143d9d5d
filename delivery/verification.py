"""Who watches the application, verified: the last checklist of the deployment guide as checks.

Judged is what ``verify.sh`` saw on one host; a field that is empty was not answered.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from delivery.checks import Check, Level
from delivery.errors import HostAnswerMalformed
from delivery.health import ActuatorSight, judge_actuator
from delivery.host_script import HostAnswer
from delivery.prometheus import Target, Targets, read_targets

_LATE_SCRAPES = 3
_SPARE_SECONDS = 10
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+)(ms|s|m|h)")
_SERVICE = re.compile(r"https?://([a-z][a-z0-9-]*)[:/]")
_SHOWN = 5
_LOGS = "docker compose -p tt ps --all {0}; docker compose -p tt logs --tail 50 {0}"


class WatchedStack(HostAnswer):
    """The answer of ``verify.sh``: everything as the services said it, times since 1970."""

    now: float
    app_started: float = 0.0
    last_record: str = ""
    actuator_status: str = "000"
    actuator: str = ""
    prometheus_ready: str = ""
    prometheus_reloaded: str = ""
    targets: str = ""
    pools: str = ""
    alertmanagers: str = ""
    alertmanager_ready: str = ""
    alertmanager_reloaded: str = ""
    receivers: str = ""
    receivers_expected: str = ""
    grafana: str = ""
    datasources: str = ""
    datasource_health: str = ""
    dashboards: str = ""
    dashboards_expected: str = ""

    @property
    def deploy_began(self) -> float:
        """When the last deploy began, by the host's record, or the application last started."""
        record = _json(self.last_record)
        generation = record.get("generation") if isinstance(record, dict) else None
        began = generation / 1000 if isinstance(generation, int) else 0.0
        return max(began, self.app_started)


def judge_watchers(seen: WatchedStack, host: str, environment: str) -> list[Check]:
    """Every check of one host: the guide's checklist, causes before their consequences.

    Alertmanager stands before the targets of Prometheus, for it is one of them.
    """
    prometheus, *fed = _prometheus(seen, host)
    alertmanager, receivers = _alertmanager(seen, host, environment)
    return [
        _application(seen, host),
        prometheus,
        alertmanager,
        *fed,
        *_grafana(seen, host),
        receivers,
    ]


def _check(name: str, host: str, problem: str, fine: str, remedy: str) -> Check:
    """Failed, with the remedy, if there is a problem."""
    if problem:
        return Check(name, Level.FAIL, problem, remedy, host)
    return Check(name, Level.PASS, fine, host=host)


def _application(seen: WatchedStack, host: str) -> Check:
    status = int(seen.actuator_status) if seen.actuator_status.isdigit() else 0
    sample = judge_actuator(ActuatorSight(status=status, body=seen.actuator))
    problem = "" if sample.passed else sample.detail
    return _check("application", host, problem, sample.detail, _LOGS.format("app"))


def _prometheus(seen: WatchedStack, host: str) -> Iterator[Check]:
    logs = _LOGS.format("prometheus")
    problem = _not_ready(seen.prometheus_ready, seen.prometheus_reloaded)
    yield _check("Prometheus", host, problem, "ready, its configuration loaded", logs)
    try:
        targets = read_targets(seen.targets, seen.pools)
    except HostAnswerMalformed as error:
        yield Check("targets", Level.FAIL, error.message, logs, host)
    else:
        count = f"{len(targets.active)} targets"
        down, late = _down(targets), _late(targets, seen)
        yield _check("targets", host, down, f"{count}, all up", _LOGS.format(_silent(targets)))
        yield _check("scrapes", host, late, f"{count} scraped since the deploy began", logs)
    heard = len(_rows(seen.alertmanagers, "data", "activeAlertmanagers"))
    problem = "" if heard else "Prometheus knows no Alertmanager to send alerts to"
    yield _check("alerts' way", host, problem, f"{heard} Alertmanager known to Prometheus", logs)


def _not_ready(ready: str, reloaded: str) -> str:
    if ready != "200":
        return f"not ready: HTTP {ready}" if ready.strip("0") else "does not answer"
    return "" if reloaded == "1" else "goes on with an old configuration: it refused the new one"


def _down(targets: Targets) -> str:
    down = [
        f"{target.name}: {target.lastError or target.health}"
        for target in targets.active
        if target.health != "up"
    ]
    down += [f"{pool}: no target found" for pool in targets.empty_pools]
    return _listed(down) or ("" if targets.active else "there is no target at all")


def _silent(targets: Targets) -> str:
    """The service of the first target that is down: the application's are asked by address."""
    down = next((target for target in targets.active if target.health != "up"), None)
    name = _SERVICE.match(down.scrapeUrl) if down else None
    return name[1] if name else "app"


def _late(targets: Targets, seen: WatchedStack) -> str:
    return _listed([f"{t.name}: {why}" for t in targets.active if (why := _lateness(t, seen))])


def _lateness(target: Target, seen: WatchedStack) -> str:
    at = target.lastScrape.timestamp()
    if target.lastScrape.year < 2000:
        return "never scraped"
    if at < seen.deploy_began:
        return f"last scraped {seen.deploy_began - at:.0f} s before the deploy began"
    age, interval = seen.now - at, _seconds(target.scrapeInterval)
    if age > _LATE_SCRAPES * interval + _SPARE_SECONDS:
        return f"last scraped {age:.0f} s ago, every {interval:.0f} s were meant"
    return ""


def _seconds(duration: str) -> float:
    """Prometheus' way of writing a duration, such as ``1m30s``."""
    return sum(int(number) * _UNITS[unit] for number, unit in _DURATION.findall(duration))


def _grafana(seen: WatchedStack, host: str) -> Iterator[Check]:
    logs = _LOGS.format("grafana")
    health = _json(seen.grafana)
    database = health.get("database") if isinstance(health, dict) else None
    problem = "" if database == "ok" else _said("not healthy", seen.grafana)
    yield _check("Grafana", host, problem, "healthy, its database ok", logs)
    yield _check("data source", host, _source_problem(seen), _source_fine(seen), logs)
    expected, found = seen.dashboards_expected.split(), seen.dashboards.split()
    missing = _listed([uid for uid in expected if uid not in found])
    problem = f"not there: {missing}" if missing else ""
    yield _check("dashboards", host, problem, f"all {len(expected)} there", logs)


def _source_problem(seen: WatchedStack) -> str:
    if not _rows(seen.datasources):
        return _said("none is provisioned", seen.datasources)
    health = _json(seen.datasource_health)
    status = health.get("status") if isinstance(health, dict) else None
    return "" if status == "OK" else _said("does not work", seen.datasource_health)


def _source_fine(seen: WatchedStack) -> str:
    names = [str(row.get("name", "")) for row in _rows(seen.datasources)]
    return f"{', '.join(names)} works"


def _alertmanager(seen: WatchedStack, host: str, environment: str) -> Iterator[Check]:
    logs = _LOGS.format("alertmanager")
    problem = _not_ready(seen.alertmanager_ready, seen.alertmanager_reloaded)
    yield _check("Alertmanager", host, problem, "ready, its configuration loaded", logs)
    expected, loaded = seen.receivers_expected.split(), seen.receivers.split()
    missing = _listed([name for name in expected if name not in loaded])
    yield _check(
        "receivers",
        host,
        f"not in what is loaded: {missing}" if missing else "",
        f"{', '.join(loaded) or 'none'} loaded",
        f"python -m flows.deploy --environment {environment}   # renders and loads it anew",
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _rows(text: str, *path: str) -> list[dict[str, Any]]:
    """A list of objects somewhere in an answer; empty if there is none."""
    found = _json(text)
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _said(problem: str, answer: str) -> str:
    return f"{problem}: {answer.strip()[:200]}" if answer.strip() else f"{problem}: no answer"


def _listed(problems: list[str]) -> str:
    more = len(problems) - _SHOWN
    return "; ".join(problems[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
