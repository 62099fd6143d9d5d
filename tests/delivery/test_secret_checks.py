"""What a host's token opens, told apart by what one has to do about it."""

from typing import Any

import pytest

from delivery.checks import Check, Level
from delivery.needs import Needs, SourceFiles, needs_of
from delivery.preflight_facts import PreflightHost, RegistrySight, TokenSight
from delivery.secret_checks import (
    doppler_check,
    registry_checks,
    schema_check,
    token_checks,
    variable_checks,
)
from tests.scripted_hosts import preflight_facts

PATH = "/etc/tt-secrets/doppler-token"


def token(**changes: Any) -> list[Check]:
    sight = TokenSight.model_validate({**preflight_facts()["token"], **changes})
    return list(token_checks("h", sight, PATH))


@pytest.mark.parametrize(
    ("changes", "name", "level", "word"),
    [
        ({}, "token file", Level.PASS, "mode 400"),
        ({"mode": "600"}, "token file", Level.WARN, "600 instead of 400"),
        ({"mode": "644"}, "token file", Level.FAIL, "others than root can read it"),
        ({"owner": 1000}, "token file", Level.FAIL, "belongs to user 1000"),
        ({"exists": False}, "token file", Level.FAIL, "does not exist"),
        ({"returns": 1}, "token text", Level.WARN, "carriage return"),
        ({"newlines": 2}, "token text", Level.WARN, "empty lines"),
        ({"plain": False}, "token text", Level.FAIL, "more than a token"),
    ],
)
def test_the_token_file(changes: Any, name: str, level: Level, word: str) -> None:
    check = token(**changes)[-1]
    assert (check.name, check.level) == (name, level)
    assert word in check.evidence
    assert level is Level.PASS or PATH in check.remedy


def host(secrets: Any, *, accepted: bool = True) -> PreflightHost:
    changed = {"secrets": secrets, "identity": {"accepted": accepted}}
    return PreflightHost.model_validate({"ok": True, "step": "x", **preflight_facts(), **changed})


@pytest.mark.parametrize(
    ("secrets", "accepted", "words"),
    [
        ({"state": "refused", "said": "Invalid Auth token"}, False, "expired or was revoked"),
        (
            {"state": "refused", "said": "This token does not have access to requested project"},
            True,
            "valid, but not for tt/prd",
        ),
        ({"state": "refused", "said": "Forbidden"}, True, "scope does not let it read"),
        ({"state": "silent", "said": "i/o timeout"}, False, "does not answer: i/o timeout"),
        ({"state": "no token"}, False, "no token to ask with"),
        (None, False, "could not be seen"),
    ],
)
def test_why_doppler_gives_nothing_is_told_apart(secrets: Any, accepted: bool, words: str) -> None:
    check = doppler_check("h", host(secrets, accepted=accepted), "tt", "prd", path="/etc/token")
    assert check.level is Level.FAIL
    assert words in check.evidence
    assert check.remedy
    if not secrets or secrets["state"] == "no token":
        assert "< /etc/token) doppler me" in check.remedy


def test_an_accepted_token_is_told_by_what_it_sees() -> None:
    check = doppler_check("h", host(preflight_facts()["secrets"]), "tt", "prd", path="/etc/token")
    assert (check.level, check.evidence) == (Level.PASS, "2 names in tt/prd")


def needs(compose: str = "", **fields: Any) -> Needs:
    text = compose or "services: {app: {environment: {A: '${A:?a}', B: $B, C: '${C:-c}'}}}"
    return needs_of(SourceFiles("compose.yml", text, "app", **fields))


def variables(filled: str, empty: str = "", found: Needs | None = None) -> list[Check]:
    names = frozenset(filled.split()), frozenset(empty.split())
    return list(variable_checks("h", found or needs(), *names, "--project tt --config prd"))


def test_a_missing_required_variable_fails_and_is_named_with_its_file() -> None:
    (check,) = variables("B GITHUB_TOKEN")
    assert (check.level, check.evidence) == (
        Level.FAIL,
        "Doppler has no value for A (for compose.yml)",
    )
    assert check.remedy.startswith("doppler secrets set A --project tt --config prd")


def test_a_value_that_is_empty_is_none_where_the_file_says_so() -> None:
    assert [c.level for c in variables("B GITHUB_TOKEN", "A")] == [Level.FAIL]


def test_an_optional_one_is_not_missed_and_a_plain_one_warns() -> None:
    assert [c.level for c in variables("A B GITHUB_TOKEN")] == [Level.PASS]
    passed, warned = variables("A GITHUB_TOKEN")
    assert (passed.level, warned.level) == (Level.PASS, Level.WARN)
    assert warned.evidence.startswith("B:")


def test_what_the_application_is_not_handed_is_a_warning() -> None:
    asked = needs(application={"application.yml": "x: ${SOMETHING}"})
    check = variables("A B GITHUB_TOKEN", found=asked)[-1]
    assert (check.name, check.level) == ("variables not handed on", Level.WARN)
    assert "SOMETHING" in check.evidence


@pytest.mark.parametrize(
    ("registry", "failing", "word"),
    [
        ({"login": "ok", "pull": 200}, None, ""),
        ({"login": "ok", "pull": 404}, None, ""),
        ({"login": "ok", "pull": 403}, "registry pull", "403"),
        ({"login": "ok", "pull": 0}, "registry pull", "nothing"),
        ({"login": "refused", "said": "unauthorized"}, "registry login", "unauthorized"),
        ({"login": "silent", "said": "timeout"}, "registry login", "does not answer"),
        ({"login": "no token"}, "registry login", "no GITHUB_TOKEN"),
    ],
)
def test_the_registry_login(registry: Any, failing: str | None, word: str) -> None:
    sight = RegistrySight.model_validate(registry)
    checks = list(registry_checks("h", sight, "ghcr.io/tt/app", "tt-bot"))
    failed = [check for check in checks if check.level is Level.FAIL]
    assert [check.name for check in failed] == ([failing] if failing else [])
    assert all(word in check.evidence for check in failed)


HAZARD = {"DDL_AUTO": "destructive"}
SAFE = {"DDL_AUTO": "safe"}


def schema(written: str, ddl: dict[str, str], tables: int | None = 7) -> Check:
    said = needs(f"services: {{app: {{environment: {{DDL_AUTO: '{written}'}}}}}}")
    return schema_check("h", said, ddl, tables)


@pytest.mark.parametrize(
    ("written", "ddl", "level"),
    [
        ("${DDL_AUTO:?x}", SAFE, Level.PASS),
        ("${DDL_AUTO:?x}", HAZARD, Level.FAIL),
        ("${DDL_AUTO:-create}", {}, Level.FAIL),
        ("${DDL_AUTO:-create-drop}", SAFE, Level.PASS),
        ("${DDL_AUTO}", {}, Level.PASS),
        ("Create_Drop", {}, Level.FAIL),
        ("validate", HAZARD, Level.PASS),
    ],
)
def test_creating_the_schema_where_there_are_tables_is_refused(
    written: str, ddl: dict[str, str], level: Level
) -> None:
    assert schema(written, ddl).level is level


def test_on_an_empty_database_it_is_a_warning() -> None:
    check = schema("${DDL_AUTO:?x}", HAZARD, tables=0)
    assert check.level is Level.WARN
    assert "'validate'" in check.remedy


@pytest.mark.parametrize("tables", [-1, None])
def test_a_database_that_cannot_be_asked_may_have_tables(tables: int | None) -> None:
    check = schema("${DDL_AUTO:?x}", HAZARD, tables)
    assert (check.level, "could not be asked" in check.evidence) == (Level.FAIL, True)


def test_without_the_revisions_files_the_variables_alone_are_judged() -> None:
    assert schema_check("h", None, HAZARD, 3).level is Level.FAIL
    assert schema_check("h", None, SAFE, 3).level is Level.PASS


def test_a_literal_names_the_file_instead_of_a_variable() -> None:
    assert "the compose file has Hibernate create" in schema("create", {}).evidence
