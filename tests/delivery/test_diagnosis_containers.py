import pytest

from delivery.diagnosis_containers import components_down
from delivery.findings import Action, Confidence
from tests.delivery.facts import NOW, causes, container, findings

UP_7_SECONDS = "2026-11-25T22:46:01"
assert NOW == 1_795_646_768  # 2026-11-25T22:46:08Z


def test_a_container_that_dies_at_every_start_is_told_with_its_last_words() -> None:
    app = container("app", state="restarting", health="", exit_code=1, restarts=5)
    (found,) = findings(
        containers=[app], actuator=["public 503"],
        logs="=== tt-app-1\nstarting\njava.lang.IllegalStateException: Exception: no\nbye",
    )  # fmt: skip
    assert (found.cause, found.confidence) == ("container-crashes", Confidence.CERTAIN)
    assert "java.lang.IllegalStateException: Exception: no" in found.evidence
    assert found.remedy.command == "docker compose -p tt logs --tail 100 app"


def test_one_that_happens_to_run_between_two_deaths_is_told_as_well() -> None:
    died = "1795646700|die|grafana|tt-grafana-1|1"
    starting = container("grafana", health="starting")
    (found,) = findings(containers=[container("app"), starting], events=[died, died])
    assert (found.cause, found.confidence) == ("container-crashes", Confidence.LIKELY)
    for events in ([died], [died.replace("|1", "|143")] * 2, [died.replace("die", "start")] * 2):
        assert causes(containers=[container("app"), starting], events=events) == []


def test_a_release_that_says_that_it_is_not_healthy_is_told_with_what_it_says() -> None:
    body = '{"components":{"application":{"status":"DOWN"},"db":{"status":"UP"}}}'
    (found,) = findings(
        containers=[container("app", health="unhealthy")],
        actuator=["public 503", f"tt-app-1 503 {body}"],
    )
    assert (found.cause, found.confidence) == ("release-unhealthy", Confidence.CERTAIN)
    assert found.summary.endswith("not healthy: application.")


def test_one_that_answers_badly_without_a_reason_is_told_so() -> None:
    (found,) = findings(actuator=["public 500", "tt-app-1 500 oops", "tt-app-9 500 gone"])
    assert (found.confidence, "no reason" in found.summary) == (Confidence.LIKELY, True)


def test_an_application_that_is_down_for_its_stores_alone_is_their_matter() -> None:
    body = '{"components":{"redis":{"status":"DOWN"}}}'
    assert causes(actuator=["public 503", f"tt-app-1 503 {body}"]) == []


@pytest.mark.parametrize(
    ("log", "health", "cause", "action"),
    [
        ("starting", "starting", "slow-start", None),
        ("ERROR no such bean", "starting", "container-unhealthy", Action.RESTART),
        ("all is well", "healthy", "container-unhealthy", Action.RESTART),
    ],
)
def test_a_silent_application_is_slow_or_broken(
    log: str, health: str, cause: str, action: Action | None
) -> None:
    app = container("app", health=health, started=UP_7_SECONDS)
    (found,) = findings(
        containers=[app], actuator=["public 503", "tt-app-1 000"], logs=f"=== tt-app-1\n{log}"
    )
    assert (found.cause, found.remedy.action) == (cause, action)
    assert found.summary.endswith("after 7 s.")
    assert found.confidence is (Confidence.LIKELY if action else Confidence.POSSIBLE)


def test_an_application_that_is_silent_for_long_is_likely_to_stay_so() -> None:
    app = container("app", health="starting", started="2026-11-25T22:00:00")
    (found,) = findings(containers=[app], actuator=["tt-app-1 000"])
    assert found.confidence is Confidence.LIKELY


def test_a_start_that_does_not_read_counts_as_now() -> None:
    app = container("app", health="starting", started="yesterday")
    (found,) = findings(containers=[app], actuator=["tt-app-1 000"])
    assert "after 0 s" in found.summary


def test_a_stopped_container_may_be_started() -> None:
    (found,) = findings(containers=[container("app"), container("grafana", state="exited")])
    assert (found.cause, found.remedy.action) == ("container-stopped", Action.RESTART)
    assert found.remedy.container == "tt-grafana-1"


@pytest.mark.parametrize("code", [0, 1])
def test_of_the_initialisation_only_its_work_counts(code: int) -> None:
    init = container("redis-cluster-init", state="exited", health="", exit_code=code)
    assert causes(containers=[container("app"), init]) == []


def test_a_service_without_a_container_is_told_but_not_on_an_empty_host() -> None:
    (found,) = findings(compose=["service grafana"])
    assert (found.cause, found.remedy.action) == ("container-stopped", None)
    assert causes(compose=["service grafana"], containers=[], actuator=["public 000"]) == []


def test_a_container_that_fails_its_health_check_may_be_restarted() -> None:
    (found,) = findings(containers=[container("app"), container("grafana", health="unhealthy")])
    assert (found.cause, found.remedy.action) == ("container-unhealthy", Action.RESTART)


def test_a_gateway_that_serves_nobody_is_told() -> None:
    (found,) = findings(actuator=["public 503", "tt-app-1 200 {}"])
    assert found.cause == "nothing-serves"
    assert causes(actuator=["tt-app-1 200 {}"]) == []


@pytest.mark.parametrize(
    ("body", "down"),
    [
        ('{"components":{"b":{"status":"DOWN"},"a":{"status":"OUT"},"c":{"status":"UP"}}}', "ab"),
        ("{}", ""),
        ("[]", ""),
        ("not json", ""),
        ('{"components":{"a":"x"}}', ""),
        ("[" * 100_000, ""),
    ],
)
def test_what_is_down_is_read_if_it_reads(body: str, down: str) -> None:
    assert components_down(body) == list(down)
