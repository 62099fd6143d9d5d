"""Reads `catalogue.toml`: which images there are and what each is made of."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.packages import NEWER, STABLE, PackageSet

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Wheel:
    """One file of a PyPI wheel that goes into the build context under a name."""

    requirement: str
    member: str
    name: str


@dataclass(frozen=True, slots=True)
class Image:
    """One image of the catalogue."""

    name: str
    tag: str = ""
    parent: str = ""
    needed_by: str = ""
    engine: bool = False
    """Whether a Docker engine goes into it."""
    packages: tuple[PackageSet, ...] = ()
    jars: PackageSet | None = None
    """Packages whose part of Debian's Maven repository goes into the context's `maven-repo/`."""
    wheel: Wheel | None = None
    exclude: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where its Dockerfile and its scripts lie."""
        return FOLDER / self.name

    @property
    def mirrored(self) -> str:
        """Its name in a mirror of Docker Hub, where the official images lie in `library/`."""
        return self.tag if "/" in self.tag else f"library/{self.tag}"


def read_catalogue(file: Path = FOLDER / "catalogue.toml") -> dict[str, Image]:
    """Every image by name, parents before their children."""
    entries = tomllib.loads(file.read_text())
    return {name: read_image(name, entry) for name, entry in entries.items()}


def read_image(name: str, entry: dict[str, Any]) -> Image:
    """One entry of the catalogue."""
    return Image(
        name=name,
        tag=entry.get("tag", ""),
        parent=entry.get("parent", ""),
        needed_by=entry.get("needed-by", ""),
        engine=entry.get("engine", False),
        packages=tuple(read_package_sets(entry)),
        jars=read_jar_packages(FOLDER / entry["maven-repo"]) if "maven-repo" in entry else None,
        wheel=Wheel(**entry["wheel"]) if "wheel" in entry else None,
        exclude=tuple(entry.get("exclude", ())),
    )


def read_package_sets(entry: dict[str, Any]) -> list[PackageSet]:
    """The package sets of an entry, without those that it leaves empty."""
    sets = [
        PackageSet(STABLE, tuple(entry.get("packages", ()))),
        PackageSet(NEWER, tuple(entry.get("newer-packages", ()))),
        PackageSet(
            STABLE,
            tuple(entry.get("closure", ())),
            with_dependencies=True,
            without=tuple(entry.get("without", ())),
        ),
    ]
    return [wanted for wanted in sets if wanted.names]


def read_jar_packages(file: Path) -> PackageSet | None:
    """The packages that a plain list names, one a line; `#` starts a comment."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    names = tuple(line for line in lines if line)
    return PackageSet(STABLE, names) if names else None
