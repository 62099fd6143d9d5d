"""Doppler's API and configuration, as the lab's `doppler` command uses them."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import json
import os
import secrets
import time
import urllib.parse
from pathlib import Path
from typing import Any

VERSION = "v3.75.1"
DEFAULT_HOST = "https://api.doppler.com"
ATTEMPTS = 5
TIMEOUT_SECONDS = 10.0


class Trouble(Exception):
    """What went wrong, in the words that the real command prints."""

    def __init__(self, error: str, message: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.message = message


# --- configuration: flags over environment over ~/.doppler/.doppler.yaml ---


def home() -> Path:
    """The home directory, which must be known by HOME."""
    if not os.environ.get("HOME"):
        raise Trouble("$HOME is not defined", "Unable to determine home directory")
    return Path(os.environ["HOME"])


def scoped(path: Path, directory: Path) -> dict[str, str]:
    """The options of the configuration file for this directory, the longest scope winning."""
    scopes: dict[str, dict[str, str]] = {}
    current = ""
    for line in path.read_text().splitlines() if path.exists() else []:
        key, _, value = line.strip().rpartition(": ") if ": " in line else (line.strip(), "", "")
        depth = len(line) - len(line.lstrip())
        if depth == 4 and line.rstrip().endswith(":"):
            current = line.strip().removesuffix(":").strip("\"'")
        elif depth > 4 and key:
            scopes.setdefault(current, {})[key] = value.strip().strip("\"'")
    found: dict[str, str] = {}
    for scope in sorted(scopes, key=len):
        if f"{directory}/".startswith(scope.rstrip("/") + "/"):
            found.update(scopes[scope])
    return found


class Settings:
    """Where to ask, with what, and for which config."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        kept = scoped(home() / ".doppler" / ".doppler.yaml", Path.cwd())
        env = os.environ

        def pick(flag: str, variable: str, key: str) -> str:
            chosen: str = getattr(arguments, flag) or env.get(variable) or kept.get(key, "")
            return chosen

        self.token = pick("token", "DOPPLER_TOKEN", "token")
        self.project = pick("project", "DOPPLER_PROJECT", "enclave.project")
        self.config = pick("config", "DOPPLER_CONFIG", "enclave.config")
        self.host = pick("api_host", "DOPPLER_API_HOST", "api-host") or DEFAULT_HOST
        if not self.token.strip():
            raise Trouble("you must provide a token")


# --- the API ---


def ask(
    settings: Settings,
    path: str,
    body: Any = None,
    **query: str,
) -> tuple[int, dict[str, str], bytes]:
    """One request, tried again when the service is busy or slow; raise `Trouble`."""
    query = {"project": settings.project, "config": settings.config, **query}
    target = f"{path}?{urllib.parse.urlencode({k: v for k, v in query.items() if v})}"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            status, kept, content = send(settings, target, body)
        except TimeoutError as error:
            if attempt < ATTEMPTS:
                continue
            raise Trouble(f'Get "{settings.host}{path}": context deadline exceeded') from error
        except (OSError, http.client.HTTPException) as error:
            raise Trouble(f'Get "{settings.host}{path}": {error}') from error
        as_json = kept.get("content-type", "").startswith("application/json")
        if status < 400:
            return status, kept, content
        if attempt == ATTEMPTS or not (status == 429 or (status >= 500 and not as_json)):
            break
        time.sleep(0.1 * 2**attempt)
    if not as_json:
        raise Trouble(f"Request failed with HTTP {status}")
    try:
        raise Trouble("\n".join(json.loads(content)["messages"]))
    except (ValueError, KeyError) as error:
        raise Trouble(f"Request failed with HTTP {status}") from error


def send(settings: Settings, target: str, body: Any) -> tuple[int, dict[str, str], bytes]:
    """One attempt of a request."""
    address = urllib.parse.urlsplit(settings.host)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
    data = None if body is None else json.dumps(body)
    fields = {
        "Authorization": f"Bearer {settings.token}",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"doppler-go-cli-{VERSION}",
    }
    try:
        connection.request("GET" if data is None else "POST", target, data, fields)
        response = connection.getresponse()
        content = response.read()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, content
    finally:
        connection.close()


# --- the copy from earlier ---


class Fallback:
    """The last good answer, encrypted with what is needed to ask again."""

    def __init__(self, settings: Settings, path: str) -> None:
        parts = [settings.token]
        if settings.project or settings.config:
            parts += [settings.project, settings.config]
        self._passphrase = ":".join(parts).encode()
        name = f".secrets-{hashlib.sha256(self._passphrase).hexdigest()}.json"
        self.path = Path(path) if path else home() / ".doppler" / "fallback" / name

    def write(self, content: bytes) -> None:
        """Keep a good answer."""
        salt = secrets.token_bytes(16)
        sealed = salt + self._mac(salt, content) + self._crypt(salt, content)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_bytes(sealed)
        draft.rename(self.path)

    def read(self) -> bytes:
        """The answer that was kept; raise `Trouble` if there is none or it does not open."""
        try:
            sealed = self.path.read_bytes()
        except FileNotFoundError:
            raise Trouble("The fallback file does not exist") from None
        salt, mac = sealed[:16], sealed[16:48]
        content = self._crypt(salt, sealed[48:])
        if not hmac.compare_digest(mac, self._mac(salt, content)):
            raise Trouble(
                "cipher: message authentication failed", "Unable to decrypt fallback file"
            )
        return content

    def _key(self, salt: bytes, use: bytes) -> bytes:
        return hashlib.pbkdf2_hmac("sha256", self._passphrase, salt + use, 10_000)

    def _mac(self, salt: bytes, content: bytes) -> bytes:
        return hmac.digest(self._key(salt, b"mac"), content, "sha256")

    def _crypt(self, salt: bytes, content: bytes) -> bytes:
        """XOR with HMAC-SHA256 in counter mode: the standard library has no cipher."""
        key, blocks = self._key(salt, b"stream"), len(content) // 32 + 1
        stream = b"".join(hmac.digest(key, n.to_bytes(8, "big"), "sha256") for n in range(blocks))
        return bytes(a ^ b for a, b in zip(content, stream, strict=False))
