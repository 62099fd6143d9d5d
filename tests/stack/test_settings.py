"""Settings of the stack that no program would complain about if they were lost: each, exactly."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.stack.files import MONITORING, STACK, Service, compose, read_yaml, services

REDIS = {
    "cluster-enabled": "yes",
    "cluster-config-file": "nodes.conf",
    "cluster-node-timeout": "5000",
    "cluster-require-full-coverage": "no",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "900 1 300 10 60 10000",
    "maxmemory-policy": "noeviction",
}
NODES = ",".join(f"redis-node-{n}:{6999 + n}" for n in range(1, 7))
APPLICATION = {
    "SPRING_PROFILES_ACTIVE": "prod",
    "POSTGRES_HOST": "postgres",
    "POSTGRES_PORT": "5432",
    "POSTGRES_DB": "<POSTGRES_DB>",
    "POSTGRES_USER": "<POSTGRES_USER>",
    "POSTGRES_PASSWORD": "<POSTGRES_PASSWORD>",
    "SPRING_DATASOURCE_URL": "jdbc:postgresql://postgres:5432/<POSTGRES_DB>",
    "SPRING_DATASOURCE_USERNAME": "<POSTGRES_USER>",
    "SPRING_DATASOURCE_PASSWORD": "<POSTGRES_PASSWORD>",
    "SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE": "${HIKARI_MAXIMUM_POOL_SIZE:-10}",
    "DDL_AUTO": "<DDL_AUTO>",
    "SPRING_JPA_HIBERNATE_DDL_AUTO": "<DDL_AUTO>",
    "REDIS_MODE": "cluster",
    "REDIS_CLUSTER_NODES": NODES,
    "REDIS_PASSWORD": "<REDIS_PASSWORD>",
    "SPRING_DATA_REDIS_CLUSTER_NODES": NODES,
    "SPRING_DATA_REDIS_PASSWORD": "<REDIS_PASSWORD>",
    "SPRING_DATA_REDIS_LETTUCE_CLUSTER_REFRESH_ADAPTIVE": "true",
    "SPRING_DATA_REDIS_LETTUCE_CLUSTER_REFRESH_PERIOD": "30s",
    "MAIL_HOST": "<MAIL_HOST>",
    "MAIL_PORT": "<MAIL_PORT>",
    "MAIL_USERNAME": "<MAIL_USERNAME>",
    "MAIL_PASSWORD": "<MAIL_PASSWORD>",
    "SPRING_MAIL_HOST": "<MAIL_HOST>",
    "SPRING_MAIL_PORT": "<MAIL_PORT>",
    "SPRING_MAIL_USERNAME": "<MAIL_USERNAME>",
    "SPRING_MAIL_PASSWORD": "<MAIL_PASSWORD>",
    "AWS_REGION": "<AWS_REGION>",
    "AWS_S3_BUCKET": "<AWS_S3_BUCKET>",
    "JWT_SECRET": "<JWT_SECRET>",
    "JWT_ACCESS_EXPIRATION": "<JWT_ACCESS_EXPIRATION>",
    "JWT_REFRESH_EXPIRATION": "<JWT_REFRESH_EXPIRATION>",
    "KAKAO_CLIENT_ID": "<KAKAO_CLIENT_ID>",
    "KAKAO_CLIENT_SECRET": "<KAKAO_CLIENT_SECRET>",
    "KAKAO_ISSUER": "<KAKAO_ISSUER>",
    "KAKAO_REDIRECT_URI": "<KAKAO_REDIRECT_URI>",
    "KAKAO_TOKEN_URI": "<KAKAO_TOKEN_URI>",
    "KAKAO_USER_INFO_URI": "<KAKAO_USER_INFO_URI>",
    "SLACK_WEBHOOK_AUTH": "<SLACK_WEBHOOK_AUTH>",
    "SERVER_SHUTDOWN": "graceful",
    "SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE": "30s",
    "MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE": "health,info,prometheus",
    "MANAGEMENT_ENDPOINT_HEALTH_PROBES_ENABLED": "true",
    "MANAGEMENT_ENDPOINT_HEALTH_SHOWCOMPONENTS": "always",
    "SERVER_TOMCAT_MBEANREGISTRY_ENABLED": "true",
    "MANAGEMENT_METRICS_DISTRIBUTION_PERCENTILESHISTOGRAM_HTTP_SERVER_REQUESTS": "true",
}
"""What the application reads; `<NAME>` is a variable that is demanded."""
PROMETHEUS = {
    "--config.file=/etc/prometheus/prometheus.yml",
    "--storage.tsdb.path=/prometheus",
    "--storage.tsdb.retention.time=15d",
    "--web.enable-lifecycle",
    "--web.enable-remote-write-receiver",
    "--web.external-url=${PROMETHEUS_EXTERNAL_URL:-http://localhost:9090}",
}
SCRAPED = {
    "tt-backend": ("/actuator/prometheus", ["app:8080"]),
    "gateway": ("/metrics", ["gateway:8404"]),
    "postgres": ("/metrics", ["postgres-exporter:9187"]),
    "redis": ("/scrape", NODES.split(",")),
    "redis-exporter": ("/metrics", ["redis-exporter:9121"]),
    "alertmanager": ("/metrics", ["alertmanager:9093"]),
    "prometheus": ("/metrics", ["localhost:9090"]),
}
"""Where each job finds what, and whom it asks."""
REDIS_FILES = "./redis:/usr/local/etc/redis:ro"
MOUNTED = {
    "postgres": {"postgres_data:/var/lib/postgresql/data"},
    **{f"redis-node-{n}": {REDIS_FILES, f"redis-node-{n}-data:/data"} for n in range(1, 7)},
    "redis-cluster-init": {REDIS_FILES},
    "gateway": {
        "./gateway:/usr/local/etc/gateway:ro",
        "${GATEWAY_STATE:-/var/lib/tt-deploy/gateway}:/var/lib/gateway:ro",
    },
    "prometheus": {
        "../monitoring/prometheus:/etc/prometheus:ro",
        "prometheus_data:/prometheus",
    },
    "alertmanager": {
        "../monitoring/alertmanager/templates:/etc/alertmanager-templates:ro",
        "alertmanager_data:/alertmanager",
    },
    "grafana": {
        "../monitoring/grafana/provisioning:/etc/grafana/provisioning:ro",
        "../monitoring/grafana/dashboards:/var/lib/grafana/dashboards:ro",
        "grafana_data:/var/lib/grafana",
    },
}
TO_THE_WORLD = {
    "${APP_BIND_ADDRESS:-0.0.0.0}:8080:8080",
    "${GRAFANA_BIND_ADDRESS:-0.0.0.0}:3001:3000",
}
PROMETHEUS_FILE = read_yaml(MONITORING / "prometheus" / "prometheus.yml")


def demanded(text: str) -> str:
    """A setting with `<NAME>` for each variable that Compose demands."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", r"<\1>", text)


def test_redis_keeps_what_it_is_told_in_a_log_and_in_snapshots_and_evicts_nothing() -> None:
    lines = (STACK / "docker" / "redis" / "redis.conf").read_text().splitlines()
    settings = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert [name for name, _ in settings] == list(REDIS)
    assert dict(settings) == REDIS


def test_the_application_reads_exactly_these_variables() -> None:
    environment = services()["app"]["environment"]
    assert {name: demanded(value) for name, value in environment.items()} == APPLICATION


@pytest.mark.parametrize("number", range(1, 7))
def test_each_redis_node_listens_on_its_own_port_with_its_own_limit(number: int) -> None:
    environment = services()[f"redis-node-{number}"]["environment"]
    assert environment["NODE_PORT"] == str(6999 + number)
    assert environment["REDIS_MAXMEMORY"] == "${REDIS_MAXMEMORY:-192mb}"


def test_postgres_makes_its_database_in_utf_8_with_the_password_from_a_file() -> None:
    environment = services()["postgres"]["environment"]
    assert {name: demanded(value) for name, value in environment.items()} == {
        "POSTGRES_USER": "<POSTGRES_USER>",
        "POSTGRES_DB": "<POSTGRES_DB>",
        "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres_password",
        "POSTGRES_INITDB_ARGS": "--encoding=UTF8",
    }


def test_prometheus_keeps_fifteen_days_and_takes_reloads_and_receipts() -> None:
    assert set(services()["prometheus"]["command"]) == PROMETHEUS
    assert len(services()["prometheus"]["command"]) == len(PROMETHEUS)


def asked(job: dict[str, Any]) -> tuple[str, list[str]]:
    found = [target for each in job.get("static_configs", []) for target in each["targets"]]
    names = [f"{n}:{each['port']}" for each in job.get("dns_sd_configs", []) for n in each["names"]]
    return job.get("metrics_path", "/metrics"), found + names


def test_prometheus_scrapes_every_part_of_the_stack() -> None:
    found = {job["job_name"]: asked(job) for job in PROMETHEUS_FILE["scrape_configs"]}
    assert found == SCRAPED


def test_prometheus_reads_every_rule_file_and_tells_alertmanager() -> None:
    assert PROMETHEUS_FILE["rule_files"] == ["rules/*.yml"]
    (receiver,) = PROMETHEUS_FILE["alerting"]["alertmanagers"]
    assert receiver == {"static_configs": [{"targets": ["alertmanager:9093"]}]}


def test_each_service_mounts_its_own_files_and_volumes() -> None:
    found = {
        name: set(service["volumes"])
        for name, service in services().items()
        if service.get("volumes")
    }
    assert found == MOUNTED


def test_every_volume_is_mounted_once_where_data_must_outlive_its_container() -> None:
    mounted = [mount.partition(":")[0] for each in MOUNTED.values() for mount in each]
    assert all(mounted.count(volume) == 1 for volume in compose()["volumes"])


@pytest.mark.parametrize("name", sorted(services()))
def test_logs_end_at_fifty_megabytes(name: str) -> None:
    logging = services()[name]["logging"]
    assert logging == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


def ports(service: Service) -> list[str]:
    found: list[str] = service.get("ports", [])
    return found


def test_nothing_but_the_application_and_grafana_is_published_to_the_world() -> None:
    published = {port for service in services().values() for port in ports(service)}
    assert TO_THE_WORLD <= published
    for port in published - TO_THE_WORLD:
        assert re.match(r"\$\{(DATA|MONITORING)_BIND_ADDRESS:-127\.0\.0\.1\}:\d+:\d+$", port), port
