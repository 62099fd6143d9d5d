"""Blocks of Prefect's own whose schema is made once a process, as our environment's is."""

import pickle
from typing import Any

from prefect.blocks.core import Block

_kept: dict[tuple[Any, ...], bytes] = {}
_make = vars(Block)["model_json_schema"].__func__


def keep_schemas() -> None:
    """Have every block keep its schema: storing one, Prefect asks for it field by field.

    For an environment of a flow test that is 80 schemas of nested blocks, 0.4 s of a processor.
    """
    setattr(Block, "model_json_schema", classmethod(_kept_or_made))  # noqa: B010  # mypy forbids to assign it


def _kept_or_made(cls: type[Block], *asked: Any, **named: Any) -> dict[str, Any]:
    wanted = (cls, asked, tuple(sorted(named.items())))
    if wanted not in _kept:
        _kept[wanted] = pickle.dumps(_make(cls, *asked, **named))
    schema: dict[str, Any] = pickle.loads(_kept[wanted])
    return schema
