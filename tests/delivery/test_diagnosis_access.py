from typing import Any

import pytest

from delivery.findings import Action, Confidence
from tests.delivery.facts import causes, container, findings

REFUSED: dict[str, Any] = {"doppler_answered": False, "registry_asked": False, "registry": ""}


def test_a_name_that_does_not_resolve_comes_before_what_cannot_be_reached_by_it() -> None:
    found = findings(
        names=["api.doppler.com|no", "localhost|yes"],
        doppler="Doppler Error: dial tcp: lookup api.doppler.com: no such host", **REFUSED,
    )  # fmt: skip
    assert [each.cause for each in found] == ["name-unresolved", "doppler-away"]
    assert found[1].because == "name-unresolved"


@pytest.mark.parametrize(
    ("token", "state"), [("no", "not there"), ("yes|400|root|0|no|no", "empty")]
)
def test_a_token_file_that_is_missing_or_empty_is_told(token: str, state: str) -> None:
    (found,) = findings(token=token, **REFUSED)
    assert (found.cause, found.confidence) == ("doppler-refuses", Confidence.CERTAIN)
    assert state in found.summary
    assert found.remedy.action is None
    assert found.remedy.command.startswith("sudo install -m 400")


@pytest.mark.parametrize(
    ("said", "summary"),
    [
        ("Doppler Error: Invalid Auth token", "it expired or was revoked"),
        ("Doppler Error: This token does not have access to requested config", "not for this"),
    ],
)
def test_what_doppler_refuses_is_told_apart(said: str, summary: str) -> None:
    (found,) = findings(doppler=f"Unable to download secrets\n{said}", **REFUSED)
    assert found.cause == "doppler-refuses"
    assert summary in found.summary
    assert said in found.evidence


def test_a_doppler_that_is_away_is_not_a_refused_token() -> None:
    assert causes(doppler="Doppler Error: context deadline exceeded", **REFUSED) == ["doppler-away"]


def test_of_a_token_file_that_was_not_looked_at_nothing_else_is_claimed() -> None:
    assert causes(token="", **REFUSED) == ["not-seen"]


@pytest.mark.parametrize(
    ("token", "wrong"),
    [
        ("yes|644|root|40|no|no", "mode 644 instead of 400"),
        ("yes|400|ubuntu|40|no|no", "owner ubuntu instead of root"),
        ("yes|400|root|40|yes|no", "a carriage return in it"),
    ],
)
def test_a_token_file_that_is_not_as_it_must_be_may_be_mended(token: str, wrong: str) -> None:
    (found,) = findings(token=token)
    assert (found.cause, found.remedy.action) == ("token-file", Action.TOKEN)
    assert wrong in found.summary


def test_of_two_lines_in_the_token_file_none_is_chosen_for_the_operator() -> None:
    (found,) = findings(token="yes|644|root|40|no|yes")
    assert (found.cause, found.remedy.action) == ("token-file", None)
    assert "more than one line in it" in found.summary
    assert found.remedy.command.startswith("sudo install -m 400")


def test_an_exposed_token_is_the_last_thing_to_be_told() -> None:
    assert causes(
        token="yes|644|root|40|no|no", containers=[container("grafana", state="exited")]
    ) == ["container-stopped", "token-file"]


def test_a_variable_that_doppler_lacks_is_named() -> None:
    error = "error while interpolating: required variable MAIL_HOST is missing a value: the server"
    (found,) = findings(compose=[f"error {error}"])
    assert (found.cause, found.summary) == (
        "variable-missing", "Doppler has no value for MAIL_HOST.",
    )  # fmt: skip
    assert "doppler secrets set MAIL_HOST -p tt -c prd" in found.remedy.command


def test_a_compose_file_that_is_broken_otherwise_is_told() -> None:
    (found,) = findings(compose=["error yaml: line 7: did not find expected key"])
    assert found.summary == "The Compose file is not valid."


def test_a_registry_that_refuses_is_told_apart_from_one_that_is_away() -> None:
    refused = "1|Error response from daemon: login attempt failed with status: 401 Unauthorized"
    (found,) = findings(registry=refused)
    assert (found.cause, found.confidence) == ("registry-refuses", Confidence.CERTAIN)
    assert causes(registry="1|dial tcp 10.0.0.1:443: i/o timeout") == ["registry-away"]
    assert causes(registry="0|Login Succeeded") == []


def test_a_missing_github_token_is_told() -> None:
    (found,) = findings(registry_asked=False, registry="")
    assert found.summary == "GITHUB_TOKEN is not in Doppler."


def test_an_image_that_a_stopped_service_needs_is_told_before_the_service() -> None:
    stopped = container("redis-exporter", state="exited", health="")
    found = findings(
        containers=[container("app"), stopped], compose=["image oliver006/redis_exporter:v1.80.1"]
    )
    assert [each.cause for each in found] == ["image-missing", "container-stopped"]
    assert found[0].confidence is Confidence.CERTAIN
    assert "without a running container: redis-exporter" in found[0].evidence


def test_an_image_that_is_gone_below_a_running_container_is_likely_to_be_missed() -> None:
    (found,) = findings(compose=["image grafana/grafana:12.3.0"])
    assert found.confidence is Confidence.LIKELY
