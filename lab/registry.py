"""The two image registries: the lab's own, with a password, and the mirror, open to read.

Both are Debian's `docker-registry`, the reference implementation. The first stands for
GHCR and lies behind a door that can have faults (`lab.services.registry`); the second
gives the hosts the public images' stand-ins, as a mirror of Docker Hub would.
"""

from __future__ import annotations

import ctypes
import secrets
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.packages import STABLE, DebianPackages, PackageSet, install
from lab.ports import answers
from lab.processes import Processes
from lab.settings import LabSettings

PACKAGES = (PackageSet(STABLE, ("docker-registry",)),)
BCRYPT_COST = "04"
"""The least that bcrypt allows: the password is long and random, the machine small."""


def registry_socket(home: Path) -> Path:
    """Where the registry with the password listens."""
    return home / "run" / "registry.sock"


def start_registries(
    settings: LabSettings, processes: Processes, cache: Path, packages: DebianPackages
) -> None:
    """Start both registries and the door unless they run; return once they answer."""
    program = install(cache / "registry", PACKAGES, packages) / "usr/bin/docker-registry"
    socket, home = registry_socket(settings.home), settings.home
    passwords = home / "registry" / "htpasswd"
    write_password_file(passwords, settings.registry_username, settings.registry_password)
    private = {"net": "unix", "addr": str(socket)}
    own = configuration(home / "registry", home / "registry" / "data", private, passwords)
    loopback = {"addr": f"127.0.0.1:{settings.ports['mirror']}"}
    mirror = configuration(home / "mirror", home / "mirror" / "data", loopback, None)
    if processes.find("registry-storage") is None:
        socket.unlink(missing_ok=True)
    processes.start("registry-storage", [program, "serve", own])
    processes.start("mirror", [program, "serve", mirror])
    door: list[str | Path] = [sys.executable, "-m", "lab.services.registry", "--home", home]
    processes.start("registry", door, cwd=Path(__file__).parents[1])
    for name, ready in (
        ("registry-storage", socket.exists),
        ("mirror", lambda: answers(settings.ports["mirror"])),
        ("registry", lambda: answers(settings.ports["registry"])),
    ):
        processes.wait_ready(name, ready, deadline_seconds=30)


def configuration(
    folder: Path, data: Path, http: Mapping[str, str], passwords: Path | None
) -> Path:
    """Write a registry's configuration into its folder; return the file."""
    content: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(data)},
            "delete": {"enabled": True},
        },
        "http": {**http, "relativeurls": True},
    }
    if passwords:
        content["auth"] = {"htpasswd": {"realm": "lab registry", "path": str(passwords)}}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(content))
    return file


def write_password_file(file: Path, username: str, password: str) -> None:
    """Write an htpasswd file, unless it is there: the hash is salted, so it would change."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(f"{username}:{bcrypt(password)}\n")


def bcrypt(password: str) -> str:
    """The password's bcrypt hash, made by the C library's crypt(3): registries take no other."""
    alphabet = "./" + string.ascii_letters + string.digits
    salt = "".join(secrets.choice(alphabet) for _ in range(21)) + secrets.choice(".Oeu")
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    hashed: bytes = library.crypt(password.encode(), f"$2b${BCRYPT_COST}${salt}".encode())
    return hashed.decode()
