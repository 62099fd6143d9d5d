"""Takes the built images to where they are needed: the mirror for hosts, the engine for builds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.engine import Engine
from lab.errors import LabError
from lab.images.archive import ImageArchive
from lab.images.build import INPUTS_LABEL, Build

KEPT_SECONDS = 14 * 24 * 3600
"""How long an archive that no `up` used is kept."""


def deliver(engine: Engine, mirror: str, builds: Iterable[Build]) -> None:
    """Have every image where it is needed; what is there already stays."""

    def take(build: Build) -> None:
        if build.image.needed_by == "host":
            to_mirror(mirror, build)
        else:
            to_engine(engine, build)
        os.utime(build.archive)

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(take, (build for build in builds if build.image.tag)))


def to_mirror(mirror: str, build: Build) -> None:
    """Push an image to the mirror under the name that Docker Hub's users know."""
    repository, _, tag = build.image.mirrored.rpartition(":")
    with ImageArchive(build.archive) as archive:
        archive.push(mirror, repository, tag)


def to_engine(engine: Engine, build: Build) -> None:
    """Load an image into the engine.

    Raises `LabError` if the engine holds an image of that name that is not a lab's.
    """
    form, tag = "{{json .Config.Labels}}", build.image.tag
    found = engine.docker_or_nothing("image", "inspect", "--format", form, tag)
    present = (json.loads(found or "{}") or {}).get(INPUTS_LABEL)
    if found and present is None:
        raise LabError(
            f"the engine at {engine.address} has an image {tag} of its own, which the lab will "
            "not replace: set TT_LAB_ENGINE=private and start anew"
        )
    if present != build.inputs:
        engine.docker("load", "--quiet", "--input", build.archive)


def forget_unused(store: Path, *, now: float | None = None) -> None:
    """Remove archives that no `up` has used for two weeks, and drafts that were given up."""
    oldest = (time.time() if now is None else now) - KEPT_SECONDS
    for file in [*store.glob("*.tar"), *store.glob("*.draft")]:
        if file.stat().st_mtime < oldest:
            file.unlink()
