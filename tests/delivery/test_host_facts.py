import pytest

from delivery.host_facts import (
    Actuator,
    ContainerFacts,
    Disk,
    Event,
    RedisNode,
    TokenFile,
    actuators,
    compose_view,
    disks,
    events,
    keyed,
    last_failure,
    log_of,
    number,
    redis_nodes,
    token_file,
)
from tests.delivery.facts import container, facts


def test_disks_read_and_half_a_line_is_passed_over() -> None:
    given = facts(disks=["/bound|8000|20|500|400", "/disk|8000|20|500|400", "/|80"])
    assert disks(given) == [Disk("/disk", 8000, 20, 500, 400)]


def test_events_read() -> None:
    given = facts(events=["1795646700|health_status: unhealthy|app|tt-app-1|", "gibberish"])
    assert events(given) == [Event(1795646700, "health_status: unhealthy", "app", "tt-app-1", "")]


def test_redis_nodes_read_whether_they_answer_or_not() -> None:
    said = (
        "node redis-node-1\ncluster_state:ok\ncluster_slots_assigned:16384\n"
        "cluster_slots_ok:16384\ncluster_known_nodes:6\nrole:slave\nmaster_link_status:up\n"
        "node redis-node-2\nCould not connect to Redis at redis-node-2:7001: Connection refused\n"
        "node redis-node-3\n"
        "member 0a1b2c3d 172.16.77.11:7000@17000 master - connected 0-5460"
    )
    nodes = redis_nodes(facts(redis=said))
    assert nodes[0] == RedisNode("redis-node-1", "ok", 16384, 6, "slave", "up")
    assert nodes[0].in_words.endswith("knows 6 node(s), slave, link to its master up")
    assert "Connection refused" in nodes[1].in_words
    assert nodes[2].in_words == "redis-node-3: does not answer"
    assert redis_nodes(facts(redis="")) == []


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ("no\n", TokenFile(there=False)),
        ("yes|400|root|41|no|no", TokenFile(True, "400", "root", 41)),
        ("yes|644|ubuntu|43|yes|yes", TokenFile(True, "644", "ubuntu", 43, True, True)),
        ("", None),
        ("maybe|400|root|41|no|no", None),
    ],
)
def test_the_token_file_reads(said: str, stands: TokenFile | None) -> None:
    assert token_file(facts(token=said)) == stands


def test_the_last_failure_reads_with_its_log() -> None:
    kept = last_failure(facts(last_failure="1795646768 pull\nlogin refused\nline 1\nline 2"))
    assert kept is not None
    assert (kept.at, kept.step, kept.failed, kept.tail) == (
        1795646768, "pull", "login refused", "line 1\nline 2",
    )  # fmt: skip
    assert last_failure(facts(last_failure="")) is None


def test_the_actuators_answers_read() -> None:
    said = ["public 503", 'tt-app-1 200 {"status": "UP"}', "half"]
    assert actuators(facts(actuator=said)) == [
        Actuator("public", 503),
        Actuator("tt-app-1", 200, '{"status": "UP"}'),
    ]


def test_composes_view_reads() -> None:
    view = compose_view(facts(compose=["service grafana", "image prom/prometheus:v1", "odd"]))
    assert (view.error, view.without_container, view.without_image) == (
        "", ["grafana"], ["prom/prometheus:v1"],
    )  # fmt: skip
    assert compose_view(facts(compose=["error required variable X"])).error == (
        "required variable X"
    )


def test_a_log_is_found_by_its_container() -> None:
    given = facts(logs="=== tt-app-1\none\n\ntwo\n=== tt-app-11\nthree")
    assert log_of(given, "tt-app-1") == ["one", "two"]
    assert log_of(given, "tt-app-11") == ["three"]
    assert log_of(given, "tt-app-2") == []


def test_a_container_is_told_in_words() -> None:
    dead = ContainerFacts.model_validate(
        container(
            "app",
            state="restarting",
            health="unhealthy",
            exit_code=1,
            oom=True,
            restarts=4,
            error="no such file",
        )
    )
    assert dead.in_words == (
        "tt-app-1: restarting, unhealthy, exit code 1, OOM-killed, restarted 4 times, no such file"
    )
    assert ContainerFacts(service="x", name="x").in_words == "x: unknown"


@pytest.mark.parametrize(
    ("state", "health", "well"),
    [
        ("running", "healthy", True),
        ("running", "", True),
        ("running", "starting", False),
        ("exited", "", False),
    ],
)
def test_a_container_is_well_if_it_runs_and_says_nothing_else(
    state: str, health: str, well: bool
) -> None:
    assert ContainerFacts(service="x", name="x", state=state, health=health).well is well


def test_no_secret_passes_the_door() -> None:
    secret = "dp.st.prd." + "a" * 30
    given = facts(doppler=secret, logs=secret, compose=[secret],
                  containers=[container("app", error=secret)])  # fmt: skip
    assert secret not in given.model_dump_json()


def test_lines_are_split_once_and_those_without_a_separator_are_passed_over() -> None:
    assert list(keyed(["a b c", "d", "e|f"])) == [("a", "b c")]
    assert list(keyed(["e|f"], "|")) == [("e", "f")]


@pytest.mark.parametrize(
    ("text", "value"), [(" 12 ", 12), ("", 0), ("-1", 0), ("1.5", 0), ("²", 0), ("9" * 5000, 0)]
)
def test_a_number_that_is_none_counts_as_nothing(text: str, value: int) -> None:
    assert number(text) == value
