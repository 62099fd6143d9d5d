"""The rollback form offers what the hosts can go back to and refuses nothing for it."""

import copy
from typing import Any

import pytest
from jsonschema import validate

from delivery.rollback_form import with_choices

FORM: dict[str, Any] = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "environment": {"type": "string", "default": "production"},
        "to": {
            "anyOf": [{"type": "string", "maxLength": 128}, {"type": "null"}],
            "default": None,
            "title": "Version",
        },
    },
}


def choices(form: dict[str, Any]) -> list[str]:
    return [tag for kind in form["properties"]["to"]["anyOf"] for tag in kind.get("enum", [])]


def test_what_can_be_had_is_offered_newest_first() -> None:
    form = with_choices(FORM, ["v1.2.0", "v1.1.0"])
    assert choices(form) == ["v1.2.0", "v1.1.0"]
    assert form["properties"]["environment"] == FORM["properties"]["environment"]
    assert form["properties"]["to"]["title"] == "Version"


def test_a_later_offer_takes_the_place_of_the_earlier() -> None:
    once = with_choices(FORM, ["v1.0.0"])
    assert choices(with_choices(once, ["v1.1.0"])) == ["v1.1.0"]
    assert choices(with_choices(once, [])) == []
    assert with_choices(with_choices(once, ["v2"]), ["v2"]) == with_choices(FORM, ["v2"])


def test_the_form_given_is_not_changed() -> None:
    before = copy.deepcopy(FORM)
    with_choices(FORM, ["v1.0.0"])
    assert before == FORM


@pytest.mark.parametrize("form", [{}, {"properties": {}}, {"properties": {"to": {}}}])
def test_a_form_without_the_field_comes_back_as_it_is(form: dict[str, Any]) -> None:
    assert with_choices(form, ["v1.0.0"]) == form


@pytest.mark.parametrize("to", ["v1.1.0", "1.1.0", "v0.0.1", None])
def test_an_offered_version_any_other_and_none_are_valid(to: str | None) -> None:
    form = with_choices(FORM, ["v1.1.0"])
    validate({"environment": "lab", "to": to}, form)
