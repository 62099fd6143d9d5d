"""Build the image of `deployments/Dockerfile` in the engine of the lab that is up, offline.

    python -m tools.worker_image

The two images that it starts from are Docker Hub's. Stand-ins of their names are made here
and offered by the lab's mirror: a Debian of `debootstrap`'s with Debian's Python, and the
lab's own Docker client. The Dockerfile runs unedited, both images pinned by digest, its
packages from the machine's own mirrors. Needs root, as the lab does.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.apt import debian_mirror
from lab.engine import Engine
from lab.errors import LabError
from lab.lab import Lab
from lab.packages import STABLE, DebianPackages, PackageSet, locked, unpack
from lab.settings import default_home

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deployments" / "Dockerfile"
TAG = "tt-deploy:lab"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Which the machine trusts: a mirror may be behind one of the machine's own."""
_AUTHORITIES_INSIDE = "/usr/local/share/machine-authorities.crt"
_DEBIAN_SECONDS = 900
_INCLUDED = "ca-certificates,python3,python3-pip"


def main() -> int:
    """Build it and say how large it is."""
    lab = Lab.load(default_home())
    started = time.monotonic()
    tag = build(lab)
    megabytes = int(lab.engine().docker("image", "inspect", "--format", "{{.Size}}", tag)) / 1e6
    print(f"{tag}: {megabytes:.0f} MB compressed, in {time.monotonic() - started:.0f} s")
    return 0


def build(lab: Lab) -> str:
    """Build the image in the lab's engine; its name. Raises LabError if that fails."""
    engine = lab.engine()
    mirror = f"localhost:{lab.settings.ports['mirror']}"
    python = offer(engine, debian_with_python(lab.cache, lab.packages), mirror, asked("PYTHON"))
    with TemporaryDirectory(prefix="tt-docker-cli-") as folder:
        docker = offer(engine, docker_client(lab, Path(folder)), mirror, asked("DOCKER"))
    revision = subprocess.run(
        [ROOT / "deployments" / "revision.sh"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.strip()
    arguments = {"PYTHON": python, "DOCKER": docker, "REVISION": revision}
    options = [word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))]
    # The network of this machine: the engine's own leads nowhere.
    engine.docker(
        "build", "--network=host", "--provenance=false", "--progress=plain",
        *options, "--tag", TAG, "--file", DOCKERFILE, ROOT,
    )  # fmt: skip
    return TAG


def asked(argument: str) -> str:
    """The image that the Dockerfile takes if nobody says another."""
    found = re.search(rf"^ARG {argument}=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    if found is None:
        raise LabError(f"{DOCKERFILE} has no ARG {argument} with a default")
    return found[1]


def offer(engine: Engine, archive: Path, mirror: str, name: str) -> str:
    """Have a root file system in the mirror under an official image's name; where, by digest."""
    target = f"{mirror}/library/{name}"
    settings = [word for change in CHANGES for word in ("--change", change)]
    engine.docker("import", *settings, archive, target)
    engine.docker("push", "--quiet", target)
    digests = json.loads(
        engine.docker("image", "inspect", "--format", "{{json .RepoDigests}}", target)
    )
    return f"{target}@{str(digests[0]).rpartition('@')[2]}"


CHANGES = (
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    f"ENV SSL_CERT_FILE={_AUTHORITIES_INSIDE}",
    f"ENV PIP_CERT={_AUTHORITIES_INSIDE}",
)


# As the official images have it: what apt and dpkg leave behind is no part of what runs.
KEEPS_NO_LISTS = """\
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
"""
KEEPS_NO_MANUALS = """\
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
"""


def debian_with_python(cache: Path, packages: DebianPackages) -> Path:
    """A small Debian with Python as an archive; made once and kept beside the lab's images."""
    target = cache / "images" / f"python-{STABLE}.tar"
    with locked(target.with_suffix(".lock")), TemporaryDirectory(prefix="tt-debian-") as name:
        if not target.exists():
            bootstrap(packages, Path(name))
            name_python_as_the_official_image(Path(name) / "root")
            pack(Path(name) / "root", target)
    os.utime(target)
    return target


def bootstrap(packages: DebianPackages, folder: Path) -> None:
    """Install Debian's smallest system with Python below ``folder/root``."""
    program = folder / "debootstrap"
    unpack(packages.fetch(PackageSet(STABLE, ("debootstrap",))), program)
    options = ["--variant=minbase", f"--include={_INCLUDED}"]
    run(
        [program / "usr/sbin/debootstrap", *options, STABLE, folder / "root", debian_mirror()],
        {"DEBOOTSTRAP_DIR": str(program / "usr/share/debootstrap")},
    )


def name_python_as_the_official_image(root: Path) -> None:
    """`python` and a `pip` that installs, as there; and the authorities that the machine trusts."""
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for mark in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        mark.unlink()
    shutil.rmtree(root / "var/cache/apt/archives")
    for folder in ("doc", "man", "locale"):
        shutil.rmtree(root / "usr/share" / folder)
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    (root / "etc/apt/apt.conf.d/docker-clean").write_text(KEEPS_NO_LISTS)
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text(KEEPS_NO_MANUALS)
    shutil.copyfile(AUTHORITIES, root / _AUTHORITIES_INSIDE.lstrip("/"))


def docker_client(lab: Lab, folder: Path) -> Path:
    """The lab's own client and buildx where the official image has them, as an archive."""
    client = folder / "usr/local/bin/docker"
    plugin = folder / "usr/local/libexec/docker/cli-plugins/docker-buildx"
    tools = lab.tools()
    for target, source in (
        (client, tools.docker),
        (plugin, tools.configuration / "cli-plugins" / "docker-buildx"),
    ):
        target.parent.mkdir(parents=True)
        shutil.copy(source, target)
    archive = folder / "docker.tar"
    pack(folder / "usr", archive, below="usr")
    return archive


def pack(root: Path, target: Path, *, below: str = ".") -> None:
    """Write a tree as an archive, whole or not at all."""
    draft = target.with_suffix(".draft")
    draft.parent.mkdir(parents=True, exist_ok=True)
    where = root if below == "." else root.parent
    run(["tar", "--create", "--file", draft, "--one-file-system", "-C", where, below], {})
    draft.rename(target)


def run(command: list[str | Path], more: Mapping[str, str]) -> None:
    """Run a command; raises LabError with the end of what it said if it fails."""
    done = subprocess.run(
        command,
        env={**os.environ, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_DEBIAN_SECONDS,
    )
    if done.returncode:
        raise LabError(f"{command[0]} failed:\n{done.stdout[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
