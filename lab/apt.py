"""apt-get with lists and a status of its own, on the mirror that this machine's apt uses."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DOWNLOAD_SECONDS = 900


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

    def files_of(self, names: Iterable[str], *, with_dependencies: bool = False) -> list[str]:
        """The file names of these packages, or of these and all that they depend on."""
        if with_dependencies:
            command = ["install", "--no-install-recommends", "--print-uris"]
        else:
            command = ["download", "--print-uris"]
        return package_files(self.run(*command, *names))

    def download(self, files: Iterable[str], folder: Path) -> None:
        """Download those of these files that the folder lacks, all at once."""
        folder.mkdir(parents=True, exist_ok=True)
        missing = [file for file in files if not (folder / file).exists()]
        if missing:
            self.run("download", *(package_of(file) for file in missing), cwd=folder)

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


def package_files(listing: str) -> list[str]:
    """File names out of what `apt-get --print-uris` prints: `'URI' FILE SIZE HASH`."""
    return [line.split()[1] for line in listing.splitlines() if line.startswith("'")]


def package_of(file: str) -> str:
    """The package that a file is of: `git_1%3a2.39.5_amd64.deb` is git's."""
    return file.partition("_")[0]


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
