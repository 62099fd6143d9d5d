"""Long answers, a page at a time, with the Link header that leads on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from lab.services.github_front import Answer, Call

DEFAULT_PAGE, LARGEST_PAGE = 30, 100


def paged(call: Call, rows: Sequence[Any]) -> Answer:
    """One page of rows, with the Link header that leads to the others."""
    size = page_size(call)
    number = _number(call.query.get("page"), 1)
    last = max(1, math.ceil(len(rows) / size))
    start = (number - 1) * size
    headers = links(call, number, last)
    return Answer(list(rows[start : start + size]), headers=headers)


def page_size(call: Call) -> int:
    """`per_page`, at most 100."""
    return min(LARGEST_PAGE, _number(call.query.get("per_page"), DEFAULT_PAGE))


def links(call: Call, number: int, last: int) -> dict[str, str]:
    """The Link header of page `number` of `last`; none where there is one page only."""
    targets: dict[str, int] = {}
    if number > 1:
        targets |= {"prev": min(number - 1, last)}
    if number < last:
        targets |= {"next": number + 1, "last": last}
    if number > 1:
        targets |= {"first": 1}
    if not targets:
        return {}
    query = dict(call.query)
    parts = [
        f'<{call.url}?{urlencode({**query, "page": page})}>; rel="{rel}"'
        for rel, page in targets.items()
    ]
    return {"Link": ", ".join(parts)}


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() and int(text) > 0 else default
