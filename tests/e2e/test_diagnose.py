"""Every class of failure, really brought about: the right finding first, nothing touched.

With TT_LAB_CAPTURE=FOLDER the facts of each fault are written there (tests/golden/diagnosis).
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.environment import Environment, load_environment
from delivery.diagnosis_words import Told
from delivery.errors import HostScriptFailed
from delivery.findings import Finding
from delivery.health import Health
from delivery.host_facts import HostFacts
from delivery.host_state import HealthyRelease
from delivery.journal import Journal
from delivery.rollout import Bundle
from flows.diagnosed import told
from tasks.diagnosis import gather, look, mend
from tasks.health import probe_postgres
from tasks.hosts import find_hosts, sync_source
from tests.e2e.breaking import CLONE, Broken
from tests.e2e.delivering import Delivering, rolling_out_with

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

WINDOW_SECONDS = 30
PATIENCE_SECONDS = 120.0
"""Until what was done to a host shows on it, however busy that is."""
SECONDS: dict[str, float] = {}
INITIALISATION = "docker inspect --format '{{.Id}}' tt-redis-cluster-init-1"


@pytest.fixture(scope="module")
def target(delivering: Delivering) -> Iterator[Environment]:
    """The lab's environment, a release that serves, and everything of it healthy."""
    if not delivering.serving():
        assert delivering.run("deploy").outcome in ("DEPLOYED", "UP_TO_DATE")
    with temporary_settings({PREFECT_API_URL: delivering.lab.env["PREFECT_API_URL"]}):
        yield load_environment("lab")


@pytest.fixture
def broken(delivering: Delivering, target: Environment) -> Iterator[Broken]:
    """The host, well before each fault and after it."""
    host = Broken(delivering.lab)
    host.until_well()
    yield host
    host.until_well()


def look_at(target: Environment, name: str, told: Told | None = None) -> list[Finding]:
    """The findings, and how long they took; what happened before counts for nothing."""
    began = time.monotonic()
    found = look(target, told, window_seconds=WINDOW_SECONDS)
    SECONDS[name] = time.monotonic() - began
    print(f"{name}: {SECONDS[name]:.1f} s: {[str(each.cause) for each in found]}")
    assert SECONDS[name] < 75
    if folder := os.environ.get("TT_LAB_CAPTURE"):
        capture(target, found, Path(folder) / name.replace(" ", "-"))
    return found


def look_until(
    target: Environment,
    name: str,
    fits: Callable[[list[Finding]], bool],
    told: Told | None = None,
) -> list[Finding]:
    """The findings of the first look that fits, or of the last one in time."""
    due = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = look_at(target, name, told)
        if fits(found) or time.monotonic() > due:
            return found
        time.sleep(1.0)  # a look keeps the host busy for as long


def first_is(cause: str, evidence: str = "") -> Callable[[list[Finding]], bool]:
    """Whether the first finding is of this cause and says this."""
    return lambda found: bool(found) and found[0].cause == cause and evidence in said(found[:1])


def nothing_at_all(found: list[Finding]) -> bool:
    """Whether there is no finding."""
    return not found


def capture(target: Environment, found: list[Finding], name: Path) -> None:
    """Write the facts down, under a name that begins with what they must be taken for."""
    hosts = target.hosts_door().running(target.tag_key, target.tag_value)
    cause = found[0].cause.value if found else "healthy"
    for facts in gather(target, hosts, WINDOW_SECONDS).values():
        if isinstance(facts, HostFacts):
            text = facts.model_dump_json(indent=1, exclude_defaults=True)
            name.with_name(f"{cause}.{name.name}.json").write_text(text + "\n")


def said(findings: list[Finding]) -> str:
    return json.dumps([finding.as_json() for finding in findings], indent=1, ensure_ascii=False)


def test_a_healthy_host_has_no_finding_and_is_not_changed(
    target: Environment, broken: Broken
) -> None:
    before = broken.standing()
    found = look_until(target, "healthy", nothing_at_all)
    assert found == [], said(found)
    assert broken.standing() == before


FAULTS = [
    ("postgres stopped", "stopped", ["tt-postgres-1"], "database-stopped", "does not run"),
    ("password changed", "password_changed", [], "database-refuses", "password authentication"),
    ("token file 644", "token_exposed", [], "token-file", "mode 644"),
    ("token file removed", "token_removed", [], "doppler-refuses", "no such file"),
    ("token expired", "token_expired", [], "doppler-refuses", "Invalid Auth token"),
    ("secret removed", "secret", ["MAIL_HOST", None], "variable-missing", "MAIL_HOST"),
    ("registry password wrong", "secret", ["GITHUB_TOKEN", "wrong-one"], "registry-refuses",
     "GITHUB_TOKEN"),
    ("GITHUB_TOKEN not in Doppler", "secret", ["GITHUB_TOKEN", None], "registry-refuses",
     "GITHUB_TOKEN is not in Doppler"),
    ("disk full", "disk_full", [], "disk-full", "MiB free"),
    ("no inodes left", "inodes_used", [1000], "disk-full", "has no inodes left"),
    ("port taken", "port_taken", [], "port-taken", "8080"),
    ("Redis node stopped", "stopped", ["tt-redis-node-6-1"], "redis-node-down",
     "redis-node-6 does not run"),
    ("nodes.conf corrupt", "nodes_conf_corrupt", [], "redis-node-down", "nodes.conf"),
    ("application out of memory", "out_of_memory", [], "out-of-memory", "40 MiB"),
    ("container stopped", "stopped", ["tt-grafana-1"], "container-stopped", "tt-grafana-1"),
    ("image missing", "image_missing", [], "image-missing", "redis_exporter"),
    ("name unresolved", "name_unresolved", [], "name-unresolved", "github.invalid"),
    ("application hangs", "hung", [], "container-unhealthy", "does not answer"),
    ("engine away", "engine_away", [], "engine-down", "no answer of a server"),
    ("Doppler away", "service", ["doppler", "error", "secrets"], "doppler-away", "Internal server"),
    ("registry away", "service", ["registry", "error", "/v2/"], "registry-away", "500"),
    ("gateway emptied", "gateway_emptied", [], "nothing-serves", "HTTP 503"),
    ("ss put aside", "undone_by",
     ["mv /usr/bin/ss /usr/bin/ss.aside", "mv /usr/bin/ss.aside /usr/bin/ss"], "not-seen", "ports"),
    ("agent killed", "agent_killed", [], "host-unreachable", "ConnectionLost"),
    ("instance stopped", "instance_stopped", [], "host-unreachable", "start-instances"),
    ("role may not send commands", "service", ["ssm", "forbidden", "SendCommand"],
     "host-unreachable", "Compare the role with the policy"),
]  # fmt: skip
RESTLESS = ("application out of memory", "nodes.conf corrupt")
"""Faults by which a container dies and is started again by Docker, whoever looks."""


@pytest.mark.parametrize(
    ("name", "fault", "arguments", "cause", "evidence"), FAULTS, ids=[each[0] for each in FAULTS]
)
def test_a_fault_is_found_first_with_its_evidence_and_nothing_is_changed(
    broken: Broken,
    target: Environment,
    name: str,
    fault: str,
    arguments: list[Any],
    cause: str,
    evidence: str,
) -> None:
    made: AbstractContextManager[None] = getattr(broken, fault)(*arguments)
    with made:
        before = broken.standing(states=name not in RESTLESS)
        found = look_until(target, name, first_is(cause, evidence))
        after = broken.standing(states=name not in RESTLESS)
    assert found, "nothing was found"
    assert found[0].cause == cause, said(found)
    assert evidence in said(found[:1])
    assert found[0].remedy.command
    assert after == before


def test_a_resolver_that_dies_is_found_by_the_names_that_it_knew(
    target: Environment, broken: Broken
) -> None:
    with broken.own_resolver():
        assert look_until(target, "resolver well", nothing_at_all) == []
        broken.sh(broken.ends_resolver)
        before = broken.standing()
        alone = first_is("name-unresolved", "git.tt.example")
        found = look_until(target, "resolver dead", lambda seen: alone(seen) and not seen[1:])
        after = broken.standing()
    assert [each.cause for each in found] == ["name-unresolved"], said(found)
    assert "git.tt.example" in said(found)
    assert "resolv.conf" in found[0].remedy.command
    assert after == before


class TestNothingToBeSeen:
    def test_a_step_that_failed_is_told_in_its_own_words(
        self, delivering: Delivering, target: Environment, broken: Broken
    ) -> None:
        bundle = Bundle.of_record(HealthyRelease.model_validate(delivering.record()[-1]))
        lock = f"{CLONE}/.git/index.lock"
        with broken.undone_by(f"mkdir {lock}", f"rmdir {lock}"), disable_run_logger():
            before = broken.standing()
            with pytest.raises(HostScriptFailed) as failed:
                sync_source.fn(target, find_hosts.fn(target), bundle)
            words = Told("sync", failed.value.message, failed.value.last_words)
            only = first_is("command-failed")
            found = look_until(
                target, "command failed", lambda seen: only(seen) and not seen[1:], words
            )
            after = broken.standing()
        assert [each.cause for each in found] == ["command-failed"], said(found)
        assert "index.lock': File exists" in said(found)
        assert after == before

    def test_a_health_check_that_did_not_hold_is_told_with_what_it_saw(
        self, target: Environment, broken: Broken
    ) -> None:
        hasty = target.model_copy()
        hasty.health = target.health.model_copy(update={"deadline_seconds": 0})
        with broken.read_only_database(), disable_run_logger():
            before = broken.standing()
            probe = probe_postgres.fn(hasty, find_hosts.fn(target)[0])
            journal = Journal("lab", "", "", datetime.now(UTC), time.monotonic)
            journal.health = Health((probe,))
            journal.note_unhealthy()
            only = first_is("health-timed-out")
            found = look_until(
                target,
                "health check timed out",
                lambda seen: only(seen) and not seen[1:],
                told(journal),
            )
            after = broken.standing()
        assert [each.cause for each in found] == ["health-timed-out"], said(found)
        assert "read-only transaction" in said(found)
        assert after == before


class TestMending:
    def test_a_stopped_container_is_started(self, broken: Broken, target: Environment) -> None:
        broken.sh("docker stop --time 5 tt-postgres-1")
        name = "postgres stopped, to be mended"
        (first, *_) = look_until(target, name, first_is("database-stopped"))
        attempt, _ = mend.fn(target, first)
        assert (attempt.fixed, attempt.words) == (True, "")
        assert look_until(target, "postgres mended", nothing_at_all) == []

    def test_a_token_that_others_can_read_is_roots_again(
        self, broken: Broken, target: Environment
    ) -> None:
        broken.sh("chmod 644 /etc/tt-secrets/doppler-token")
        only = first_is("token-file")
        (first,) = look_until(
            target, "token file 644, to be mended", lambda seen: only(seen) and not seen[1:]
        )
        assert broken.token_mode() == "644"
        attempt, _ = mend.fn(target, first)
        assert (attempt.fixed, broken.token_mode()) == (True, "400")
        assert look_until(target, "token file mended", nothing_at_all) == []

    def test_a_full_disk_is_freed_of_images_that_nobody_needs(
        self, delivering: Delivering, broken: Broken, target: Environment
    ) -> None:
        before = delivering.containers()
        with broken.disk_full_of_images():
            (first, *_) = look_until(target, "disk full, to be mended", first_is("disk-full"))
            attempt, _ = mend.fn(target, first)
            left = look_until(target, "disk freed", nothing_at_all)
        assert first.cause == "disk-full"
        assert (attempt.finding.remedy.action, attempt.fixed, left) == ("prune", True, []), attempt
        assert delivering.containers() == before

    def test_a_cluster_that_is_none_is_made_by_one_command(
        self, delivering: Delivering, broken: Broken, target: Environment
    ) -> None:
        broken.cluster_unmade()
        made = broken.sh(INITIALISATION)
        found = look_until(
            target, "cluster not initialised", first_is("redis-not-initialised", "never")
        )
        assert found[0].cause == "redis-not-initialised", said(found)
        done = delivering.run("diagnose", "--fix")
        # What is found besides is on its way back to being well, and not what this is about.
        assert done.outcome in ("MENDED", "FOUND"), done.said
        assert done.answer["attempts"][0]["action"] == "init-cluster"
        assert done.answer["attempts"][0]["fixed"] is True
        mended = broken.sh(INITIALISATION)
        assert mended != made, "an old container has the password that it was made with"
        broken.sh(found[0].remedy.command.removeprefix("sudo "))
        assert broken.sh(INITIALISATION) not in (made, mended), "what is typed does the same"


def test_a_slow_release_is_told_from_a_broken_one(
    delivering: Delivering, target: Environment, broken: Broken
) -> None:
    sha = delivering.commit("fix", "slow-start=60", "fix: starts slowly")
    try:
        with rolling_out_with(delivering, gate_seconds=12):
            slow = delivering.run("deploy", "--revision", sha)
    finally:
        delivering.commit("fix", "healthy", "fix: starts as before")
    assert slow.outcome == "ROLLED_BACK", slow.said
    assert slow.answer["findings"][0]["cause"] == "slow-start", slow.said
    assert "12 s" in slow.answer["failure"]["message"]
    print(f"slow start: {slow.answer['duration_seconds']:.0f} s")
