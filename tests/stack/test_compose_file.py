"""What the compose file promises, and would silently lose to a careless edit."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.stack.files import COMPOSE, EXAMPLE, Service, compose, services, strings, variables
from tools.stack_programs import environment

IMAGES = {
    "postgres": "postgres:16-alpine",
    **{f"redis-node-{n}": "redis:7-alpine" for n in range(1, 7)},
    "redis-cluster-init": "redis:7-alpine",
    "prometheus": "prom/prometheus:v3.8.1",
    "grafana": "grafana/grafana:12.3.0",
    "alertmanager": "prom/alertmanager:v0.30.0",
    "redis-exporter": "oliver006/redis_exporter:v1.80.1",
    "postgres-exporter": "prometheuscommunity/postgres-exporter:v0.15.0",
}
PORTS = {
    "postgres": "5432:5432",
    **{f"redis-node-{n}": f"{6999 + n}:{6999 + n}" for n in range(1, 7)},
    "prometheus": "9090:9090",
    "grafana": "3001:3000",
    "alertmanager": "9093:9093",
    "redis-exporter": "9121:9121",
    "postgres-exporter": "9187:9187",
    "gateway": "8080:8080",
}
PUBLIC = {"grafana", "gateway"}
VOLUMES = {
    "postgres_data",
    *(f"redis-node-{n}-data" for n in range(1, 7)),
    "prometheus_data",
    "grafana_data",
    "alertmanager_data",
}
SECRETS = (
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "MAIL_PASSWORD",
    "JWT_SECRET",
    "KAKAO_CLIENT_SECRET",
    "SLACK_WEBHOOK_AUTH",
    "GRAFANA_PASSWORD",
)


def named(*, required: bool) -> set[str]:
    pattern = r"^([A-Z0-9_]+)=$" if required else r"^#([A-Z0-9_]+)="
    return set(re.findall(pattern, EXAMPLE.read_text(), re.MULTILINE))


GIVEN = dict.fromkeys(named(required=True) - {"GITHUB_TOKEN"}, "x")
"""A value for all that Compose demands."""
ALL = sorted(services())
LONG_LIVED = [name for name in ALL if name != "redis-cluster-init"]


class Compose:
    """Docker Compose, asked what it makes of the file with these values."""

    def __init__(self, programs: dict[str, str]) -> None:
        self.paths = {n: programs[n] for n in ("PATH", "LD_LIBRARY_PATH", "DOCKER_CONFIG")}

    def config(self, values: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
        """A run of `docker compose config`."""
        command = ("docker", "compose", "--env-file", os.devnull, "--file", COMPOSE, "config")
        return subprocess.run(
            [*command, *options],
            env={**values, **self.paths},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def hashes(self, **values: str) -> set[str]:
        """`service hash` of every definition."""
        done = self.config({**GIVEN, **values}, "--hash", "*")
        assert done.returncode == 0, done.stderr
        return set(done.stdout.splitlines())


@pytest.fixture(scope="module")
def read() -> Compose:
    return Compose(environment(os.environ))


def used() -> dict[str, str]:
    secrets = {secret["environment"]: "" for secret in compose()["secrets"].values()}
    return {**secrets, **variables("\n".join(strings(compose())))}


@pytest.mark.parametrize("name", IMAGES)
def test_each_image_is_the_agreed_one_unless_a_variable_says_otherwise(name: str) -> None:
    image = services()[name]["image"]
    assert re.fullmatch(r"\$\{[A-Z_]+_IMAGE:-" + re.escape(IMAGES[name]) + r"\}", image)


def test_the_application_has_no_image_until_a_release_gives_it_one() -> None:
    assert variables(services()["app"]["image"])["APP_IMAGE"].startswith(":?")


@pytest.mark.parametrize("name", PORTS)
def test_each_service_is_published_at_the_agreed_port(name: str) -> None:
    assert any(port.endswith(f":{PORTS[name]}") for port in services()[name]["ports"])


@pytest.mark.parametrize("name", sorted(set(PORTS) - PUBLIC))
def test_what_need_not_be_public_is_published_on_loopback(name: str) -> None:
    for port in services()[name]["ports"]:
        assert re.match(r"\$\{(DATA|MONITORING)_BIND_ADDRESS:-127\.0\.0\.1\}:", port), port


def test_every_port_is_bound_to_an_address_by_a_variable() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert all(re.match(r"\$\{[A-Z]+_BIND_ADDRESS:-", port) for port in ports)


def test_the_volumes_keep_their_names() -> None:
    assert set(compose()["volumes"]) == VOLUMES
    assert compose()["name"] == "tt"


def test_every_variable_is_named_in_the_example() -> None:
    assert set(used()) - named(required=True) - named(required=False) == set()


def test_the_example_names_nothing_that_is_not_used() -> None:
    not_composes = {"GITHUB_TOKEN"}
    assert (named(required=True) | named(required=False)) - set(used()) == not_composes


def test_the_example_agrees_with_the_compose_file_on_what_is_required() -> None:
    required = {name for name, rest in used().items() if rest.startswith(":?")}
    assert named(required=True) - {"GITHUB_TOKEN"} == required


def test_the_example_shows_the_defaults_of_the_compose_file() -> None:
    shown = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    defaults = {n: rest[2:] for n, rest in used().items() if rest.startswith(":-")}
    assert shown == defaults


def test_the_example_holds_no_value_of_a_required_variable() -> None:
    assert not re.findall(r"^[A-Z0-9_]+=.+$", EXAMPLE.read_text(), re.MULTILINE)


def test_what_compose_only_hands_on_as_a_secret_is_demanded_as_well() -> None:
    handed = {secret["environment"] for secret in compose()["secrets"].values()}
    demanded = {name for name, rest in used().items() if rest.startswith(":?")}
    assert handed - demanded == set()


@pytest.mark.parametrize("missing", sorted(GIVEN))
def test_compose_stops_with_the_name_of_what_is_missing(missing: str, read: Compose) -> None:
    done = read.config({name: GIVEN[name] for name in GIVEN if name != missing}, "--quiet")
    assert done.returncode != 0
    assert f"required variable {missing} is missing a value" in done.stderr


@pytest.mark.parametrize(
    ("password", "clients"),
    [
        ("POSTGRES_PASSWORD", {"app", "postgres-exporter"}),
        ("REDIS_PASSWORD", {"app", "redis-exporter"}),
    ],
)
def test_a_changed_password_changes_the_definitions_of_a_stores_clients_alone(
    read: Compose, password: str, clients: set[str]
) -> None:
    changed = read.hashes(**{password: "another"}) - read.hashes()
    assert {line.split()[0] for line in changed} == clients


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_has_a_default(secret: str) -> None:
    uses = re.findall(r"\$\{" + secret + r"([^}]*)\}", COMPOSE.read_text())
    assert all(use.startswith(":?") for use in uses)


@pytest.mark.parametrize("name", ALL)
def test_no_secret_stands_in_a_command_a_health_check_or_a_label(name: str) -> None:
    service = services()[name]
    visible = {key: service.get(key) for key in ("command", "entrypoint", "healthcheck", "labels")}
    text = "\n".join(strings(visible))
    assert not set(variables(text)) & set(SECRETS)
    assert not re.search(r"(?i)passw|secret_|\$\$\{?[A-Z_]*(TOKEN|SECRET)", text)


@pytest.mark.parametrize("name", ALL)
def test_each_container_is_confined(name: str) -> None:
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert "cap_add" not in service
    assert "privileged" not in service


@pytest.mark.parametrize("name", ALL)
def test_each_container_has_limits_and_logs_that_end(name: str) -> None:
    service = services()[name]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


@pytest.mark.parametrize("name", LONG_LIVED)
def test_what_runs_comes_back_after_a_crash(name: str) -> None:
    assert services()[name]["restart"] == "always"


def test_the_root_file_system_is_writable_only_where_compose_must_write_a_secret() -> None:
    writable = {name for name, service in services().items() if not service.get("read_only")}
    assert writable == {name for name, service in services().items() if service.get("secrets")}


@pytest.mark.parametrize("name", sorted(set(LONG_LIVED) - {"redis-exporter"}))
def test_each_health_check_notices_a_healthy_start_soon(name: str) -> None:
    check = services()[name]["healthcheck"]
    assert check["start_interval"] == "1s"
    assert check["start_period"] == "60s"


def test_postgres_is_asked_by_tcp_since_its_socket_answers_while_it_initialises() -> None:
    (_, command) = services()["postgres"]["healthcheck"]["test"]
    assert "pg_isready -q -h 127.0.0.1" in command


def test_the_application_is_asked_as_in_the_guide() -> None:
    assert services()["app"]["healthcheck"]["test"] == [
        "CMD",
        "wget",
        "--quiet",
        "--tries=1",
        "--spider",
        "http://localhost:8080/actuator/health",
    ]


def test_the_application_gets_longer_to_stop_than_it_takes() -> None:
    app = services()["app"]
    own = app["environment"]["SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE"]
    drain_seconds = 2
    assert seconds(app["stop_grace_period"]) > seconds(own) + drain_seconds


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_the_six_nodes_differ_in_port_address_and_volume_alone() -> None:
    def common(service: Service) -> Service:
        own = ("environment", "ports", "networks", "volumes")
        return {key: value for key, value in service.items() if key not in own}

    nodes = [services()[f"redis-node-{n}"] for n in range(1, 7)]
    assert all(common(node) == common(nodes[0]) for node in nodes)
    assert COMPOSE.read_text().count("redis:7-alpine") == 2  # the nodes, the initialisation


def test_each_redis_node_keeps_its_address() -> None:
    addresses = [
        services()[f"redis-node-{n}"]["networks"]["common"]["ipv4_address"] for n in range(1, 7)
    ]
    assert addresses == [f"${{NETWORK_PREFIX:-172.16.77}}.{10 + n}" for n in range(1, 7)]
    initialised = services()["redis-cluster-init"]["environment"]["REDIS_NODES"].split()
    assert initialised == [f"{a}:{7000 + n}" for n, a in enumerate(addresses)]


def test_things_start_in_the_order_of_health() -> None:
    found = services()
    stores = {f"redis-node-{n}" for n in range(1, 7)}
    assert set(found["redis-cluster-init"]["depends_on"]) == stores
    assert found["app"]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "redis-cluster-init": {"condition": "service_completed_successfully"},
    }
    for name in ("prometheus", "alertmanager", "redis-exporter", "postgres-exporter"):
        assert found[name]["depends_on"]["app"]["condition"] == "service_healthy"
    assert set(found["grafana"]["depends_on"]) == {"prometheus"}


@pytest.mark.parametrize(
    ("spring", "custom"),
    [
        ("SPRING_DATASOURCE_USERNAME", "POSTGRES_USER"),
        ("SPRING_DATASOURCE_PASSWORD", "POSTGRES_PASSWORD"),
        ("SPRING_JPA_HIBERNATE_DDL_AUTO", "DDL_AUTO"),
        ("SPRING_DATA_REDIS_CLUSTER_NODES", "REDIS_CLUSTER_NODES"),
        ("SPRING_DATA_REDIS_PASSWORD", "REDIS_PASSWORD"),
        *(
            (f"SPRING_MAIL_{key}", f"MAIL_{key}")
            for key in ("HOST", "PORT", "USERNAME", "PASSWORD")
        ),
    ],
)
def test_springs_own_key_and_the_custom_one_carry_one_value(spring: str, custom: str) -> None:
    environment = services()["app"]["environment"]
    assert environment[spring] == environment[custom]


def test_the_data_stores_are_reached_inside_the_network_alone() -> None:
    assert compose()["networks"]["common"]["driver"] == "bridge"
    assert list(compose()["networks"]) == ["common"]
