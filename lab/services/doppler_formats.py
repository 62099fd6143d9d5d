"""All secrets of a config in one file, in Doppler's formats."""

from __future__ import annotations

import json

FORMATS = ("json", "env", "env-no-quotes", "docker", "yaml")


def rendered(values: dict[str, str], style: str) -> str:
    """All secrets in one of Doppler's download formats."""
    if style == "json":
        return json.dumps(values)
    if style == "yaml":
        return "".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items())
    if style == "env":
        return "".join(f'{name}="{_quoted(value)}"\n' for name, value in values.items())
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
