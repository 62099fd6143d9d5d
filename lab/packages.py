"""Debian and PyPI packages, downloaded once and kept in the cache.

The lab installs nothing on the machine: packages are fetched with a state of apt's own
kept in the cache, and unpacked where they are needed. The mirror is the one this
machine's apt already uses, whatever it is.
"""

from __future__ import annotations

import fcntl
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lab.errors import LabError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
STABLE = "bookworm"
DOWNLOAD_SECONDS = 900
NEWER = "forky"
"""Where Docker 28.5 with buildx and Compose 2.40 come from; the stable suite has Docker 20."""


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
        manifest = self._cache / "sets" / f"{wanted.key}.json"
        folder = self._cache / "debs" / wanted.suite
        with locked(self._cache / f"{wanted.suite}.lock"):
            files = recorded_files(manifest, folder)
            if files is None:
                files = self._download(wanted, folder)
                manifest.parent.mkdir(parents=True, exist_ok=True)
                manifest.write_text(json.dumps([file.name for file in files]))
        return files

    def _download(self, wanted: PackageSet, folder: Path) -> list[Path]:
        """Have apt fetch what is missing; if it cannot, once more with newer lists."""
        apt = Apt.in_folder(self._cache / "apt" / wanted.suite, wanted.suite)
        try:
            return apt.fetch(wanted, folder)
        except LabError:
            # The lists may name versions that the mirror has replaced since.
            apt.run("update")
            return apt.fetch(wanted, folder)


@dataclass(frozen=True, slots=True)
class Apt:
    """apt-get with lists and status of its own, so that the machine's stay as they are."""

    configuration: Path

    @classmethod
    def in_folder(cls, folder: Path, suite: str) -> Apt:
        """Prepare a private apt for one suite; fetches the suite's list the first time."""
        apt = cls(folder / "apt.conf")
        if not (folder / "ready").exists():
            (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            (folder / "status").write_text("")
            source = f"deb [signed-by={KEYRING}] {debian_mirror()} {suite} main\n"
            (folder / "sources.list").write_text(source)
            apt.configuration.write_text(APT_CONFIGURATION.format(folder=folder))
            apt.run("update")
            (folder / "ready").touch()
        return apt

    def fetch(self, wanted: PackageSet, folder: Path) -> list[Path]:
        """Ask what the set consists of, then download what the folder lacks of it."""
        if wanted.with_dependencies:
            listing = self.run("install", "--no-install-recommends", "--print-uris", *wanted.names)
        else:
            listing = self.run("download", "--print-uris", *wanted.names)
        files = package_files(listing)
        names = [file for file in files if file.split("_")[0] not in wanted.without]
        folder.mkdir(parents=True, exist_ok=True)
        missing = [name for name in names if not (folder / name).exists()]
        if missing:
            self.run("download", *(name.split("_")[0] for name in missing), cwd=folder)
        return [folder / name for name in names]

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """What `apt-get` printed; raise `LabError` with its complaint if it failed."""
        command = ["apt-get", "-qq", "-c", str(self.configuration), *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=cwd,
            check=False,
            timeout=DOWNLOAD_SECONDS,
        )
        if done.returncode:
            raise LabError(f"{shlex.join(command[:5])} ... failed:\n{done.stderr.strip()[-2000:]}")
        return done.stdout


APT_CONFIGURATION = """\
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Sandbox::User "root";
APT::Architectures {{ "amd64"; }};
Acquire::Languages "none";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def recorded_files(manifest: Path, folder: Path) -> list[Path] | None:
    """The files that an earlier fetch recorded, or None unless all are still there."""
    try:
        files = [folder / name for name in json.loads(manifest.read_text())]
    except (FileNotFoundError, ValueError):
        return None
    return files if all(file.exists() for file in files) else None


def package_files(listing: str) -> list[str]:
    """File names out of what `apt-get --print-uris` prints: `'URI' FILE SIZE HASH`."""
    return [line.split()[1] for line in listing.splitlines() if line.startswith("'")]


def debian_mirror(etc: Path = Path("/etc/apt")) -> str:
    """The address this machine's apt takes Debian from; raise `LabError` if it has none."""
    for uri, suites in apt_sources(etc):
        if any(re.fullmatch(r"[a-z]+", suite) for suite in suites) and is_debian(uri):
            return uri
    raise LabError(f"{etc} names no Debian mirror; the lab needs Debian's packages")


def is_debian(uri: str) -> bool:
    """Whether an apt address is Debian's main archive (not its security or a vendor's)."""
    return uri.rstrip("/").rpartition("/")[2] == "debian"


def apt_sources(etc: Path) -> Iterator[tuple[str, list[str]]]:
    """Each (URI, suites) of the machine's sources, in both of apt's formats."""
    for file in sorted(etc.glob("sources.list.d/*.sources")):
        for stanza in file.read_text().split("\n\n"):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
            if "deb" in fields.get("Types", "").split():
                for uri in fields.get("URIs", "").split():
                    yield uri, fields.get("Suites", "").split()
    for file in [etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list"))]:
        for line in file.read_text().splitlines() if file.exists() else []:
            entry = re.match(r"deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", line)
            if entry:
                yield entry[1], [entry[2]]


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
