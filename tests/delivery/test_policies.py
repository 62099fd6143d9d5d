import pytest
from pydantic import ValidationError

from delivery.policies import HealthPolicy, HostLayout, RolloutPolicy, StageTimeouts


def test_the_defaults_are_what_the_hosts_have_today() -> None:
    layout = HostLayout()
    assert layout.clone == "/dockerProjects/tt-src/WEB7_9_B2ST_BE"
    assert layout.data_stores[:2] == ("postgres", "redis-node-1")
    assert len(layout.data_stores) == 7


@pytest.mark.parametrize("path", ["/srv/app", "/srv/.hidden/a.b-c_d", "/a"])
def test_an_absolute_path_begins_at_the_root(path: str) -> None:
    assert HostLayout(clone=path).clone == path


@pytest.mark.parametrize("path", ["", "/", "srv", "/srv/../etc", "/srv/", "/a b", "/a;b", "/a\n"])
def test_a_path_cannot_climb_or_carry_a_command(path: str) -> None:
    with pytest.raises(ValidationError):
        HostLayout(clone=path)


@pytest.mark.parametrize("path", ["docker/docker-compose.yml", "compose.yml", ".ci/compose.yml"])
def test_a_relative_path_stays_inside(path: str) -> None:
    assert HostLayout(compose_file=path).compose_file == path


@pytest.mark.parametrize("path", ["/etc/passwd", "../compose.yml", "a/../../b", "./a", "", "a/"])
def test_a_relative_path_cannot_leave_the_clone(path: str) -> None:
    with pytest.raises(ValidationError):
        HostLayout(compose_file=path)


def test_there_may_be_no_alertmanager() -> None:
    assert HostLayout(alertmanager_template="").alertmanager_template == ""


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError):
        HealthPolicy.model_validate({"pases": 3})


def test_a_policy_cannot_change_under_way() -> None:
    policy = StageTimeouts()
    with pytest.raises(ValidationError):
        policy.build = 1  # type: ignore[misc]  # that it is refused is the claim


def test_ssm_delivers_within_no_less_than_thirty_seconds() -> None:
    with pytest.raises(ValidationError):
        StageTimeouts(delivery=29)


def test_the_redis_nodes_are_where_the_stack_puts_them() -> None:
    nodes = HostLayout().redis_addresses(6)
    assert (nodes[0], nodes[-1], len(nodes)) == ("redis-node-1:7000", "redis-node-6:7005", 6)
    assert HostLayout().redis_addresses(0) == ()


@pytest.mark.parametrize(
    ("passes", "span", "pause"), [(3, 6, 3.0), (3, 0, 1.0), (1, 6, 1.0), (7, 3, 1.0)]
)
def test_passes_are_spread_over_the_span(passes: int, span: float, pause: float) -> None:
    policy = HealthPolicy(passes=passes, span_seconds=span, interval_seconds=1)
    assert policy.pause_seconds == pause


def test_only_a_host_that_keeps_its_release_may_fail() -> None:
    assert RolloutPolicy(failure_budget=2).tolerated_failures(5) == 2
    assert RolloutPolicy(failure_budget=2, strategy="recreate").tolerated_failures(5) == 0


@pytest.mark.parametrize(("hosts", "tolerated"), [(1, 0), (2, 1), (3, 2), (4, 2)])
def test_neither_a_canary_nor_a_whole_wave_may_fail(hosts: int, tolerated: int) -> None:
    policy = RolloutPolicy(failure_budget=2)
    assert policy.tolerated_failures(hosts) == tolerated
    assert policy.tolerated_failures(hosts, canary=True) == 0


def test_a_takeover_drains_twice_where_the_release_fails_after_the_switch() -> None:
    policy = RolloutPolicy(gate_seconds=100, drain_seconds=20, soak_seconds=7, stop_seconds=5)
    assert policy.longest_seconds == 152
