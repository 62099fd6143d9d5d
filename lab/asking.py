"""Asking a service of the lab for what it says only of itself, below `/_lab`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from lab.errors import LabError


def ask(request: urllib.request.Request | str) -> Any:
    """The service's answer; raise `LabError` with its words if it refuses or is not there."""
    url = request if isinstance(request, str) else request.full_url
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # our own port
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise LabError(f"{url} refused: {error.read().decode()}") from None
    except OSError as error:
        raise LabError(f"{url} does not answer: {error}") from None
