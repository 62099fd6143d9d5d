"""What a failed deploy said, once its release is gone."""

import json
from pathlib import Path

import pytest

from delivery.diagnosis_words import Told, causes_told, lines_told
from delivery.errors import HostScriptFailed
from delivery.findings import Confidence, Finding
from delivery.host_script import RESULT_MARK, HostAnswer, read_answer
from tests.delivery.facts import SCENE, facts

HOST = Path(__file__).parents[2] / "host"


def heard(message: str, last_words: str = "") -> list[Finding]:
    return list(causes_told(SCENE, Told("replace the release", message, last_words), None))


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("write /var/lib/docker/x: no space left on device", "disk-full"),
        ("java.lang.OutOfMemoryError: Java heap space", "out-of-memory"),
        ("Bind for 0.0.0.0:8080 failed: port is already allocated", "port-taken"),
        ("fatal: unable to access: Could not resolve host: github.example", "name-unresolved"),
        ("Doppler Error: Invalid Auth token", "doppler-refuses"),
        ("Doppler has no value for SLACK_WEBHOOK_AUTH", "variable-missing"),
        ("required variable MAIL_HOST is missing a value", "variable-missing"),
        ("the login to ghcr.io was refused; is GITHUB_TOKEN in Doppler", "registry-refuses"),
        ("Error: unauthorized: authentication required", "registry-refuses"),
        ("manifest unknown: manifest unknown", "image-missing"),
        (
            'failed to resolve reference "ghcr.io/a/b:v1": ghcr.io/a/b:v1: not found',
            "image-missing",
        ),
        ("Connection to postgres:5432 refused. Check that", "database-refuses"),
        ('FATAL: password authentication failed for user "tt"', "database-refuses"),
        ("CLUSTERDOWN Hash slot not served", "redis-not-initialised"),
    ],
)
def test_words_of_other_programs_point_to_causes(words: str, cause: str) -> None:
    (found,) = heard("The step failed.", f"before\n{words}\nafter")
    assert (found.cause, found.confidence) == (cause, Confidence.LIKELY)
    assert found.evidence == (words,)
    assert found.remedy.command


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("failed to fetch oauth token: unauthorized: authentication required", "registry-refuses"),
        (
            "error while interpolating services.app.environment.POSTGRES_PASSWORD: required "
            "variable POSTGRES_PASSWORD is missing a value: the password of the database user",
            "variable-missing",
        ),
        ("cat: /etc/tt-secrets/doppler-token: Permission denied", "token-file"),
        ("cat: /etc/tt-secrets/doppler-token: No such file or directory", "token-file"),
    ],
)
def test_a_cause_that_names_a_secret_is_found_in_what_the_redactor_leaves(
    words: str, cause: str
) -> None:
    line = RESULT_MARK + json.dumps({"ok": False, "step": "pull", "failed": words})
    with pytest.raises(HostScriptFailed) as failure:
        read_answer(HostAnswer, f"POSTGRES_PASSWORD=correct-horse\n{words}\n{line}", host="h")
    error = failure.value
    assert "correct-horse" not in error.last_words
    assert words in error.message
    (found,) = heard(error.message, error.last_words)
    assert found.cause == cause
    assert words in found.evidence


def test_words_that_nobody_knows_point_to_nothing() -> None:
    assert heard("The step failed.", "all is strange") == []


@pytest.mark.parametrize(
    ("message", "log", "cause", "confidence"),
    [
        ("tt-app-2 crashed while it started", "boom", "container-crashes", Confidence.CERTAIN),
        ("tt-app-2 crashed while it was watched", "ERROR x", "container-crashes",
         Confidence.CERTAIN),
        ("tt-app-2 stopped answering while it was watched", "", "container-crashes",
         Confidence.CERTAIN),
        ("7 of 20 requests failed at the gateway while tt-app-2 was watched (limit 5 %)", "",
         "release-unhealthy", Confidence.CERTAIN),
        ("tt-app-2 was not ready within 45 s; not UP: application", "", "release-unhealthy",
         Confidence.CERTAIN),
        ("tt-app-2 was not ready within 45 s; not UP: readiness", "starting slowly", "slow-start",
         Confidence.LIKELY),
        ("tt-app-2 was not ready within 45 s", "starting slowly", "slow-start", Confidence.LIKELY),
        ("tt-app-2 was not ready within 45 s; not UP: readiness", "Caused by: x",
         "release-unhealthy", Confidence.LIKELY),
        ("tt-app-2 was not ready within 45 s; not UP: readiness",
         "tt.Application started 1.2.0 in 1204 ms", "release-unhealthy", Confidence.LIKELY),
        ("tt-app-2 was not ready within 45 s; not UP: db redis", "", "database-refuses",
         Confidence.POSSIBLE),
        ("tt-app-2 was not ready within 45 s; not UP: redis", "", "redis-not-initialised",
         Confidence.POSSIBLE),
        ("The probe 'actuator' did not hold: HTTP 503, status DOWN (application, db not UP)", "",
         "release-unhealthy", Confidence.CERTAIN),
        ("The probe 'actuator' did not hold: HTTP 503, status DOWN (db not UP)", "",
         "database-refuses", Confidence.POSSIBLE),
    ],
)  # fmt: skip
def test_a_release_that_did_not_hold_is_dead_ill_or_slow(
    message: str, log: str, cause: str, confidence: Confidence
) -> None:
    (found,) = heard(message, log)
    assert (found.cause, found.confidence) == (cause, confidence)
    assert message in found.evidence[0]


def test_a_slow_start_says_how_long_it_was_given_and_where_to_give_more() -> None:
    (found,) = heard("tt-app-2 was not ready within 45 s; not UP: readiness")
    assert "45 s" in found.summary
    assert "rollout.gate_seconds in deployments/environments/lab.yaml" in found.remedy.command


def test_what_the_host_kept_counts_if_it_is_of_this_deploy() -> None:
    kept = facts(last_failure="1000 pull\nlogin refused\nunauthorized\nthe end")
    assert lines_told(Told("prepare", "It failed.", since=900), kept) == [
        "It failed.", "login refused", "unauthorized", "the end",
    ]  # fmt: skip
    assert lines_told(Told("prepare", "It failed.", since=1001), kept) == ["It failed."]
    assert lines_told(Told("prepare", "It failed."), None) == ["It failed."]


def test_the_same_line_is_heard_once() -> None:
    assert lines_told(Told("x", "same", "same\n\n same"), None) == ["same"]


@pytest.mark.parametrize(
    "words",
    [
        "was not ready within $1 s${worse:+; not UP: $worse}",
        "crashed while it started",
        "crashed while it was watched",
        "stopped answering while it was watched",
        "requests failed at the gateway while",
    ],
)
def test_the_host_s_scripts_still_say_it_so(words: str) -> None:
    assert any(words in script.read_text() for script in HOST.glob("*.sh"))
