"""Drift: what runs against what was deployed."""

import json
from typing import Any

import pytest

from delivery.checks import Check, Level
from delivery.drift import branch_check, concerns_drift, drift_checks, drift_fingerprint
from delivery.drift_memory import compare, to_remember
from delivery.host_state import host_state
from delivery.preflight_facts import PreflightHost
from tests.scripted_hosts import SHA, preflight_facts

IMAGE = "ghcr.io/tt/app@sha256:" + "a" * 64


def container(service: str, **changes: Any) -> dict[str, Any]:
    return {
        "service": service,
        "name": f"/tt-{service}-1",
        "image": IMAGE,
        "state": "running",
        "health": "healthy",
        "definition": f"hash-of-{service}",
        **changes,
    }


RECORD = json.dumps(
    {
        "version": "1.0.0",
        "tag": "v1.0.0",
        "revision": SHA,
        "image": IMAGE,
        "at": "2026-11-23T00:00:00Z",
    }
)
CONTAINERS = [
    container("app"),
    container("postgres"),
    container("init", state="exited", health="", exit_code=0),
]


def seen(**changes: Any) -> PreflightHost:
    secrets = {
        **preflight_facts()["secrets"],
        "definitions": [f"{name} hash-of-{name}" for name in ("app", "postgres", "init")],
    }
    fields = {
        **preflight_facts(),
        "secrets": secrets,
        "revision": SHA,
        "app_image": IMAGE,
        "images": [IMAGE],
        "record": [RECORD],
        "containers": CONTAINERS,
        **changes,
    }
    return PreflightHost.model_validate({"ok": True, "step": "preflight", **fields})


def findings(facts: PreflightHost) -> dict[str, str]:
    state = host_state("h", facts)
    checks = drift_checks("lab", state, facts, app="app", one_shot="init")
    return {c.name.removeprefix("drift: "): c.evidence for c in checks if c.level is Level.WARN}


def test_a_host_as_it_was_deployed_has_no_drift() -> None:
    assert findings(seen()) == {}


@pytest.mark.parametrize(
    ("containers", "evidence"),
    [
        ([*CONTAINERS[1:]], "app is missing"),
        (
            [container("app", state="exited", exit_code=137), *CONTAINERS[1:]],
            "tt-app-1 is exited (137)",
        ),
        ([container("app", health="unhealthy"), *CONTAINERS[1:]], "tt-app-1 is unhealthy"),
        ([*CONTAINERS, container("app", name="/tt-app-2")], "2 containers of app"),
        ([*CONTAINERS, container("mine")], "mine is not in the compose file"),
        ([*CONTAINERS[:2], container("init", state="exited", exit_code=1)], "init ended with 1"),
    ],
)
def test_containers_that_are_not_as_they_should_be(containers: Any, evidence: str) -> None:
    assert findings(seen(containers=containers)) == {"containers": evidence}


def test_another_image_than_the_record_has() -> None:
    assert (
        "the application runs nothing, the record has v1.0.0"
        in findings(seen(app_image=""))["image"]
    )


def test_another_revision_than_the_record_has() -> None:
    assert findings(seen(revision="f" * 40))["files"].startswith("the clone is at ffffffffffff")
    assert "no revision" in findings(seen(revision=""))["files"]


def test_another_definition_than_the_files_give() -> None:
    changed = [container("app", definition="older"), *CONTAINERS[1:]]
    assert findings(seen(containers=changed))["definitions"].endswith("now: app")


def test_definitions_that_cannot_be_had_say_why_and_nothing_is_called_missing() -> None:
    secrets = {"state": "ok", "undefined": "MAIL_HOST is missing a value"}
    found = findings(seen(secrets=secrets, containers=CONTAINERS[:1]))
    assert [*found] == ["definitions"]
    assert "MAIL_HOST is missing a value" in found["definitions"]
    assert "Doppler gave nothing" in findings(seen(secrets=None))["definitions"]


@pytest.mark.parametrize("changes", [{"record": []}, {"busy": True}, {"engine": None}])
def test_nothing_is_said_of_a_new_or_a_busy_host_or_one_without_an_engine(changes: Any) -> None:
    assert findings(seen(**changes, containers=[])) == {}


def test_the_record_against_the_branch() -> None:
    release = host_state("h", seen()).last_healthy
    assert release is not None
    assert branch_check(release, "develop", 3).evidence == "v1.0.0 is 3 commit(s) behind develop"
    assert branch_check(release, "develop", 0).evidence == "v1.0.0 is the head of develop"
    lost = branch_check(release, "develop", None)
    assert (lost.level, "not in the history of develop" in lost.evidence) == (Level.WARN, True)


def test_only_some_checks_concern_drift() -> None:
    names = ["drift: image", "variables", "git clone", "disk", "clock"]
    kept = [name for name in names if concerns_drift(Check(name, Level.FAIL, ""))]
    assert kept == ["drift: image", "variables", "git clone"]


STOPPED = Check("drift: containers", Level.WARN, "grafana is exited (0)", host="h")
EDITED = Check("git clone", Level.WARN, "edited", host="h")
FINE = Check("drift: image", Level.PASS, "v1.0.0", host="h")


def test_the_fingerprint_knows_findings_and_neither_their_order_nor_what_passed() -> None:
    assert drift_fingerprint([FINE]) == ""
    assert drift_fingerprint([STOPPED, EDITED]) == drift_fingerprint([EDITED, FINE, STOPPED])
    assert drift_fingerprint([STOPPED]) != drift_fingerprint([EDITED])


def test_only_a_change_is_news() -> None:
    first = compare([STOPPED, FINE], None)
    assert (first.changed, first.found, first.mended) == (True, (STOPPED,), ())
    kept = to_remember([STOPPED, FINE])
    assert not compare([FINE, STOPPED], kept).changed
    mended = compare([FINE], kept)
    assert (mended.changed, mended.found, mended.mended) == (True, (), (STOPPED,))
    other = compare([EDITED], kept)
    assert (other.found, other.mended) == ((EDITED,), (STOPPED,))


def test_a_clean_first_look_is_no_news() -> None:
    assert not compare([FINE], None).changed
    assert not compare([FINE], to_remember([FINE])).changed


def test_what_is_remembered_stays_small() -> None:
    many = [Check(f"drift: {n}", Level.WARN, "x" * 1000, host="h" * 40) for n in range(100)]
    assert len(json.dumps(to_remember(many))) < 4500
