"""The memory of Systems Manager, kept in SQLite so that a restart loses nothing."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.services.ssm_model import Command

SCHEMA = """
CREATE TABLE IF NOT EXISTS command (id TEXT PRIMARY KEY, requested_at REAL, record TEXT);
CREATE TABLE IF NOT EXISTS agent (instance_id TEXT PRIMARY KEY, record TEXT);
"""


@dataclass(slots=True)
class Agent:
    """One registered agent and when it was last heard of."""

    instance_id: str
    registered_at: float
    last_ping_at: float
    version: str
    platform_name: str
    platform_version: str
    computer_name: str
    ip_address: str


class SsmStore:
    """Commands and agents, in memory and on the disk; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Autocommit; WAL so that a kill at any moment leaves the last change readable.
        self._disk = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._disk.execute("PRAGMA journal_mode=WAL")
        self._disk.executescript(SCHEMA)
        self.commands: dict[str, Command] = {
            row[0]: Command.from_record(json.loads(row[1]))
            for row in self._disk.execute("SELECT id, record FROM command ORDER BY requested_at")
        }
        self._open = {c.command_id: c for c in self.commands.values() if not c.is_over}
        self.agents: dict[str, Agent] = {
            row[0]: Agent(**json.loads(row[1]))
            for row in self._disk.execute("SELECT instance_id, record FROM agent")
        }

    def open_commands(self) -> list[Command]:
        """The commands with an invocation that is not over, oldest first."""
        return list(self._open.values())

    def save_command(self, command: Command) -> None:
        """Keep a new or changed command."""
        self.commands[command.command_id] = command
        if command.is_over:
            self._open.pop(command.command_id, None)
        else:
            self._open[command.command_id] = command
        self._disk.execute(
            "INSERT OR REPLACE INTO command VALUES (?, ?, ?)",
            (command.command_id, command.requested_at, json.dumps(command.to_record())),
        )

    def save_agent(self, agent: Agent) -> None:
        """Keep a new agent, or when a known one was last heard of."""
        self.agents[agent.instance_id] = agent
        self._disk.execute(
            "INSERT OR REPLACE INTO agent VALUES (?, ?)",
            (agent.instance_id, json.dumps(asdict(agent))),
        )

    def advance(self, now: float) -> None:
        """Let time pass for every command that is not over."""
        for command in self.open_commands():
            if command.advance(now):
                self.save_command(command)
