"""Pushes that were accepted and are not settled yet: on disk, so that none is lost.

One SQLite file. It also knows every delivery of the last weeks, so that none counts twice.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from delivery.trigger import Call, DecidedPush

REMEMBERED_SECONDS = 30 * 86_400.0
"""GitHub offers deliveries of the last days for redelivery; this is longer."""

_SCHEMA = """
create table if not exists deliveries (
    number integer primary key autoincrement,
    delivery text not null unique,
    body_digest text not null unique,
    received real not null,
    push text
);
create index if not exists waiting on deliveries (number) where push is not null;
"""


@dataclass(frozen=True, slots=True)
class HeldPush:
    """A push that waits for its environment; ``number`` grows in order of arrival."""

    number: int
    received: float
    push: DecidedPush


class PushSpool:
    """The file at ``path``; every method is one transaction and may be called by any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._open() as file:
            file.execute("pragma journal_mode = wal")
            file.executescript(_SCHEMA)

    def accept(
        self, delivery: str, body_digest: str, push: DecidedPush | None, *, now: float
    ) -> bool:
        """Remember a delivery and hold its push, if there is one to hold.

        False, and nothing changed, if the delivery or its very body came before: the
        signature covers the body alone, so anyone may send it again under another id.
        When this returns, it is on disk.
        """
        text = None if push is None else json.dumps(asdict(push))
        with self._open() as file:
            file.execute(
                "delete from deliveries where received < ? and push is null",
                (now - REMEMBERED_SECONDS,),
            )
            added = file.execute(
                "insert or ignore into deliveries (delivery, body_digest, received, push) "
                "values (?, ?, ?, ?)",
                (delivery, body_digest, now, text),
            )
            return added.rowcount == 1

    def held(self) -> list[HeldPush]:
        """The pushes that wait, in order of arrival."""
        with self._open() as file:
            rows = file.execute(
                "select number, received, push from deliveries where push is not null "
                "order by number"
            ).fetchall()
        return [HeldPush(number, received, _read(text)) for number, received, text in rows]

    def waiting(self) -> int:
        """How many pushes wait."""
        with self._open() as file:
            row = file.execute("select count(*) from deliveries where push is not null").fetchone()
        return int(row[0])

    def settle(self, pushes: Iterable[HeldPush]) -> None:
        """Let go of pushes; their deliveries stay known."""
        with self._open() as file:
            file.executemany(
                "update deliveries set push = null where number = ?",
                [(held.number,) for held in pushes],
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=10)) as file, file:
            yield file


def _read(text: str) -> DecidedPush:
    fields = json.loads(text)
    return DecidedPush(**{**fields, "call": Call(fields["call"])})
