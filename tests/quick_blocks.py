"""Blocks of Prefect's own whose schema is made once a process, as our environment's is."""

from functools import partial
from typing import Any

from prefect.blocks.core import Block

from blocks.schemas import kept_schema

_make = vars(Block)["model_json_schema"].__func__


def keep_schemas() -> None:
    """Have every block keep its schema.

    For an environment of a flow test that is 80 schemas of nested blocks, 0.4 s of a processor.
    """
    # Not assigned, which mypy forbids.
    setattr(Block, "model_json_schema", classmethod(_kept_or_made))  # noqa: B010


def _kept_or_made(cls: type[Block], *asked: Any, **named: Any) -> dict[str, Any]:
    return kept_schema(partial(_make, cls), cls, asked, named)
