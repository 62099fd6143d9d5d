"""Hosts that answer host scripts from a small model of a host, and AWS in front of them.

``HostWorld`` knows what runs on one host and what is said to have proved healthy there.
``ScriptedHosts`` speaks as much of EC2 and Systems Manager as the product uses; put it
behind a ``LoopbackServer`` and point an environment's AWS block at it.
"""

import datetime
import json
import re
import shlex
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx

from tests.fakes import HttpDouble

SHA = "0123456789abcdef0123456789abcdef01234567"
NOW = 1_764_109_500.0
Inputs = Mapping[str, str]


@dataclass(frozen=True)
class Ended:
    """How a script ended on a host, as Systems Manager tells it."""

    status: str
    said: str = ""
    noise: str = ""


def answered(**fields: Any) -> Ended:
    """A script that ended well, with these fields in its result."""
    return Ended("Success", f"some log\nTT_RESULT {json.dumps({'ok': True, **fields})}\n")


def failed(why: str, log: str = "the log's end") -> Ended:
    """A script that ended with a reason."""
    fields = {"ok": False, "failed": why, "next": "journalctl -n 50", "step": "a step"}
    return Ended("Failed", f"{log}\nTT_RESULT {json.dumps(fields)}\n")


def preflight_facts() -> dict[str, Any]:
    """What a host says of itself that lacks nothing, as ``preflight.sh`` answers."""
    return {
        "busy": False,
        "tools": [],
        "memory": 4_000_000_000,
        "engine": {
            "version": "28.5.0",
            "compose": "2.40.0",
            "architecture": "x86_64",
            "disks": ["/ 50000000000 100000000000 900000 1000000"],
        },
        "token": {"exists": True, "mode": "400", "owner": 0, "returns": 0, "newlines": 1},
        "identity": {"accepted": True, "slug": "slug-of-the-host"},
        "secrets": {
            "state": "ok",
            "names": ["GITHUB_TOKEN", "DDL_AUTO"],
            "ddl": ["DDL_AUTO safe"],
            "registry": {"login": "ok", "pull": 200},
        },
        "clone": {"exists": True, "revision": SHA},
        "ports": ["22 sshd (process 1)", "8080 ours"],
        "tables": 7,
        "certificates": [],
    }


@dataclass
class HostWorld:
    """One host: the image that serves, its record, and which images never get healthy.

    ``traffic`` is what its Prometheus would say of a release that took over, by figure.
    ``values`` is the hash of the configuration with what Doppler says, ``serves_with`` of the one
    that the image runs with; ``warm`` has both of the container before.
    ``components`` are what the actuator says, ``down_before`` what the host wrote down of them.
    ``breaks_after_a_takeover`` is a step that fails once, after the next takeover.
    ``differing`` are the services that differ from their definition, with their roles.
    """

    image: str = ""
    generation: int = 0
    record: list[str] = field(default_factory=list)
    unhealthy: set[str] = field(default_factory=set)
    facts: dict[str, Any] = field(default_factory=dict)
    differing: dict[str, str] = field(default_factory=dict)
    under_way: str = ""
    values: str = "c" * 8
    serves_with: str = "c" * 8
    warm: tuple[str, str] = ("", "")
    components: dict[str, str] = field(default_factory=dict)
    down_before: list[str] = field(default_factory=list)
    breaks_after_a_takeover: str = ""
    replaced: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    traffic: dict[str, float] = field(default_factory=dict)
    ping: str = "Online"
    seen: dict[str, Any] = field(default_factory=preflight_facts)
    _orders: dict[str, list[Ended]] = field(default_factory=dict)

    def runs(self, image: str, version: str, *, at: str = "2026-11-23T00:00:00+00:00") -> None:
        """Let it run an image that has proved healthy as ``version``."""
        self.image = image
        release = {"version": version, "tag": f"v{version}", "revision": SHA, "image": image}
        self.record.append(json.dumps({**release, "at": at}))

    def fail(self, step: str, how: Ended | None = None, *, times: int = 1) -> None:
        """Let a step fail, so many times, without doing anything."""
        self._orders.setdefault(step, []).extend([how or failed(f"{step} broke")] * times)

    @property
    def steps(self) -> list[str]:
        """The steps that were run, in order, without the probes and without what is told."""
        aside = ("probe", "annotate")
        return [step for step, _ in self.asked if not step.startswith(aside)]

    def inputs_of(self, step: str) -> dict[str, str]:
        """What the last run of a step was given."""
        return next(inputs for name, inputs in reversed(self.asked) if name == step)

    def run(self, script: str) -> Ended:
        """What a script of ``host/`` would answer here."""
        inputs = inputs_in(script)
        step = inputs["TT_STEP"]
        self.asked.append((step, inputs))
        if orders := self._orders.get(step):
            return orders.pop(0)
        act: Callable[[Inputs], dict[str, Any]] = getattr(self, f"_{step}")
        return answered(step=step, **act(inputs))

    def _observe(self, inputs: Inputs) -> dict[str, Any]:
        images = [json.loads(line)["image"] for line in self.record]
        facts = {"revision": SHA, "generation": self.generation, "app_image": self.image}
        facts["under_way"] = self.under_way
        return {**facts, "app_health": "healthy", "record": self.record, "images": images}

    def _preflight(self, inputs: Inputs) -> dict[str, Any]:
        return {**self._observe(inputs), **self.seen, "clock": time.time(), "seconds": 0.1}

    def _sync(self, inputs: Inputs) -> dict[str, Any]:
        return {"revision": inputs["TT_REVISION"]}

    def _render(self, inputs: Inputs) -> dict[str, Any]:
        return {"path": "/run/tt-deploy/alertmanager.yml", "sha256": "0" * 64}

    def _pull(self, inputs: Inputs) -> dict[str, Any]:
        return {"pulled": [inputs["TT_APP_IMAGE"]], "present": 3, **self._plan(inputs)}

    def _plan(self, inputs: Inputs) -> dict[str, Any]:
        named = [*inputs["TT_DATA_STORES"].split(), inputs["TT_GATEWAY"], "prometheus"]
        services = [self._change(name, differs=name in self.differing) for name in named]
        app = self._change(inputs["TT_APP_SERVICE"], differs=inputs["TT_APP_IMAGE"] != self.image)
        return {"services": [*services, app]}

    def _change(self, service: str, *, differs: bool) -> dict[str, str]:
        change = "differs" if differs else "same"
        return {"service": service, "change": change, "role": self.differing.get(service, "")}

    def _rollout(self, inputs: Inputs) -> dict[str, Any]:
        replaced = [store for store in inputs["TT_REPLACE"].split() if store in self.differing]
        for store in replaced:
            del self.differing[store]
        self.replaced += replaced
        self.generation = int(inputs["TT_GENERATION"])
        wanted = (inputs["TT_APP_IMAGE"], self.values)
        if inputs["TT_WAY_BACK"] == "yes" and self.warm[0] == wanted[0]:
            wanted = self.warm
        serving = (self.image, self.serves_with)
        if wanted == serving:
            return {"changed": replaced, "configuration": self.serves_with}
        self.warm, (self.image, self.serves_with) = serving, wanted
        self.fail(self.breaks_after_a_takeover)
        return {"changed": [*replaced, "app"], "configuration": self.serves_with}

    _recreate = _rollout

    def _await(self, inputs: Inputs) -> dict[str, Any]:
        waited, self.under_way = self.under_way, ""
        return {"waited_for": waited}

    def _prune(self, inputs: Inputs) -> dict[str, Any]:
        return {"removed": 1, "freed_bytes": 4096}

    def _ps(self, inputs: Inputs) -> dict[str, Any]:
        container = {"service": "app", "name": "tt-app-1", "image": self.image}
        return {"containers": [{**container, "state": "running", "health": "healthy"}]}

    def _publish(self, inputs: Inputs) -> dict[str, Any]:
        self.metrics.append(inputs["TT_METRICS"])
        return {"published": True}

    def _annotate(self, inputs: Inputs) -> dict[str, Any]:
        self.annotations.append(json.loads(inputs["TT_ANNOTATION"]))
        return {"annotated": True}

    def _record(self, inputs: Inputs) -> dict[str, Any]:
        self.runs(inputs["TT_APP_IMAGE"], inputs["TT_APP_VERSION"], at=inputs["TT_NOW"])
        return {"releases": len(self.record)}

    def _diagnose(self, inputs: Inputs) -> dict[str, Any]:
        return {**healthy_facts(self.image), **self.facts}

    def _remedy(self, inputs: Inputs) -> dict[str, Any]:
        self.facts = {}
        return {"action": inputs["TT_ACTION"]}

    def _probe_actuator(self, inputs: Inputs) -> dict[str, Any]:
        ill = self.unhealthy & {self.image, self.serves_with}
        up = not ill and "DOWN" not in self.components.values()
        parts = {name: {"status": status} for name, status in self.components.items()}
        body = {"status": "UP" if up else "DOWN"} | ({} if ill else {"components": parts})
        sight = {"status": 200 if up else 503, "body": json.dumps(body)}
        looks = [sight] * int(inputs["TT_LOOKS"])
        return {"samples": looks, "down_before": self.down_before}

    def _probe_postgres(self, inputs: Inputs) -> dict[str, Any]:
        sight = {"answered": True, "connections": 97, "used": 12, "pool": 10}
        return {"samples": [sight] * int(inputs["TT_LOOKS"])}

    def _probe_redis(self, inputs: Inputs) -> dict[str, Any]:
        return {"samples": [redis_nodes()] * int(inputs["TT_LOOKS"])}

    def _verify(self, inputs: Inputs) -> dict[str, Any]:
        return watched_stack()

    def _drill(self, inputs: Inputs) -> dict[str, Any]:
        if inputs["TT_EVERY_HOURS"] != "0":
            return {"last_hours": 1.0}
        return {"fired": 4.0, "received": 5.0, "delivered": 6.0, "resolved": 20.0}

    def _probe_soak(self, inputs: Inputs) -> dict[str, Any]:
        return {"age_seconds": 100, "said": vector(**self.traffic)}


def watched_stack(**changes: Any) -> dict[str, Any]:
    """What ``verify.sh`` says of a stack that is watched as it should be."""
    at = datetime.datetime.fromtimestamp(NOW - 5, datetime.UTC).isoformat()
    target = {"labels": {"instance": "redis-node-1:7000"}, "scrapePool": "redis", "health": "up"}
    fields = {
        "now": NOW,
        "app_started": NOW - 60,
        "actuator_status": "200",
        "actuator": '{"status":"UP"}',
        "prometheus_ready": "200",
        "prometheus_reloaded": "1",
        "targets": json.dumps(
            {"status": "success", "data": {"activeTargets": [{**target, "lastScrape": at}]}}
        ),
        "pools": '{"status":"success","data":{"scrapePools":["redis"]}}',
        "alertmanagers": '{"status":"success","data":{"activeAlertmanagers":[{"url":"x"}]}}',
        "alertmanager_ready": "200",
        "alertmanager_reloaded": "1",
        "receivers": "slack-warning\nslack-critical\nslack-drill",
        "receivers_expected": "slack-warning\nslack-critical\nslack-drill",
        "grafana": '{"database":"ok"}',
        "datasources": '[{"name":"Prometheus","uid":"prometheus"}]',
        "datasource_health": '{"status":"OK"}',
        "dashboards": "tt-jvm\ntt-overview",
        "dashboards_expected": "tt-jvm\ntt-overview",
    }
    return {**fields, **changes}


def vector(**figures: float) -> str:
    """What Prometheus answers to the soak's query; ``requests_after`` for "requests after"."""
    series = [
        {"metric": {"figure": name.replace("_", " ")}, "value": [1764000000.0, str(number)]}
        for name, number in figures.items()
    ]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": series}})


def healthy_facts(image: str = "") -> dict[str, Any]:
    """What a host that is well tells a diagnosis."""
    app = {"service": "app", "name": "/tt-app-1", "id": "a1", "image": image}
    nodes = "".join(
        f"node redis-node-{n}\ncluster_state:ok\ncluster_slots_assigned:16384\n"
        "cluster_known_nodes:6\nrole:master\n"
        for n in range(1, 7)
    )
    return {
        "engine": "28.5.2",
        "doppler_answered": True,
        "registry_asked": True,
        "registry": "0|Login Succeeded",
        "disks": ["/|8000000|6000000|500000|400000"],
        "memory": ["MemTotal 4000000", "MemAvailable 2000000"],
        "containers": [{**app, "state": "running", "health": "healthy"}],
        "token": "yes|400|root|40|no|no",
        "postgres": "ready 127.0.0.1:5432 - accepting connections\nanswer 1",
        "redis": nodes,
        "actuator": ["public 200", 'tt-app-1 200 {"status":"UP"}'],
    }


def redis_nodes() -> list[dict[str, Any]]:
    """What six nodes of a whole cluster say."""
    slots = (5461, 5462, 5461)
    common = {"state": "ok", "assigned": 16384, "ok": 16384, "known": 6, "slot_map": "4711"}
    masters = [
        {
            **common,
            "node": f"redis-node-{n + 1}",
            "id": f"m{n}",
            "role": "master",
            "slots": slots[n],
            "written": "ok",
        }
        for n in range(3)
    ]
    replicas = [
        {
            **common,
            "node": f"redis-node-{n + 4}",
            "role": "slave",
            "master_id": f"m{n}",
            "link": "up",
        }
        for n in range(3)
    ]
    return masters + replicas


def inputs_in(script: str) -> dict[str, str]:
    """The inputs of a composed script, unquoted as its shell would."""
    exports = re.finditer(r"""^export (TT_\w+)=((?:'[^']*'|"'"|[^\s'"])*)$""", script, re.M)
    return {name: shlex.split(value or "''")[0] for name, value in (e.groups() for e in exports)}


class ScriptedHosts(HttpDouble):
    """EC2's DescribeInstances and the part of Systems Manager that runs commands.

    A command has ended on every host as soon as it was sent.
    """

    def __init__(self, **worlds: HostWorld) -> None:
        super().__init__()
        self.worlds = worlds or {"i_1": HostWorld()}
        self.tag_value = "TT-ec2-1"
        self.ping = "Online"
        self.cancelled: list[str] = []
        self._looks_left: int | None = None
        self._commands: dict[str, dict[str, Ended]] = {}

    @property
    def host(self) -> HostWorld:
        """The only host."""
        (world,) = self.worlds.values()
        return world

    def found_at_most(self, times: int) -> None:
        """Let the instances be there so many times, and be gone for all who look later."""
        self._looks_left = times

    def answer(self, request: httpx.Request) -> httpx.Response:
        target = request.headers.get("x-amz-target", "")
        if not target:
            return httpx.Response(200, text=self._instances(parse_qs(request.content.decode())))
        act: Callable[[dict[str, Any]], dict[str, Any]]
        act = getattr(self, f"_{target.partition('.')[2]}")
        return httpx.Response(200, json=act(json.loads(request.content)))

    def _instances(self, asked: dict[str, list[str]]) -> str:
        wanted = asked["Filter.1.Value.1"][0] == self.tag_value
        if self._looks_left is not None:
            wanted, self._looks_left = wanted and self._looks_left > 0, self._looks_left - 1
        # A single one is called what the environment's tag says; those of a fleet have a name each.
        alone = len(self.worlds) == 1
        names = [(name, self.tag_value if alone else name) for name in self.worlds if wanted]
        rows = "".join(_instance(*each) for each in names)
        return (
            '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<requestId>r</requestId><reservationSet>{rows}</reservationSet>"
            "</DescribeInstancesResponse>"
        )

    def _SendCommand(self, asked: dict[str, Any]) -> dict[str, Any]:
        command = str(uuid.uuid4())
        script = "\n".join(asked["Parameters"]["commands"])
        self._commands[command] = {i: self.worlds[i].run(script) for i in asked["InstanceIds"]}
        return {"Command": {"CommandId": command, "Status": "Pending"}}

    def _ListCommandInvocations(self, asked: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {"InstanceId": name, "Status": ended.status, "StatusDetails": ended.status}
            for name, ended in self._commands[asked["CommandId"]].items()
        ]
        return {"CommandInvocations": rows}

    def _GetCommandInvocation(self, asked: dict[str, Any]) -> dict[str, Any]:
        ended = self._commands[asked["CommandId"]][asked["InstanceId"]]
        return {"StandardOutputContent": ended.said, "StandardErrorContent": ended.noise}

    def _DescribeInstanceInformation(self, asked: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {
                "InstanceId": name,
                "PingStatus": self.ping if self.ping != "Online" else world.ping,
                "LastPingDateTime": time.time(),
                "AgentVersion": "3.3.0",
            }
            for name, world in self.worlds.items()
            if world.ping
        ]
        return {"InstanceInformationList": rows}

    def _CancelCommand(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["CommandId"] not in self._commands:
            return {}
        self.cancelled.append(asked["CommandId"])
        return {}


def _instance(instance: str, name: str) -> str:
    return (
        f"<item><reservationId>r</reservationId><instancesSet><item><instanceId>{instance}</instanceId>"
        "<instanceState><code>16</code><name>running</name></instanceState>"
        f"<tagSet><item><key>Name</key><value>{name}</value></item></tagSet>"
        "</item></instancesSet></item>"
    )
