"""`python -m lab commit`: a real commit on the application's branch, good or bad on purpose."""

from __future__ import annotations

import argparse
import base64
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from lab.errors import LabError
from lab.services.github_seed import BRANCH, identity
from lab.services.github_seed import run as git
from lab.settings import LabSettings

BEHAVIOUR_FILE = "src/main/resources/behaviour.properties"
CHANGE_FILE = "src/main/resources/change.properties"
BEHAVIOUR = re.compile(
    r"healthy|never-healthy|crash-after=\d+|ill-after=\d+|slow-start=\d+|fail-rate=(0(\.\d+)?|1(\.0+)?)"
)
TYPES = ("feat", "fix", "perf", "chore", "docs", "refactor", "test", "ci")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `commit`."""
    parser = subparsers.add_parser(
        "commit", help="push a commit to the application's branch; prints its SHA"
    )
    parser.add_argument("--type", default="feat", choices=TYPES, help="of the Conventional Commit")
    parser.add_argument(
        "--behaviour",
        type=behaviour,
        metavar="BEHAVIOUR",
        help="how the release will behave from now on: healthy, never-healthy, "
        "crash-after and ill-after=SECONDS of traffic, slow-start=SECONDS, fail-rate=0..1 "
        "(left as it is if not given)",
    )
    parser.add_argument("--message", help="the whole message, in place of one made up")
    parser.add_argument("--branch", default=BRANCH)
    parser.add_argument("--file", default=CHANGE_FILE, help="the file that the commit touches")
    parser.set_defaults(run=run)


def behaviour(text: str) -> str:
    """One of the behaviours that the sample application knows."""
    if not BEHAVIOUR.fullmatch(text):
        raise argparse.ArgumentTypeError(f"unknown behaviour {text!r}")
    return text


def run(args: argparse.Namespace) -> int:
    """Commit, push, print the SHA."""
    settings = LabSettings.load(args.home)
    message = args.message or f"{args.type}: {subject(args.behaviour)}"
    print(push(settings, message, args.branch, args.file, args.behaviour))
    return 0


def push(
    settings: LabSettings,
    message: str,
    branch: str = BRANCH,
    file: str = CHANGE_FILE,
    behaviour: str | None = None,
) -> str:
    """Push one commit that touches `file`, and the behaviour if one is given; return its SHA."""
    remote = f"{settings.url('github')}/{settings.slug}.git"
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        access = authorization(settings.github_token)
        try:
            clone = ("clone", "--quiet", "--depth=1", f"--branch={branch}", remote, ".")
            git(work, *clone, env=access)
            change(work, file, behaviour)
            git(work, "add", "--all")
            moment = datetime.now(UTC)
            git(work, "commit", "--quiet", "-m", message, env=dict(identity("jiwoo", moment)))
            git(work, "push", "--quiet", "origin", branch, env=access)
        except RuntimeError as error:
            raise LabError(f"could not push to {remote}: {error}") from error
        return git(work, "rev-parse", "HEAD").strip()


def change(work: Path, file: str, behaviour: str | None) -> None:
    """Make a change that no commit made before, so that every release is a new image."""
    target = work / file
    target.parent.mkdir(parents=True, exist_ok=True)
    before = target.read_text() if target.exists() else ""
    line = f"change={datetime.now(UTC).isoformat()}\n"
    target.write_text(line if file == CHANGE_FILE else f"{before}# {line}")
    if behaviour is not None:
        properties = work / BEHAVIOUR_FILE
        text = properties.read_text() if properties.exists() else ""
        kept = [row for row in text.splitlines() if not row.startswith("behaviour=")]
        properties.parent.mkdir(parents=True, exist_ok=True)
        properties.write_text("\n".join([*kept, f"behaviour={behaviour}"]) + "\n")


def subject(behaviour: str | None) -> str:
    """What a made-up commit says it does."""
    return f"let the application be {behaviour}" if behaviour else "change something small"


def authorization(token: str) -> dict[str, str]:
    """The token for git, in its environment: on the command line every user could read it."""
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }
