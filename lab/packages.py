"""Debian and PyPI packages, downloaded once and kept in the cache.

The lab installs nothing on the machine: packages are fetched with a state of apt's own
kept in the cache, and unpacked where they are needed. The mirror is the one this
machine's apt already uses, whatever it is.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lab.apt import DOWNLOAD_SECONDS, Apt, package_of
from lab.errors import LabError

STABLE = "bookworm"
NEWER = "forky"
"""Where Docker 28.5 with buildx and Compose 2.40 come from; the stable suite has Docker 20."""
BETWEEN = "trixie"
"""Where Docker's command comes from: the newer suite's spends 20 of its 33 ms of processor time on
a table of character widths before it does anything, and a deploy runs it a hundred times."""


@dataclass(frozen=True, slots=True)
class PackageSet:
    """Packages of one suite, alone or with everything that they depend on."""

    suite: str
    names: tuple[str, ...]
    with_dependencies: bool = False
    without: tuple[str, ...] = ()
    """Dependencies to leave out."""

    @property
    def key(self) -> str:
        """A short name for this very selection."""
        names, without = sorted(self.names), sorted(self.without)
        text = json.dumps([self.suite, names, self.with_dependencies, without])
        return sha256(text.encode()).hexdigest()[:16]


class DebianPackages:
    """Downloads `.deb` files into a cache; a set that was fetched before costs nothing."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def fetch(self, wanted: PackageSet) -> list[Path]:
        """The `.deb` files of this set, downloaded if they are not in the cache."""
        self.fetch_all([wanted])
        files = recorded_files(self._manifest(wanted), self._folder(wanted.suite))
        if files is None:
            raise LabError(f"files of {self._cache} vanished while they were used")
        return files

    def fetch_all(self, wanted: Iterable[PackageSet]) -> None:
        """Have all these sets in the cache: asking apt once costs as much as asking ten times."""
        by_suite: dict[str, list[PackageSet]] = {}
        for some in wanted:
            by_suite.setdefault(some.suite, []).append(some)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._fetch_suite, by_suite, by_suite.values()))

    def _fetch_suite(self, suite: str, wanted: Sequence[PackageSet]) -> None:
        folder = self._folder(suite)
        with locked(self._cache / f"{suite}.lock"):
            unknown = [s for s in wanted if recorded_files(self._manifest(s), folder) is None]
            if not unknown:
                return
            apt = Apt.in_folder(self._cache / "apt" / suite, suite)
            try:
                self._download(apt, unknown)
            except LabError:
                # The lists may name versions that the mirror has replaced since.
                apt.run("update")
                self._download(apt, unknown)

    def _download(self, apt: Apt, wanted: Sequence[PackageSet]) -> None:
        plain = {name for some in wanted if not some.with_dependencies for name in some.names}
        alone = apt.files_of(sorted(plain)) if plain else []
        found = {
            some: apt.files_of(some.names, with_dependencies=True)
            if some.with_dependencies
            else [file for file in alone if package_of(file) in some.names]
            for some in wanted
        }
        kept = {
            s: [f for f in files if package_of(f) not in s.without] for s, files in found.items()
        }
        folder = self._folder(wanted[0].suite)
        apt.download(sorted({file for files in kept.values() for file in files}), folder)
        for some, files in kept.items():
            manifest = self._manifest(some)
            manifest.parent.mkdir(parents=True, exist_ok=True)
            manifest.write_text(json.dumps(files))

    def _manifest(self, wanted: PackageSet) -> Path:
        return self._cache / "sets" / f"{wanted.key}.json"

    def _folder(self, suite: str) -> Path:
        return self._cache / "debs" / suite


def recorded_files(manifest: Path, folder: Path) -> list[Path] | None:
    """The files that an earlier fetch recorded, or None unless all are still there."""
    try:
        files = [folder / name for name in json.loads(manifest.read_text())]
    except (FileNotFoundError, ValueError):
        return None
    return files if all(file.exists() for file in files) else None


def unpack(files: Iterable[Path], target: Path) -> None:
    """Lay the content of these packages over each other in `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        subprocess.run(["dpkg-deb", "--extract", file, target], check=True, timeout=300)


def install(
    folder: Path,
    wanted: Sequence[PackageSet],
    packages: DebianPackages,
    finish: Callable[[Path], None] = lambda _: None,
) -> Path:
    """Unpack packages into a folder named after them, below `folder`; once for all labs.

    `finish` completes the unpacked tree. It appears whole or not at all.
    """
    target = folder / "-".join(some.key[:8] for some in wanted)
    with locked(folder.with_suffix(".lock")):
        if not target.exists():
            draft = target.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            for some in wanted:
                unpack(packages.fetch(some), draft)
            finish(draft)
            draft.rename(target)
    return target


def download_wheels(requirements: Sequence[str], folder: Path, *, python: str) -> list[Path]:
    """The wheels of these pinned requirements for another Python, without dependencies."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        for requirement in requirements:
            if not find_wheel(folder, requirement):
                pip_download(requirement, folder, python)
    return [wheel for item in requirements for wheel in find_wheel(folder, item)]


def find_wheel(folder: Path, requirement: str) -> list[Path]:
    """The wheel of `name==version` in this folder, if it is there."""
    name, _, version = requirement.partition("==")
    return sorted(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"))


def pip_download(requirement: str, folder: Path, python: str) -> None:
    """Fetch one wheel with whichever pip this machine has."""
    pip = shutil.which("pip") or shutil.which("pip3")
    if pip is None:
        raise LabError(f"no pip on this machine to download {requirement}: install python3-pip")
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version", python]
    command = [pip, "download", *options, "--dest", str(folder), requirement]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=DOWNLOAD_SECONDS
    )
    if done.returncode:
        raise LabError(f"pip could not download {requirement}:\n{done.stderr.strip()[-2000:]}")


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold this file's kernel lock: two labs may share a cache."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
