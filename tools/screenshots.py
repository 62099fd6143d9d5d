"""Pictures of the Prefect UI of the lab that is up, for the documents: ``docs/images``.

Needs a run of the deploy flow to show (``make demo`` leaves one), and Chromium from
Debian's packages, which it installs where it may.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from tools.running_lab import latest_run, report_of, running_lab

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = Path("/usr/bin/chromium")
# Without the ones that keep it from the network, it asks its maker's hosts at every start.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WIDTH = 1440
_LOADING_MILLISECONDS = 30_000
# The graph is drawn on a canvas, which tells nobody when it is done.
_DRAWING_MILLISECONDS = 2_000


@dataclass(frozen=True, slots=True)
class Picture:
    """One page of the UI, and a text that is there once it shows what we want."""

    name: str
    path: str
    shows: str
    height: int = 900


def main() -> None:
    """Take every picture of the newest deploy."""
    lab = running_lab()
    ensure_chromium()
    IMAGES.mkdir(parents=True, exist_ok=True)
    with browser_page() as page:
        for picture in pictures(lab.prefect_api_url):
            target = IMAGES / f"{picture.name}.png"
            take(page, lab.prefect_ui_url, picture, target)
            print(target.relative_to(Path.cwd()))


def pictures(api_url: str) -> list[Picture]:
    """What to show of the newest run of the deploy flow."""
    run_id = latest_run(api_url, "deploy")
    report = report_of(api_url, run_id)
    deployment = httpx.get(f"{api_url}/deployments/name/deploy/lab", timeout=30).json()["id"]
    return [
        Picture("dashboard", "/dashboard", "Flow Runs"),
        Picture("deploy-run", f"/runs/flow-run/{run_id}", "Task Runs"),
        Picture(
            "deploy-report", f"/v2/artifacts/artifact/{report.id}", "Show Raw Data", height=2150
        ),
        Picture("deploy-form", f"/deployments/deployment/{deployment}/run", "Validate parameters"),
    ]


def take(page: Page, ui_url: str, picture: Picture, target: Path) -> None:
    """Save one picture; raises playwright's TimeoutError if the page does not show its text."""
    page.set_viewport_size({"width": _WIDTH, "height": picture.height})
    page.goto(ui_url + picture.path, timeout=_LOADING_MILLISECONDS)
    page.get_by_text(picture.shows).first.wait_for(timeout=_LOADING_MILLISECONDS)
    page.wait_for_load_state("networkidle", timeout=_LOADING_MILLISECONDS)
    page.wait_for_timeout(_DRAWING_MILLISECONDS)
    page.screenshot(path=target)


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page in a headless Chromium with a profile of its own."""
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=list(FLAGS),
        )
        try:
            yield context.new_page()
        finally:
            context.close()


def ensure_chromium() -> None:
    """Install Chromium from Debian's packages if it is missing; root only."""
    if CHROMIUM.exists():
        return
    if os.geteuid() != 0:
        raise SystemExit("Chromium is missing: apt-get install chromium fonts-dejavu-core")
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, timeout=300)
    subprocess.run([*install, "chromium", "fonts-dejavu-core"], check=True, env=quiet, timeout=600)


if __name__ == "__main__":
    main()
