"""Looking before the first change: what is a finding is a value, what may pass is raised."""

from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger

from blocks.aws_hosts import AwsHosts, Host
from delivery.checks import Level
from delivery.errors import (
    AccessDenied,
    ConfigurationError,
    DeliveryError,
    HostUnreachable,
    SecretsUnavailable,
)
from delivery.needs import Needs
from delivery.survey import SeenServices
from tasks.preflight import Look, ask_services, read_needs, see_hosts
from tasks.release import open_source
from tests.fake_environment import FakeDoppler, FakeEnvironment, FakeHosts, environment
from tests.fakes import refused
from tests.repositories import WorkingRepository
from tests.scripted_hosts import Ended, HostWorld


def looked(target: FakeEnvironment) -> Look:
    with disable_run_logger():
        return see_hosts.fn(target)


def failing(look: Look) -> list[str]:
    return [check.name for check in look.seen.checks if check.level is Level.FAIL]


def test_all_of_a_host_is_seen_in_one_round_trip() -> None:
    target = environment()
    look = looked(target)
    assert [host.name for host in look.hosts] == ["TT-ec2-1"]
    assert len(target.hosts.sent) == 1
    (sight,) = look.seen.sights
    assert sight.facts.engine_answers
    assert sight.sent <= sight.facts.clock <= sight.answered
    assert failing(look) == []
    inputs = target.hosts.worlds["TT-ec2-1"].inputs_of("preflight")
    assert inputs["TT_DDL_VARIABLES"] == "DDL_AUTO SPRING_JPA_HIBERNATE_DDL_AUTO"
    assert not any(secret in target.hosts.sent[0] for secret in target.secrets())


def test_a_missing_instance_is_a_finding() -> None:
    target = environment(expected_hosts=2)
    assert (failing(looked(target)), looked(target).hosts) == (["instance"], [])


def test_a_host_whose_agent_is_lost_is_not_waited_for() -> None:
    target = environment(expected_hosts=2, preflight={"agent_patience_seconds": 0})
    target._hosts = FakeHosts(one=HostWorld(), two=HostWorld(ping="ConnectionLost"))
    look = looked(target)
    assert failing(look) == ["ssm agent"]
    assert [sight.host for sight in look.seen.sights] == ["one"]
    assert target.hosts.worlds["two"].asked == []
    target._hosts = FakeHosts(one=HostWorld(ping=""), two=HostWorld(ping=""))
    assert failing(looked(target)) == ["ssm agent", "ssm agent"]
    assert target.hosts.sent == []


def test_an_agent_that_comes_back_within_its_time_is_waited_for() -> None:
    class Booting(FakeHosts):
        def agents(self, hosts: Any) -> Any:
            seen = super().agents(hosts)
            self.ping = "Online"
            return seen

    target = environment(preflight={"agent_patience_seconds": 30})
    target._hosts = Booting()
    target.hosts.ping = "ConnectionLost"
    look = looked(target)
    assert failing(look) == []
    assert len(look.seen.sights) == 1


@pytest.mark.parametrize(
    ("ended", "name"),
    [
        (Ended("DeliveryTimedOut"), "ssm agent"),
        (Ended("Failed", "no result"), "preflight script"),
    ],
)
def test_a_host_that_does_not_answer_is_a_finding(ended: Ended, name: str) -> None:
    target = environment()
    target.hosts.worlds["TT-ec2-1"].fail("preflight", ended)
    assert failing(looked(target)) == [name]


class Denying(FakeHosts):
    """An AWS whose role lacks one right."""

    def __init__(self, denied: str) -> None:
        super().__init__()
        self._denied = denied

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "__dict__").get("_denied"):
            raise ConfigurationError(f"The AWS role lacks a right for {name}.")
        return super().__getattribute__(name)


@pytest.mark.parametrize(("denied", "seen"), [("running", 0), ("send", 0), ("agents", 1)])
def test_a_right_that_is_missing_is_a_finding(denied: str, seen: int) -> None:
    target = environment()
    target._hosts = Denying(denied)
    look = looked(target)
    (check,) = [c for c in look.seen.checks if c.name == "aws rights" and c.level is not Level.PASS]
    assert denied in check.evidence
    assert len(look.seen.sights) == seen


def test_a_busy_systems_manager_is_raised_to_be_asked_again() -> None:
    class Busy(FakeHosts):
        def agents(self, hosts: Any) -> Any:
            raise HostUnreachable("Rate exceeded")

    target = environment()
    target._hosts = Busy()
    with pytest.raises(HostUnreachable):
        looked(target)


def test_the_fake_speaks_as_the_door_does() -> None:
    assert issubclass(FakeHosts, AwsHosts)
    assert FakeHosts().agents([Host("i-TT-ec2-1", "TT-ec2-1")])[0].ping == "Online"


# --- the services -------------------------------------------------------------------------


def asked(target: FakeEnvironment) -> SeenServices:
    return ask_services.fn(target)


def doppler_of(target: FakeEnvironment) -> FakeDoppler:
    assert isinstance(target.doppler, FakeDoppler)
    return target.doppler


def test_every_service_answers_for_itself() -> None:
    target = environment(preflight={"tls_endpoints": ["127.0.0.1:1"]})
    target.in_registry.put("latest", "a" * 40)
    doppler_of(target).double.tokens = [{"slug": "s", "access": "read"}]
    seen = asked(target)
    assert not isinstance(seen.github, DeliveryError)
    assert seen.github.push
    assert seen.names == frozenset({"GITHUB_TOKEN", "DDL_AUTO"})
    assert [token.slug for token in seen.tokens] == ["s"]
    assert seen.image is not None
    ((endpoint, error),) = seen.certificates
    assert (endpoint, isinstance(error, HostUnreachable)) == ("127.0.0.1:1", True)


def test_a_refusal_is_a_value_and_stops_nobody_else() -> None:
    target = environment()
    target.on_github.fail("GET", 401)
    doppler_of(target).double.fail("tokens", 403)
    seen = asked(target)
    assert isinstance(seen.github, AccessDenied)
    assert (seen.names, seen.tokens) == (frozenset({"GITHUB_TOKEN", "DDL_AUTO"}), ())


def test_what_may_pass_is_asked_again_a_few_times() -> None:
    target = environment()
    target.on_github.fail("GET", 502, times=2)
    assert not isinstance(asked(target).github, DeliveryError)
    doppler_of(target).double.fail("names", refused(), times=9)
    assert isinstance(asked(target).names, SecretsUnavailable)


# --- what the revision needs --------------------------------------------------------------


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkingRepository:
    monkeypatch.setenv("TT_CACHE", str(tmp_path / "cache"))
    repository = WorkingRepository(tmp_path / "application")
    repository.write("docker/docker-compose.yml", "services: {app: {image: '${APP:?x}'}}\n")
    repository.write("monitoring/alertmanager/alertmanager.yml", "url: ${HOOK}\n")
    repository.write("src/main/resources/application.yml", "key: ${KEY}\n")
    repository.write("src/main/resources/banner.txt", "${NOT_READ}\n")
    repository.commit("feat: first")
    return repository


def needed(target: FakeEnvironment, sha: str) -> Needs | DeliveryError:
    open_source(target).refresh()
    return read_needs.fn(target, sha)


def test_the_needs_are_those_of_the_very_revision(application: WorkingRepository) -> None:
    target = environment(git_url=application.url)
    old = application.head()
    application.write("docker/docker-compose.yml", "services: {app: {image: '${OTHER:?x}'}}\n")
    application.commit("feat: second")
    found = needed(target, old)
    assert isinstance(found, Needs)
    assert found.names == {"APP", "HOOK", "GITHUB_TOKEN"}
    assert found.not_handed == ["KEY"]


def test_files_that_do_not_read_are_a_value_with_a_command(application: WorkingRepository) -> None:
    target = environment(git_url=application.url)
    application.write("docker/docker-compose.yml", "a: [\n")
    broken = needed(target, application.commit("feat: broken"))
    assert isinstance(broken, ConfigurationError)
    assert "not YAML" in broken.message
    elsewhere = environment(git_url=application.url, layout={"compose_file": "gone.yml"})
    lost = needed(elsewhere, application.head())
    assert isinstance(lost, ConfigurationError)
    assert lost.next_command.startswith("git show")


def test_without_a_template_none_is_read(application: WorkingRepository) -> None:
    target = environment(git_url=application.url, layout={"alertmanager_template": ""})
    found = needed(target, application.head())
    assert isinstance(found, Needs)
    assert "HOOK" not in found.names
