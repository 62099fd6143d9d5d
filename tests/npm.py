"""npm's packages for tests, whatever processes want them at once."""

import subprocess
from pathlib import Path

from lab.packages import locked

ROOT = Path(__file__).parents[1]


def install_packages(folder: str | Path) -> None:
    """Install what the folder's package-lock.json names, and Node first where there is none."""
    with locked(ROOT / ".tools" / "npm.lock"):
        subprocess.run(
            [ROOT / "tools" / "npm.sh", folder],
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=240,
        )
