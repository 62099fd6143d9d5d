"""The files of stack/, read once for the tests."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
STACK = ROOT / "stack"
COMPOSE = STACK / "docker" / "docker-compose.yml"
EXAMPLE = STACK / "docker" / ".env.example"
MONITORING = STACK / "monitoring"

JVM_FLAGS = [
    "-XX:+UseContainerSupport",
    "-XX:MaxRAMPercentage=75.0",
    "-XX:InitialRAMPercentage=50.0",
    "-XX:+UseG1GC",
    "-XX:+DisableExplicitGC",
]
"""What the application's JVM is started with."""

Service = dict[str, Any]


@cache
def compose() -> dict[str, Any]:
    """The compose file as it is written, variables unreplaced, anchors resolved."""
    return read_yaml(COMPOSE)


def services() -> dict[str, Service]:
    """Its services by name."""
    found: dict[str, Service] = compose()["services"]
    return found


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML document that is a mapping."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def strings(value: object) -> list[str]:
    """Every text in a tree of mappings and lists."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def variables(text: str) -> dict[str, str]:
    """`${NAME...}` in a text: what follows each name, such as `:?why` or `:-default`."""
    return dict(re.findall(r"\$\{([A-Z0-9_]+)([^}]*)\}", text))


def alert_rules() -> list[dict[str, Any]]:
    """Every alert rule of every file."""
    return [
        rule
        for file in sorted((MONITORING / "prometheus" / "rules").glob("*.yml"))
        for group in read_yaml(file)["groups"]
        for rule in group["rules"]
    ]


def metrics(expression: str) -> set[str]:
    """The metrics that a PromQL expression names; not its functions, labels and durations."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"\b([a-zA-Z_:][\w:]*)\b(?!\s*\()", bare)
    return set(words) - {"and", "or", "unless", "offset", "bool", "by", "on"}
