"""What GitHub knows beside git: releases, deployments, statuses, hooks, tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

Row = dict[str, Any]
TABLES = ("releases", "deployments", "deployment_statuses", "statuses", "hooks", "deliveries")
ALL_PERMISSIONS = {
    "contents": "write",
    "deployments": "write",
    "statuses": "write",
    "administration": "write",
}
"""What the lab's own token may; `administration` stands for webhooks, too."""


class GitHubStore:
    """Rows by table, in memory and in one file that every change rewrites."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RLock()
        self._kept: Row = {name: [] for name in TABLES} | {"tokens": {}, "last_id": 1000}
        if path.exists():
            self._kept |= json.loads(path.read_text())

    def rows(self, table: str) -> list[Row]:
        """The rows of a table, oldest first."""
        rows: list[Row] = self._kept[table]
        return rows

    def find(self, table: str, row_id: int) -> Row | None:
        """One row by its id."""
        return next((row for row in self.rows(table) if row["id"] == row_id), None)

    @contextmanager
    def change(self) -> Iterator[None]:
        """One change at a time, on the disk when it is over; nothing kept if it fails."""
        with self._lock:
            before = json.dumps(self._kept)
            try:
                yield
            except BaseException:
                self._kept = json.loads(before)
                raise
            self._save()

    def add(self, table: str, row: Row) -> Row:
        """Add a row within `change`; it gets an id."""
        self._kept["last_id"] += 1
        row = {"id": self._kept["last_id"], **row}
        self.rows(table).append(row)
        return row

    def remove(self, table: str, row_id: int) -> None:
        """Take a row out within `change`."""
        self._kept[table] = [row for row in self.rows(table) if row["id"] != row_id]

    def permissions(self, token: str) -> dict[str, str] | None:
        """What a token may do; None if it is unknown or expired."""
        found = self._kept["tokens"].get(token)
        if found is None or (found["expires_at"] or float("inf")) <= time.time():
            return None
        permissions: dict[str, str] = found["permissions"]
        return permissions

    def expiry(self, token: str) -> float | None:
        """When a known token ends."""
        moment: float | None = self._kept["tokens"][token]["expires_at"]
        return moment

    def set_token(
        self, token: str, permissions: dict[str, str], expires_at: float | None = None
    ) -> None:
        """Let a token in, or change what it may."""
        with self.change():
            self._kept["tokens"][token] = {"permissions": permissions, "expires_at": expires_at}

    def revoke_token(self, token: str) -> None:
        """Let a token in no more."""
        with self.change():
            self._kept["tokens"].pop(token, None)

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(self._kept))
        draft.rename(self._path)
