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
from lab.errors import LabError
from lab.images import context
from lab.images.catalogue import Image, read_catalogue
from lab.packages import DebianPackages, download_wheels
from lab.registry import RegistryApi

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
        context.collect_maven_repository(materials.jars, folder / "maven-repo", folder / "scratch")
    if image.wheel:
        context.extract_from_wheel(materials.wheels[0], image.wheel, folder)


def download(packages: DebianPackages, cache: Path) -> dict[str, Materials]:
    """Everything the catalogue's images are made of, by image; needs no engine."""
    catalogue = read_catalogue()
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda image: gather(image, packages, cache), catalogue.values())
        return dict(zip(catalogue, found, strict=True))


class ImageBuilder:
    """Brings the catalogue's images up to date in the mirror, and from there on the engine."""

    def __init__(self, engine: Engine, mirror_port: int) -> None:
        self._engine = engine
        self._mirror_port = mirror_port
        self._mirror = RegistryApi(mirror_port)
        self._catalogue = read_catalogue()

    def build(self, materials: Mapping[str, Materials]) -> list[str]:
        """Build what is not up to date; return the names of what was built."""
        digests = self._digests(materials)
        tagged = [image for image in self._catalogue.values() if image.tag]
        with ThreadPoolExecutor() as pool:
            present = list(pool.map(self._mirrored_inputs, tagged))
        stale = [i for i, inputs in zip(tagged, present, strict=True) if inputs != digests[i.name]]
        if stale:
            self._bake(self._with_parents(stale), materials, digests)
        local = [image for image in tagged if image.needed_by != "host"]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda image: self._bring_in(image, digests[image.name]), local))
        return [image.name for image in stale]

    def _digests(self, materials: Mapping[str, Materials]) -> dict[str, str]:
        digests = {"": ""}
        for name, image in self._catalogue.items():
            digests[name] = digest(image, materials[name], digests[image.parent])
        return digests

    def _mirrored_inputs(self, image: Image) -> str:
        """What the mirror's image was built from; nothing if it has none."""
        repository, _, tag = image.mirrored.rpartition(":")
        return self._mirror.labels(repository, tag).get(INPUTS_LABEL, "")

    def _bring_in(self, image: Image, inputs: str) -> None:
        """Have the engine hold the image under its own name, unless it does.

        Raises `LabError` if it holds an image of that name that is not a lab's.
        """
        form = "{{json .Config.Labels}}"
        found = self._engine.docker_or_nothing("image", "inspect", "--format", form, image.tag)
        present = (json.loads(found or "{}") or {}).get(INPUTS_LABEL)
        if found and present is None:
            raise LabError(
                f"the engine at {self._engine.address} has an image {image.tag} of its own, "
                "which the lab will not replace: set TT_LAB_ENGINE=private and start anew"
            )
        if present != inputs:
            source = self._in_mirror(image)
            self._engine.docker("pull", "--quiet", source)
            self._engine.docker("tag", source, image.tag)
            self._engine.docker("rmi", source)

    def _in_mirror(self, image: Image) -> str:
        return f"localhost:{self._mirror_port}/{image.mirrored}"

    def _with_parents(self, images: Iterable[Image]) -> list[Image]:
        needed = {image.name for image in images}
        for image in reversed(self._catalogue.values()):
            if image.name in needed and image.parent:
                needed.add(image.parent)
        return [image for name, image in self._catalogue.items() if name in needed]

    def _bake(
        self, images: list[Image], materials: Mapping[str, Materials], digests: Mapping[str, str]
    ) -> None:
        """Have buildx build all of them at once from freshly laid out contexts, into the mirror."""
        with TemporaryDirectory(prefix="tt-lab-images-") as name:
            scratch = Path(name)
            with ThreadPoolExecutor(max_workers=2) as pool:
                folders = [scratch / image.name for image in images]
                list(pool.map(lay_out, images, (materials[i.name] for i in images), folders))
            targets = {i.name: self._target(i, scratch, digests[i.name]) for i in images}
            plan = scratch / "bake.json"
            plan.write_text(json.dumps({"target": targets}))
            options = ["--progress", "plain", "--provenance=false", f"--allow=fs.read={scratch}"]
            self._engine.docker("buildx", "bake", *options, "--file", plan, *targets)
        pushed = [self._in_mirror(image) for image in images if image.needed_by == "host"]
        if pushed:
            self._engine.docker("rmi", *pushed)

    def _target(self, image: Image, contexts: Path, inputs: str) -> dict[str, object]:
        """One image as `docker buildx bake` reads it."""
        # zstd at its fastest: packing and unpacking is most of a cold start.
        packing = "type=image,compression=zstd,compression-level=1,force-compression=true,push=true"
        return {
            "context": str(contexts / image.name),
            "contexts": {"parent": f"target:{image.parent}"} if image.parent else {},
            "tags": [self._in_mirror(image)] if image.tag else [],
            "labels": {INPUTS_LABEL: inputs},
            "output": [packing if image.tag else "type=cacheonly"],
        }
