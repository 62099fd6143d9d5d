"""The form of ``rollback``: what the hosts can go back to, as choices.

A form is a JSON schema that Prefect keeps with the deployment and checks parameters against.
The choices are an offer and no limit: any other text stays as valid as before, since the
hosts, not the form, know what is there.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

FIELD = "to"
_OFFERED = "On the hosts"
_OTHER = "Another version or tag"


def with_choices(schema: Mapping[str, Any], tags: Sequence[str]) -> dict[str, Any]:
    """The form with these tags to choose from, newest first; earlier choices are gone.

    A schema without the field comes back as it is.
    """
    form = copy.deepcopy(dict(schema))
    field = form.get("properties", {}).get(FIELD)
    if not isinstance(field, dict) or "anyOf" not in field:
        return form
    free = [each for each in field["anyOf"] if each.get("title") != _OFFERED]
    offered = [{"type": "string", "title": _OFFERED, "enum": list(tags)}] if tags else []
    field["anyOf"] = offered + [_named(each) for each in free]
    return form


def _named(kind: Mapping[str, Any]) -> dict[str, Any]:
    """A free text is told from the choices by its title."""
    return {**kind, "title": _OTHER} if kind.get("type") == "string" else dict(kind)
