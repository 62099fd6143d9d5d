import datetime
import json

from delivery.host_state import HealthyRelease, ObservedHost, host_state, read_record

REVISION = "0123456789abcdef0123456789abcdef01234567"


def line(version: str = "0.1.0", **more: object) -> str:
    fields = {
        "version": version,
        "tag": f"v{version}",
        "revision": REVISION,
        "image": "localhost:5000/a/b@sha256:" + "0" * 64,
        "configuration": "c0ffee",
        "generation": 5,
        "at": "2026-11-23T01:02:03Z",
    }
    return json.dumps({**fields, **more})


def observed(*record: str, **fields: object) -> ObservedHost:
    return ObservedHost.model_validate({"ok": True, "step": "observe", "record": record, **fields})


def test_the_newest_record_is_what_last_ran_healthily() -> None:
    state = host_state("TT-ec2-1", observed(line("0.1.0"), line("0.2.0")))
    assert state.last_healthy is not None
    assert state.last_healthy.at == datetime.datetime(2026, 11, 23, 1, 2, 3, tzinfo=datetime.UTC)
    assert state.version == "0.2.0"


def test_a_new_host_has_no_version() -> None:
    state = host_state("TT-ec2-1", observed())
    assert (state.version, state.last_healthy, state.running_healthy) == ("", None, False)


def test_half_a_line_after_a_power_cut_is_passed_over() -> None:
    assert [r.version for r in read_record([line("0.1.0"), line("0.2.0")[:40], ""])] == ["0.1.0"]


def test_a_record_with_an_impossible_revision_is_no_way_back() -> None:
    assert read_record([line(revision="develop"), line(at="yesterday"), "[]"]) == []


def test_a_later_version_may_have_written_more_fields() -> None:
    assert read_record([line(signature="x")]) == [HealthyRelease.model_validate_json(line())]


def test_only_healthy_is_healthy() -> None:
    assert host_state("h", observed(app_health="healthy")).running_healthy
    assert not host_state("h", observed(app_health="starting")).running_healthy


def test_a_container_keeps_what_docker_says_of_it() -> None:
    container = {"service": "app", "name": "/tt-app-1", "image": "x", "state": "running"}
    answer = observed(containers=[{**container, "health": "healthy", "labels": {}}])
    assert answer.containers[0].health == "healthy"
