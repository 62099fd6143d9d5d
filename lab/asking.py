"""Asking a service of the lab for what it says only of itself, below `/_lab`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from lab.errors import LabError
from lab.settings import LabSettings


def ask(
    settings: LabSettings, service: str, path: str, *, method: str | None = None, body: Any = None
) -> Any:
    """The service's answer, to a GET or, with a body, a POST, unless another method is named.

    Raises `LabError` with its words if it refuses or is not there.
    """
    url = f"http://127.0.0.1:{settings.ports[service]}/_lab/{path}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # our own port
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise LabError(f"{service} refused: {error.read().decode()}") from None
    except OSError as error:
        raise LabError(f"{service} does not answer: {error}") from None
