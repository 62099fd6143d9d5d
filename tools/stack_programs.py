"""The programs that read what `stack/` deploys: Docker Compose, promtool, amtool, Redis, HAProxy.

Taken from Debian's packages into the lab's cache, nothing is installed on the machine.
`python -m tools.stack_programs COMMAND...` runs a command that finds them first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.engine import install_tools
from lab.packages import NEWER, STABLE, DebianPackages, PackageSet, install

MONITORING = PackageSet(NEWER, ("prometheus", "promtool", "prometheus-alertmanager"))
REDIS = PackageSet(
    STABLE,
    ("redis-server", "redis-tools", "libatomic1", "libjemalloc2", "liblzf1"),
)
GATEWAY = PackageSet(
    STABLE,
    ("haproxy", "libpcre2-8-0", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"),
)


def cache() -> Path:
    """Where the lab keeps what it downloaded."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tt-lab"


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """`base` with these programs in front of `PATH`, downloaded if they are not there."""
    packages = DebianPackages(cache())
    tools = install_tools(cache(), packages)
    root = install(cache() / "programs", [MONITORING, REDIS, GATEWAY], packages)
    found = [str(tools.root / "bin"), str(root / "usr/bin"), str(root / "usr/sbin")]
    return {
        **base,
        "PATH": os.pathsep.join([*found, base.get("PATH", os.defpath)]),
        "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu"),
        "DOCKER_CONFIG": str(tools.configuration),
    }


def main() -> None:
    """Become the command that the arguments name."""
    found = environment(os.environ)
    os.execvpe(sys.argv[1], sys.argv[1:], found)  # noqa: S606  # the caller's own command


if __name__ == "__main__":
    main()
