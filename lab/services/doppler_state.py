"""What the stand-in for Doppler knows: secrets by project and config, and who may see them."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PROJECT, CONFIG = "tt", "prd"
REFERENCE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
NAME = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(slots=True)
class Token:
    """A service token: one project, one config, to read or to write, for ever or until."""

    text: str
    name: str = "lab"
    project: str = PROJECT
    config: str = CONFIG
    access: str = "read"
    expires_at: float | None = None
    slug: str = field(default_factory=lambda: secrets.token_hex(8))

    def is_valid(self, now: float) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or now < self.expires_at

    @property
    def preview(self) -> str:
        """As the dashboard shows it: the beginning and the end."""
        return f"{self.text[:10]}…{self.text[-5:]}"


class DopplerState:
    """Secrets and tokens, written to the disk at every change, for their owner's eyes only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._configs: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, Token] = {}
        self._seeded: set[str] = set()
        if path.exists():
            kept = json.loads(path.read_text())
            self._configs = kept["configs"]
            self._tokens = {row["text"]: Token(**row) for row in kept["tokens"]}
            self._seeded = set(kept["seeded"])

    def seed(self, values: dict[str, str], token: str) -> None:
        """Add what was never added before; a secret deleted since stays deleted."""
        config = self._configs.setdefault(f"{PROJECT}/{CONFIG}", {})
        new = {name: value for name, value in values.items() if name not in self._seeded}
        config.update(new)
        self._seeded.update(new)
        if "token " + token not in self._seeded:
            self._tokens[token] = Token(token)
            self._seeded.add("token " + token)
        self._save()

    def has_project(self, project: str) -> bool:
        """Whether any config of this project exists."""
        return any(key.startswith(project + "/") for key in self._configs)

    def raw(self, project: str, config: str) -> dict[str, str]:
        """The secrets as they were set, Doppler's own three among them, sorted by name."""
        own = {
            "DOPPLER_PROJECT": project,
            "DOPPLER_CONFIG": config,
            "DOPPLER_ENVIRONMENT": config.split("_")[0],
        }
        return dict(sorted({**self._configs[f"{project}/{config}"], **own}.items()))

    def computed(self, project: str, config: str) -> dict[str, str]:
        """The secrets with references to one another resolved."""
        raw = self.raw(project, config)
        return {
            name: REFERENCE.sub(lambda found: raw.get(found[1], found[0]), value)
            for name, value in raw.items()
        }

    def change(self, project: str, config: str, values: dict[str, str | None]) -> None:
        """Set secrets; None deletes one."""
        kept = self._configs.setdefault(f"{project}/{config}", {})
        for name, value in values.items():
            if value is None:
                kept.pop(name, None)
            else:
                kept[name] = value
        self._save()

    def token(self, text: str) -> Token | None:
        """The token of this text, expired or not."""
        return self._tokens.get(text)

    def tokens(self, project: str, config: str) -> Iterable[Token]:
        """The tokens of one config."""
        return [t for t in self._tokens.values() if (t.project, t.config) == (project, config)]

    def add_token(self, token: Token) -> None:
        """Let a token in, or change one of the same text."""
        self._tokens[token.text] = token
        self._save()

    def revoke(self, text: str) -> bool:
        """Let a token in no more; whether there was one."""
        found = self._tokens.pop(text, None) is not None
        self._save()
        return found

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept: dict[str, Any] = {
            "configs": self._configs,
            "tokens": [asdict(token) for token in self._tokens.values()],
            "seeded": sorted(self._seeded),
        }
        draft = self._path.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(kept, indent=2))
        draft.rename(self._path)
