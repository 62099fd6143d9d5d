"""Each fault is really made in the lab: the right finding comes first, and nothing is changed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import RunningLab
from tests.e2e.delivering import Delivering

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
TOKEN_FILE = "/etc/tt-secrets/doppler-token"
CLONE = "/dockerProjects/tt-src/WEB7_9_B2ST_BE"
EDITED = f"{CLONE}/docker/docker-compose.yml"
Break = Callable[[RunningLab], None]


def shell(lab: RunningLab, script: str) -> str:
    return lab.exec("bash", "-c", script)


def secrets(lab: RunningLab, **values: str | None) -> dict[str, str]:
    """Doppler's values, some of them changed first (None: removed)."""
    url = f"{lab.status['doppler_url']}/_lab/secrets"
    reply = httpx.put(url, json=values, trust_env=False)
    return dict(reply.raise_for_status().json())


def token(lab: RunningLab, **fields: Any) -> None:
    """Change what Doppler knows of the service token that the host and the worker have."""
    known = {"text": lab.env["TT_DOPPLER_TOKEN"], "slug": "of-the-lab", **fields}
    url = f"{lab.status['doppler_url']}/_lab/tokens"
    httpx.post(url, json=known, trust_env=False).raise_for_status()


def fault(*words: str) -> Break:
    return lambda lab: print(lab.command("fault", *words))


def on_host(script: str) -> Break:
    return lambda lab: print(shell(lab, script))


def lose_the_agent(lab: RunningLab) -> None:
    """Kill it, and wait until Systems Manager has noticed."""
    lab.command("fault", "1", "kill-agent")
    time.sleep(11)


def take_the_port(lab: RunningLab) -> None:
    shell(
        lab,
        "docker stop tt-gateway-1 >/dev/null; "
        "setsid python3 -m http.server 8080 >/dev/null 2>&1 </dev/null & "
        "for n in 1 2 3 4 5 6 7 8; do curl -s localhost:8080 >/dev/null && break; sleep 0.3; done",
    )


def give_the_port_back(lab: RunningLab) -> None:
    shell(lab, "kill $(pgrep -f '^python3 -m http.server 8080'); docker start tt-gateway-1")


def agent_again(lab: RunningLab) -> None:
    lab.command("fault", "1", "clear")
    time.sleep(3)


@dataclass(frozen=True)
class Fault:
    """A fault, how it is made and mended, and what must be found first."""

    name: str
    make: Break
    mend: Break
    first: str
    level: str
    words: str


FAULTS = [
    Fault(
        "a secret is missing in Doppler",
        lambda lab: print(len(secrets(lab, MAIL_HOST=None))),
        lambda lab: print(len(secrets(lab, MAIL_HOST="127.0.0.1"))),
        "variables", "fail", "MAIL_HOST",
    ),
    Fault(
        "the Doppler token has expired",
        lambda lab: token(lab, expires_at=0),
        lambda lab: token(lab),
        "doppler", "fail", "expired or was revoked",
    ),
    Fault(
        "the Doppler token is of another project",
        lambda lab: token(lab, project="other"),
        lambda lab: token(lab),
        "doppler", "fail", "valid, but not for tt/prd",
    ),
    Fault(
        "others can read the token file",
        on_host(f"chmod 644 {TOKEN_FILE}"),
        on_host(f"chmod 400 {TOKEN_FILE}"),
        "token file", "fail", "mode 644",
    ),
    Fault(
        "CR LF in the token file",
        on_host(f"sed -i 's/$/\\r/' {TOKEN_FILE}"),
        on_host(f"sed -i 's/\\r$//' {TOKEN_FILE}"),
        "token text", "warn", "carriage return",
    ),
    Fault(
        "the disk is nearly full",
        on_host(
            "free=$(df --output=avail --block-size=1M /disk | tail -n 1); "
            'fallocate --length "$((free - 300))M" /disk/fault-fill'
        ),
        on_host("rm /disk/fault-fill"),
        "disk", "fail", "free on",
    ),
    Fault(
        "the SSM agent is gone",
        lose_the_agent,
        agent_again,
        "ssm agent", "fail", "ConnectionLost",
    ),
    Fault(
        "somebody else has the port", take_the_port, give_the_port_back, "ports", "fail", "8080 by",
    ),
    Fault(
        "a wrong password for the registry",
        lambda lab: print(len(secrets(lab, GITHUB_TOKEN="wrong"))),
        lambda lab: print(len(secrets(lab, GITHUB_TOKEN=lab.env["TT_REGISTRY_PASSWORD"]))),
        "registry login", "fail", "refuses the login",
    ),
    Fault(
        "DDL_AUTO=create",
        lambda lab: print(len(secrets(lab, DDL_AUTO="create"))),
        lambda lab: print(len(secrets(lab, DDL_AUTO="update"))),
        "schema", "fail", "that would destroy them",
    ),
    Fault(
        "a file was edited by hand",
        on_host(f"echo '# by hand' >> {EDITED}"),
        on_host(f"git -c safe.directory='*' -C {CLONE} checkout --quiet docker/docker-compose.yml"),
        "git clone", "warn", "docker/docker-compose.yml",
    ),
    Fault(
        "a container was stopped",
        on_host("docker stop tt-grafana-1"),
        on_host("docker start tt-grafana-1"),
        "drift: containers", "warn", "tt-grafana-1 is exited",
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """The findings of one look, worst first, and how long it took."""

    findings: list[Any]
    seconds: float


@pytest.fixture(scope="module")
def look(delivering: Delivering) -> Iterator[Callable[[], Seen]]:
    """What a preflight of the lab finds: the flow's own parts, through SSM, in this process."""
    if not delivering.serving():
        done = delivering.run("deploy")
        assert done.outcome == "DEPLOYED", done.said
    delivering.lab.command("exec", "1", "--", "docker", "start", "tt-grafana-1")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in delivering.lab.env.items():
            if name.startswith(("TT_", "PREFECT_")):
                environment.setenv(name, value)
        yield _looking(delivering.lab)


def _looking(lab: RunningLab) -> Callable[[], Seen]:
    from prefect import flow
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from blocks.environment import load_environment
    from delivery.checks import Level, worst_first
    from flows.readiness import survey

    @flow(name="preflight in a test", persist_result=False)
    def looking() -> Seen:
        target = load_environment("lab")
        began = time.monotonic()
        found = survey(target, None, patience_seconds=2)
        seconds = time.monotonic() - began
        findings = [c for c in worst_first(found.checks) if c.level is not Level.PASS]
        return Seen(findings, seconds)

    def look() -> Seen:
        with temporary_settings({PREFECT_API_URL: lab.status["prefect_api_url"]}):
            return looking()

    return look


@contextmanager
def broken(lab: RunningLab, fault: Fault) -> Iterator[None]:
    fault.make(lab)
    try:
        yield
    finally:
        fault.mend(lab)


def test_a_healthy_host_raises_no_alarm_on_the_command_line(
    delivering: Delivering, look: Callable[[], Seen]
) -> None:
    done = delivering.run("preflight")

    assert (done.status, done.outcome) == (0, "PASSED"), done.said
    alarms = [each for each in done.answer["checks"] if each["level"] != "pass"]
    assert alarms == []
    assert len(done.answer["checks"]) > 20
    seen = look()
    assert seen.findings == []
    print(f"healthy: {seen.seconds:.1f} s")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_fault_is_the_first_finding_and_nothing_is_changed(
    delivering: Delivering, look: Callable[[], Seen], fault: Fault
) -> None:
    lab = delivering.lab
    with broken(lab, fault):
        before = _state(lab)
        seen = look()
        after = _state(lab)

    first = seen.findings[0]
    assert (first.name, first.level.value) == (fault.first, fault.level), seen.findings
    assert fault.words in first.evidence
    assert first.remedy
    assert after == before
    print(f"{fault.name}: {first.evidence} ({seen.seconds:.1f} s)")


def _state(lab: RunningLab) -> str:
    """What a look must not change: containers, files of the clone, record, token file."""
    return shell(
        lab,
        "docker ps --all --no-trunc --format '{{.ID}} {{.State}}' | sort; "
        f"git -c safe.directory='*' -C {CLONE} status --porcelain; "
        f"sha256sum {TOKEN_FILE} /var/lib/tt-deploy/releases.jsonl; stat -c %a {TOKEN_FILE}; "
        "docker image ls --quiet --no-trunc | sort",
    )


def test_drift_is_a_flow_of_its_own_and_only_a_change_is_news(
    delivering: Delivering, look: Callable[[], Seen]
) -> None:
    first = delivering.run("drift")
    with broken(delivering.lab, FAULTS[-1]):
        drifted = delivering.run("drift")
        again = delivering.run("drift")

    assert (first.status, first.outcome) == (0, "CLEAN"), first.said
    assert (drifted.status, drifted.outcome, drifted.answer["changed"]) == (1, "DRIFTED", True)
    assert (again.outcome, again.answer["changed"]) == ("DRIFTED", False)
    assert delivering.run("drift").answer["changed"] is True


def test_a_deploy_with_a_hazard_is_refused_with_the_table_in_its_report(
    delivering: Delivering, look: Callable[[], Seen]
) -> None:
    containers, tags = delivering.containers(), delivering.tags()
    (hazard,) = [fault for fault in FAULTS if fault.first == "schema"]
    with broken(delivering.lab, hazard):
        done = delivering.run("deploy")

    assert (done.status, done.outcome) == (1, "REFUSED"), done.said
    assert done.answer["failure"]["stage"] == "preflight"
    assert "schema" in done.answer["failure"]["message"]
    assert delivering.containers() == containers
    assert delivering.tags() == tags
