"""What the facts of a host mean."""

from typing import Any

import pytest

from delivery.checks import Check, Level
from delivery.host_checks import (
    ImageSight,
    clock_check,
    clone_checks,
    machine_checks,
    port_check,
)
from delivery.preflight_facts import CloneSight, PreflightHost
from delivery.preflight_policy import PreflightPolicy
from tests.scripted_hosts import preflight_facts

POLICY = PreflightPolicy()
IMAGE = ImageSight("ghcr.io/tt/app@sha256:" + "a" * 64, 200_000_000, "linux/amd64")


def facts(**changes: Any) -> PreflightHost:
    return PreflightHost.model_validate({"ok": True, "step": "x", **preflight_facts(), **changes})


def engine(**changes: Any) -> PreflightHost:
    return facts(engine={**preflight_facts()["engine"], **changes})


def found(host: PreflightHost, image: ImageSight | None = IMAGE) -> dict[str, Check]:
    checks = machine_checks("h", host, POLICY, image=image, environment="lab")
    return {check.name: check for check in checks}


def failing(host: PreflightHost, image: ImageSight | None = IMAGE) -> dict[str, str]:
    return {n: c.evidence for n, c in found(host, image).items() if c.level is Level.FAIL}


def test_a_healthy_host_passes_everything() -> None:
    checks = found(facts())
    assert {check.level for check in checks.values()} == {Level.PASS}
    assert set(checks) == {
        "engine", "docker version", "compose version", "platform", "tools", "disk", "inodes",
        "memory",
    }  # fmt: skip


@pytest.mark.parametrize(
    "engine_facts", [None, {"version": "", "compose": "", "architecture": "x"}]
)
def test_of_an_engine_that_does_not_answer_no_version_is_asked(engine_facts: Any) -> None:
    checks = list(found(facts(engine=engine_facts), None).values())
    failed = [check.name for check in checks if check.level is Level.FAIL]
    assert failed == ["engine"]
    assert "docker version" not in {check.name for check in checks}


@pytest.mark.parametrize(
    ("version", "compose", "names"),
    [
        ("24.0.9", "2.40.0", {"docker version"}),
        ("25.0.0", "2.23.3", {"compose version"}),
        ("28.5", "", {"compose version"}),
        ("28.5.2-rc.1", "5.0.0-desktop.1", set()),
    ],
)
def test_versions_are_compared_as_numbers(version: str, compose: str, names: set[str]) -> None:
    assert set(failing(engine(version=version, compose=compose))) == names


def test_an_image_for_another_platform_is_found_before_it_is_pulled() -> None:
    assert set(failing(engine(architecture="aarch64"))) == {"platform"}
    variant = ImageSight("x", 0, "linux/arm64/v8")
    assert failing(engine(architecture="aarch64"), variant) == {}
    assert "platform" not in found(facts(), ImageSight("x"))
    assert "platform" not in found(facts(), None)


def test_ten_gigabytes_must_be_free_on_the_fullest_file_system() -> None:
    full = engine(disks=["/ 50000000000 9 1 10", "/var/lib/docker 9500000000 9 1 10"])
    assert failing(full) == {"disk": "9.50 GB free on /var/lib/docker, 10.0 GB needed"}
    assert found(full)["disk"].remedy.startswith("python -m flows.diagnose --environment lab --fix")


def test_a_full_disk_comes_before_the_engine_that_it_stops() -> None:
    stopped = engine(version="", disks=["/var/lib/docker 0 9 1 10"])
    assert [*failing(stopped)] == ["disk", "engine"]


def test_a_large_image_needs_more_unless_the_host_has_it() -> None:
    large = ImageSight(IMAGE.reference, 20_000_000_000, "linux/amd64")
    assert failing(facts(), large) == {
        "disk": "50.00 GB free on /, 60.0 GB needed (the image, 20000 MB packed)"
    }
    assert failing(facts(images=[IMAGE.reference]), large) == {}


def test_inodes_run_out_as_well_as_bytes() -> None:
    assert set(failing(engine(disks=["/ 50000000000 9 2 100"]))) == {"inodes"}
    none_counted = found(engine(disks=["/ 50000000000 9 0 0"]))["inodes"]
    assert none_counted.level is Level.PASS


def test_what_could_not_be_looked_at_is_not_judged() -> None:
    checks = found(
        facts(tools=None, memory=None, engine={**preflight_facts()["engine"], "disks": None})
    )
    assert {"tools", "memory", "disk", "inodes"}.isdisjoint(checks)


def test_missing_tools_and_memory_are_named() -> None:
    poor = failing(facts(tools=["envsubst", "curl"], memory=100_000_000))
    assert poor["tools"] == "not installed: envsubst curl"
    assert poor["memory"].startswith("100 MB available, 1024 MB needed")


@pytest.mark.parametrize(
    ("clock", "level"),
    [(100.5, Level.PASS), (96.0, Level.PASS), (90.0, Level.FAIL), (120.0, Level.FAIL)],
)
def test_the_clock_is_judged_by_when_one_asked_and_heard(clock: float, level: Level) -> None:
    assert clock_check("h", clock, sent=100.0, answered=102.0, limit=5.0).level is level


def clone(policy: PreflightPolicy = POLICY, **fields: Any) -> dict[str, Check]:
    sight = CloneSight.model_validate({"exists": True, "revision": "a" * 40, **fields})
    checks = clone_checks("h", sight, "/clone", policy, url="https://github.com/tt/app.git")
    return {check.name: check for check in checks}


def test_a_clean_clone_with_a_reachable_remote_passes() -> None:
    assert {check.level for check in clone().values()} == {Level.PASS}


def test_edited_files_are_named_and_the_environment_says_what_they_mean() -> None:
    edited = clone(edited=["docker/docker-compose.yml"])["git clone"]
    assert (edited.level, "docker/docker-compose.yml" in edited.evidence) == (Level.WARN, True)
    strict = PreflightPolicy(edited_files="fail")
    assert clone(strict, edited=["x"])["git clone"].level is Level.FAIL


def test_a_clone_that_is_missing_or_cut_off_fails() -> None:
    missing = clone(exists=False)
    assert {n: c.level for n, c in missing.items()} == {"git clone": Level.FAIL}
    assert missing["git clone"].remedy == "sudo git clone https://github.com/tt/app.git /clone"
    away = clone(reachable=False, said="could not resolve host")["git remote"]
    assert (away.level, "could not resolve host" in away.evidence) == (Level.FAIL, True)


def test_a_port_that_somebody_else_holds_is_named_with_its_holder() -> None:
    host = facts(ports=["8080 nc (process 7)", "22 sshd (process 1)", "9090 ours"])
    check = port_check("h", host, [8080, 9090, 3001])
    assert (check.level, check.evidence) == (Level.FAIL, "taken: 8080 by nc (process 7)")
    assert "8080" in check.remedy
    assert port_check("h", host, [9090, 3001]).level is Level.PASS
