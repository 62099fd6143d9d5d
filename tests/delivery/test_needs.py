"""What a revision needs, derived from its own files."""

from pathlib import Path
from typing import Any

import pytest

from delivery.errors import ConfigurationError
from delivery.interpolation import Kind
from delivery.needs import Needs, SourceFiles, needs_of

STACK = Path(__file__).parents[2] / "stack"


def needs(compose: str, **fields: Any) -> Needs:
    return needs_of(SourceFiles("compose.yml", compose, "app", **fields))


def required(found: Needs, filled: str = "GITHUB_TOKEN") -> dict[str, list[str]]:
    return found.missing(frozenset(filled.split()), frozenset(), Kind.REQUIRED)


def test_the_real_stack_needs_what_its_example_file_calls_required() -> None:
    path, template = "docker/docker-compose.yml", "monitoring/alertmanager/alertmanager.yml"
    found = needs_of(
        SourceFiles(
            path, (STACK / path).read_text(), "app", template, (STACK / template).read_text()
        )
    )
    example = (STACK / "docker" / ".env.example").read_text().splitlines()
    listed = {line.removesuffix("=") for line in example if line.endswith("=") and line[0] != "#"}
    asked = {name for names in required(found, "").values() for name in names}
    assert asked == listed - {"APP_IMAGE", "ALERTMANAGER_CONFIG"}
    optional = {line[1:].partition("=")[0] for line in example if line[:1] == "#" and "=" in line}
    assert found.names - asked <= optional
    assert {8080, 5432, 9090} <= set(found.ports)
    assert found.not_handed == []
    assert len(found.ddl) == 1


def test_what_is_missing_is_told_by_the_file_that_asks() -> None:
    found = needs(
        "services: {app: {image: '${IMAGE:?which}'}}",
        template_path="alerts.yml",
        template="url: ${HOOK}\n# {{ $labels }} is Alertmanager's own\n",
    )
    assert required(found, "") == {
        "compose.yml": ["IMAGE"],
        "alerts.yml": ["HOOK"],
        "the registry login": ["GITHUB_TOKEN"],
    }


def test_comments_ask_for_nothing_and_what_the_deploy_gives_is_not_asked_of_doppler() -> None:
    found = needs("# ${GONE:?x}\nservices: {app: {image: '${APP_IMAGE:?the deploy}'}}")
    assert required(found) == {}
    assert found.names == {"GITHUB_TOKEN"}


def test_secrets_and_configs_from_the_environment_are_required() -> None:
    text = """
services: {app: {}}
secrets: {db: {environment: DB_PASSWORD}, file: {file: ./x}}
configs: {one: {environment: ONE}}
"""
    assert required(needs(text)) == {"compose.yml": ["DB_PASSWORD", "ONE"]}


@pytest.mark.parametrize("environment", ["{HANDED: , SET: x}", "[HANDED, SET=x]"])
def test_a_variable_that_is_handed_through_should_be_there(environment: str) -> None:
    found = needs(f"services: {{app: {{environment: {environment}}}}}")
    plain = found.missing(frozenset(), frozenset(), Kind.PLAIN)
    assert plain == {"compose.yml": ["HANDED"]}
    assert found.handed == {"HANDED", "SET"}


def test_a_variable_in_a_default_counts_among_the_names() -> None:
    assert needs("x: ${A:-$B}").names == {"A", "B", "GITHUB_TOKEN"}


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ('["8080:80"]', (8080,)),
        ('["${IP:-0.0.0.0}:8080:80/tcp", "127.0.0.1:53:53/udp"]', (8080,)),
        ('["80", "127.0.0.1::80"]', ()),
        ('["7000-7002:7000-7002"]', (7000, 7001, 7002)),
        ("[{target: 80, published: '8081'}, {target: 81, protocol: udp, published: 1}]", (8081,)),
        ("[{target: 80}]", ()),
        ('["[::1]:90:90"]', (90,)),
    ],
)
def test_published_ports_are_read_in_every_form(ports: str, expected: tuple[int, ...]) -> None:
    assert needs(f"services: {{web: {{ports: {ports}}}}}").ports == expected


def test_composes_own_tags_are_read_as_what_they_tag() -> None:
    text = "services: {app: {ports: !override ['1:1'], environment: !reset {A: b}, image: !x y}}"
    found = needs(text)
    assert found.ports == (1,)
    assert found.handed == {"A"}


def test_the_application_asks_for_what_has_no_default_in_its_own_files() -> None:
    files = {
        "src/main/resources/application.yml": "a: ${ASKED}\nb: ${OWN:x}\n# ${GONE}\nc: ${app.x}\n",
        "src/main/resources/application-prod.yml": "d: ${PROD}\n",
        "src/main/resources/application-test.yml": "e: ${TEST}\n",
    }
    app = "{environment: {SPRING_PROFILES_ACTIVE: 'prod, blue', PROD: '1'}}"
    found = needs(f"services: {{app: {app}}}", application=files)
    assert found.not_handed == ["ASKED"]
    handed_by_file = "{env_file: .env, environment: {SPRING_PROFILES_ACTIVE: prod}}"
    assert needs(f"services: {{app: {handed_by_file}}}", application=files).not_handed == []


def test_the_environment_has_the_last_word_on_the_schema() -> None:
    files = {"application.yml": "jpa:\n  hibernate:\n    ddl-auto: ${DDL_AUTO:create}\n"}
    assert needs("services: {app: {}}", application=files).ddl == ("${DDL_AUTO:-create}",)
    said = "{environment: {SPRING_JPA_HIBERNATE_DDL_AUTO: validate, DDL_AUTO: }}"
    found = needs(f"services: {{app: {said}}}", application=files)
    assert found.ddl == ("validate", "${DDL_AUTO}")


@pytest.mark.parametrize("text", ["a: [", "- a list", "a: b: c"])
def test_a_compose_file_that_does_not_read_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        needs(text)
    assert refused.value.where.startswith("compose.yml")


def test_a_file_without_services_needs_the_login_alone() -> None:
    assert needs("services: none").names == {"GITHUB_TOKEN"}
    assert needs("services: {app: }").services == ("app",)
