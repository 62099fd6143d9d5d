"""`python -m lab down`: ends and removes everything that the lab made on this machine."""

from __future__ import annotations

import argparse
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.engine import Engine, engine_answers
from lab.errors import LabError
from lab.images.build import INPUTS_LABEL
from lab.lab import Lab, lock_file
from lab.packages import locked
from lab.prefect import DATABASE_PROCESS
from lab.private_engine import PrivateEngine
from lab.settings import settings_file


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `down`."""
    parser = subparsers.add_parser("down", help="remove everything the lab made")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Take the lab down; without one there is nothing to do."""
    started = time.monotonic()
    with locked(lock_file(args.home)):
        if not settings_file(args.home).exists():
            print(f"No lab in {args.home}.")
            return 0
        take_down(Lab.load(args.home))
    lock_file(args.home).unlink(missing_ok=True)
    print(f"Down in {time.monotonic() - started:.1f} s; nothing is left but the downloads.")
    return 0


def take_down(lab: Lab) -> None:
    """End the processes, the engine's part and the files, in whatever state they are."""
    private = lab.private_engine()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lab.processes.stop, others(lab)))
    # Last: while somebody is connected it does not end when it is asked to.
    lab.processes.stop(DATABASE_PROCESS)
    if private:
        private.stop()
    elif engine_answers(lab.settings.engine):
        clear_engine(lab.engine(), lab.settings.name)
    lab.processes.kill_strays()
    remove_home(lab.settings.home)


def others(lab: Lab) -> list[str]:
    """The lab's processes but its engine and its database."""
    last = (PrivateEngine.NAME, DATABASE_PROCESS)
    return [name for name in lab.processes.names() if name not in last]


def clear_engine(engine: Engine, name: str) -> None:
    """Remove this lab's objects from an engine that others use, and the images with the last."""
    for container in engine.labelled("container", name):
        engine.docker("rm", "--force", "--volumes", container)
    for volume in engine.labelled("volume", name):
        engine.docker("volume", "rm", "--force", volume)
    others_of_labs = engine.docker("ps", "--all", "--quiet", "--filter", "label=tt-lab")
    if not others_of_labs:
        images = engine.docker("images", "--quiet", "--filter", f"label={INPUTS_LABEL}").split()
        if images:
            engine.docker("rmi", "--force", *sorted(set(images)))


def remove_home(home: Path) -> None:
    """Delete the home, the settings last: until then a second `down` knows what to do."""
    for entry in home.iterdir():
        if entry == settings_file(home):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    settings_file(home).unlink()
    try:
        home.rmdir()
    except OSError as error:
        raise LabError(f"{home} got new files while it was removed: {error}") from error
