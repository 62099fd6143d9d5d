"""Schemas of blocks, made once a process: storing a block, Prefect asks for it field by field."""

import pickle
from collections.abc import Callable, Mapping
from typing import Any

_KEPT: dict[tuple[Any, ...], bytes] = {}


def kept_schema(
    make: Callable[..., dict[str, Any]],
    block: type,
    asked: tuple[Any, ...],
    named: Mapping[str, Any],
) -> dict[str, Any]:
    """The schema that ``make`` made of this block when so asked first; the caller's own.

    Pickled, since a deep copy takes ten times as long as reading that.
    """
    wanted = (block, asked, tuple(sorted(named.items())))
    if wanted not in _KEPT:
        _KEPT[wanted] = pickle.dumps(make(*asked, **named))
    schema: dict[str, Any] = pickle.loads(_KEPT[wanted])  # noqa: S301  # our own, of above
    return schema
