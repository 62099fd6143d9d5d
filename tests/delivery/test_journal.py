"""What a deploy has learned so far is there to be told, however it ends."""

import datetime
from collections.abc import Callable

import pytest

from delivery.errors import HostScriptFailed, HostUnreachable, Refused
from delivery.health import Health, Probe, Verdict
from delivery.host_state import HealthyRelease, HostState
from delivery.image import Image
from delivery.journal import Journal
from delivery.released import Release
from delivery.report import Outcome
from delivery.rollout import Bundle, HostOutcome, Rollout
from tests.fakes import FakeClock

STARTED = datetime.datetime(2026, 11, 23, 1, 2, 3, tzinfo=datetime.UTC)
REVISION = "0123456789abcdef0123456789abcdef01234567"
IMAGE = Image("ghcr.io/a/b", "v0.2.0", "sha256:" + "a" * 64)
RELEASE = Release(
    tag="v0.2.0",
    version="0.2.0",
    sha=REVISION,
    previous_tag="v0.1.0",
    notes="",
    url="https://r",
    created=True,
    reason="",
)
NEW = Bundle.of_image(IMAGE, version="0.2.0", revision=REVISION)


def journal(clock: Callable[[], float] | None = None) -> Journal:
    return Journal("lab", "kim", "because", STARTED, clock or FakeClock())


def host(name: str, version: str) -> HostState:
    release = HealthyRelease(
        version=version, tag=f"v{version}", revision=REVISION, image="x", at=STARTED
    )
    return HostState(name, "x", True, REVISION, 1, (release,) if version else (), frozenset())


def test_each_stage_is_timed() -> None:
    clock = FakeClock()
    told = journal(clock)
    with told.stage("build"):
        clock.sleep(3)
    with told.stage("pull"):
        clock.sleep(4)
    report = told.report(Outcome.DEPLOYED)
    assert [(s.stage, s.seconds, s.note) for s in report.stages] == [
        ("build", 3, ""),
        ("pull", 4, ""),
    ]
    assert report.duration_seconds == 7
    assert (report.environment, report.actor, report.reason) == ("lab", "kim", "because")


def test_a_stage_that_fails_is_remembered_and_the_error_goes_on() -> None:
    told = journal()
    with pytest.raises(Refused), told.stage("look"):
        raise Refused("Not now.", next_command="wait")
    report = told.report(Outcome.FAILED)
    assert report.failure is not None
    assert (report.failure.stage, report.failure.next_command) == ("look", "wait")
    assert report.stages[0].note == "failed"


def test_the_first_failure_is_the_one_to_report() -> None:
    told = journal()
    with pytest.raises(Refused), told.stage("first"):
        raise Refused("First.")
    with pytest.raises(Refused), told.stage("second"):
        raise Refused("Second.")
    told.fail(Refused("Third."))
    told.health = Health((Probe("redis", "a", Verdict.UNHEALTHY, "down", 1, 1.0),))
    told.note_unhealthy()
    failure = told.report(Outcome.FAILED).failure
    assert failure is not None
    assert failure.message == "First."


def test_a_failure_outside_any_stage_is_one_of_the_start() -> None:
    told = journal()
    told.fail(Refused("Not now."))
    failure = told.report(Outcome.REFUSED).failure
    assert failure is not None
    assert failure.stage == "start"


def test_a_probe_that_did_not_hold_is_a_failure_with_the_command_that_looks_again() -> None:
    told = journal()
    told.health = Health((Probe("redis", "TT-ec2-1", Verdict.UNHEALTHY, "token=abcdef", 1, 1.0),))
    told.note_unhealthy()
    failure = told.report(Outcome.ROLLED_BACK).failure
    assert failure is not None
    assert failure.message == "The probe 'redis' did not hold: token=[redacted]"
    assert failure.where == "TT-ec2-1"
    assert failure.next_command == "python -m flows.healthcheck --environment lab"


def test_it_knows_when_by_the_wall_clock_the_release_was_found_not_to_hold() -> None:
    clock = FakeClock()
    told = journal(clock)
    clock.sleep(90)
    told.begin_way_back({})
    clock.sleep(5)
    assert told.failed_at == STARTED.timestamp() + 90


def test_probes_that_hold_are_no_failure() -> None:
    told = journal()
    told.health = Health((Probe("redis", "a", Verdict.HEALTHY, "ok", 1, 1.0),))
    told.note_unhealthy()
    assert told.report(Outcome.DEPLOYED).failure is None


def test_what_ran_before_is_named_once_over_all_hosts() -> None:
    told = journal()
    told.note_hosts([host("a", "0.1.0"), host("b", "0.1.0"), host("c", ""), host("d", "0.0.9")])
    assert told.report(Outcome.DEPLOYED).previous_version == "0.0.9, 0.1.0"


def test_the_release_the_image_and_the_rollout_reach_the_report() -> None:
    told = journal()
    told.note_bundle(NEW, IMAGE)
    told.rollout = Rollout(NEW, (HostOutcome("a", ("app",), "c"),))
    report = told.report(Outcome.DEPLOYED)
    assert (report.version, report.revision, report.digest) == ("0.2.0", REVISION, IMAGE.digest)
    assert (report.image, report.changed) == (IMAGE.reference, ("app",))
    assert report.hosts == told.rollout.hosts


def test_a_release_without_an_image_yet_is_still_named() -> None:
    told = journal()
    told.note_release(RELEASE)
    report = told.report(Outcome.FAILED)
    assert (report.version, report.revision, report.release_url) == ("0.2.0", REVISION, "https://r")
    assert (report.digest, report.image, report.changed) == ("", "", ())


def test_what_people_wrote_is_reported_without_secrets_and_personal_data() -> None:
    told = journal()
    told.actor, told.reason = "kim@example.com", "token=correct-horse leaked"
    report = told.report(Outcome.DEPLOYED)
    assert (report.actor, report.reason) == ("[redacted]", "token=[redacted] leaked")


def test_the_start_is_told_once_as_soon_as_the_release_is_known() -> None:
    heard: list[str] = []
    told = journal()
    told.on_start = lambda known: heard.append(known.version)
    assert heard == []
    told.note_release(RELEASE)
    told.note_bundle(NEW, IMAGE)
    assert heard == [RELEASE.version]


class TestAFleet:
    A, C = HostOutcome("a", ("app",), "c"), HostOutcome("c", ("redis",), "c")
    B = HostOutcome("b", (), "", failure="the gate did not open")

    def told(self) -> Journal:
        told = journal()
        told.note_hosts([host(name, "0.1.0") for name in "abcd"])
        return told

    def test_a_wave_that_stops_it_is_told_host_by_host_and_the_rest_was_not_touched(self) -> None:
        told = self.told()
        told.rollout = Rollout(NEW, (self.A,))
        with pytest.raises(HostScriptFailed), told.wave(["b", "c"]):
            raise HostScriptFailed("b: no").among([self.B, self.C])
        report = told.report(Outcome.ROLLED_BACK)
        assert report.hosts == (self.A, self.B, self.C, HostOutcome("d", (), "", touched=False))
        assert report.changed == ("app", "redis")
        # Where hosts go back to does not depend on what a failed wave said.
        assert told.outcomes == {"a": self.A}

    @pytest.mark.parametrize(
        "error", [HostUnreachable("AWS is away: token=abcdef"), ValueError("token=abcdef")]
    )
    def test_where_nothing_is_known_of_a_wave_each_of_its_hosts_has_its_failure(
        self, error: Exception
    ) -> None:
        told = self.told()
        with pytest.raises(type(error)), told.wave(["a", "b"]):
            raise error
        hosts = told.report(Outcome.ROLLBACK_FAILED).hosts
        assert [(host.host, host.touched) for host in hosts] == [
            *(("a", True), ("b", True), ("c", False), ("d", False))
        ]
        assert hosts[0].failure.endswith("token=[redacted]")

    def test_a_wave_that_goes_well_changes_nothing(self) -> None:
        told = self.told()
        with told.wave(["a"]):
            pass
        assert told.stopped == ()

    def test_where_nobody_was_touched_there_is_nothing_to_tell_of_hosts(self) -> None:
        assert self.told().report(Outcome.REFUSED).hosts == ()


class TestGoingBack:
    def test_it_is_timed_from_the_moment_that_the_release_did_not_hold(self) -> None:
        seconds = iter([0.0, 100.0, 108.0, 111.0, 120.0])
        journal = Journal(
            "lab", "kim", "", datetime.datetime.now(datetime.UTC), lambda: next(seconds)
        )
        journal.begin_way_back({"h": Bundle("1.0.0", "v1.0.0", "a" * 40, "r")})
        journal.note_way_back([HostOutcome("h", (), "c", warm=True, since_switch=5.0)])
        journal.note_restored()
        restored = journal.report(Outcome.ROLLED_BACK).restored
        assert restored is not None
        assert (restored.started_seconds, restored.verified_seconds) == (8.0, 11.0)
        assert restored.traffic_seconds == 3.0

    def test_each_host_is_timed_by_its_own_answer(self) -> None:
        clock = FakeClock(now=500.0)
        told = journal(clock)
        told.begin_way_back({"h": Bundle("1.0.0", "v1.0.0", "a" * 40, "r")})
        clock.sleep(120)
        outcome = HostOutcome("h", (), "c", warm=True, since_switch=5.0, answered_at=520.0)
        told.note_way_back([outcome])
        restored = told.report(Outcome.ROLLED_BACK).restored
        assert restored is not None
        assert (restored.started_seconds, restored.traffic_seconds) == (120.0, 15.0)

    def test_what_became_of_each_host_is_known_as_far_as_the_rollout_got(self) -> None:
        told = journal()
        assert told.outcomes == {}
        first = HostOutcome("a", ("app",), "c")
        told.rollout = Rollout(NEW, (first,))
        assert told.outcomes == {"a": first}

    def test_without_one_there_is_nothing_to_time(self) -> None:
        journal = Journal("lab", "kim", "", datetime.datetime.now(datetime.UTC), lambda: 0.0)
        journal.note_way_back([])
        journal.note_restored()
        assert journal.report(Outcome.FAILED).restored is None
