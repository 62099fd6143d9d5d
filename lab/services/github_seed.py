"""The application's repository as GitHub has it when the lab is new.

`stack/**` and `lab/application/**` laid over each other, committed in the steps in which a
team would have written them, with an early release.
"""

from __future__ import annotations

import fcntl
import fnmatch
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.services.github_git import ENVIRONMENT, GIT_SECONDS
from lab.services.github_store import GitHubStore
from lab.settings import LabSettings

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (ROOT / "stack", ROOT / "lab" / "application")
MADE_BY_BUILDS = frozenset({"build", ".gradle", "__pycache__", ".git"})
BRANCH = "develop"
FIRST_TAG = "v0.1.0"
README = """# TT Backend

Tickets, sold in a minute. `./gradlew bootJar` builds it, `docker/docker-compose.yml` runs it.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One commit of the history: the files it brings, by pattern."""

    days_ago: int
    author: str
    message: str
    patterns: tuple[str, ...]
    tag: str = ""


STEPS = (
    Step(42, "jiwoo", "chore: 프로젝트 뼈대", ("gradle*", "settings.gradle", ".git*", "README.md")),
    Step(
        40,
        "minseo",
        "feat(ticket): issue tickets and keep them in Postgres",
        ("build.gradle", "src/*"),
    ),
    Step(
        35,
        "jiwoo",
        "feat(docker): 이미지와 Compose 스택",
        ("Dockerfile", ".docker*", "docker/*"),
        FIRST_TAG,
    ),
    Step(20, "haeun", "feat(monitoring): Prometheus와 Alertmanager", ("monitoring/*",)),
    Step(12, "minseo", "ci: deploy on a push to develop", (".github/*",)),
    Step(3, "haeun", "fix: keep what the earlier commits left out", ("*",)),
)
"""A step that finds no files of its own left is passed over."""


def seed(settings: LabSettings) -> None:
    """Make the bare repository and its first release, unless they are there.

    Before the service starts: it reads the release once. `lab up` and the service may both
    come here at once; the lock lets one of them do it.
    """
    bare = settings.home / "github" / f"{settings.repository}.git"
    bare.parent.mkdir(parents=True, exist_ok=True)
    with bare.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not bare.exists():
            _make(settings, bare)


def _make(settings: LabSettings, bare: Path) -> None:
    draft = bare.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    make_bare(draft)
    with tempfile.TemporaryDirectory() as work:
        commit_steps(Path(work), files(SOURCES))
        run(Path(work), "push", "--quiet", str(draft), BRANCH, "--tags")
    release(settings, draft)
    draft.rename(bare)


def make_bare(path: Path) -> None:
    """An empty repository that answers as GitHub's do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run(path.parent, "init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(path))
    for key, value in {
        "http.receivepack": "true",
        "uploadpack.allowFilter": "true",
        "uploadpack.allowReachableSHA1InWant": "true",
        "uploadpack.allowTipSHA1InWant": "true",
        "gc.auto": "0",
    }.items():
        run(path, "config", key, value)


def files(sources: Sequence[Path]) -> dict[str, Path]:
    """Every file of the application by its path there; a later source covers an earlier."""
    found = {
        str(path.relative_to(source)): path
        for source in sources
        for path in sorted(source.rglob("*"))
        if path.is_file() and not MADE_BY_BUILDS & set(path.relative_to(source).parts)
    }
    return dict(sorted(found.items()))


def commit_steps(work: Path, left: dict[str, Path]) -> None:
    """Commit the files step by step in a new repository at `work`."""
    run(work, "init", "--quiet", f"--initial-branch={BRANCH}")
    (work / "README.md").write_text(README)
    mine = {"README.md": work / "README.md"}
    left = {**mine, **left}
    for step in STEPS:
        paths = [path for path in left if any(fnmatch.fnmatch(path, p) for p in step.patterns)]
        for path in paths:
            source = left.pop(path)
            target = work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if source != target:
                shutil.copy2(source, target)
        if paths:
            commit(work, step, paths)


def commit(work: Path, step: Step, paths: Sequence[str]) -> None:
    """One commit, dated so many days back."""
    moment = datetime.now(UTC) - timedelta(days=step.days_ago)
    run(work, "add", "--", *paths)
    run(work, "commit", "--quiet", "-m", step.message, env=dict(identity(step.author, moment)))
    if step.tag:
        run(work, "tag", step.tag)


def release(settings: LabSettings, bare: Path) -> None:
    """The release of the first tag, as GitHub keeps it."""
    moment = run(
        bare, "log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd", FIRST_TAG
    ).strip()
    store = GitHubStore(settings.home / "github" / "state.json")
    with store.change():
        store.add(
            "releases",
            {
                "tag_name": FIRST_TAG,
                "target_commitish": BRANCH,
                "name": FIRST_TAG,
                "body": "The first release: tickets, in a container.",
                "draft": False,
                "prerelease": False,
                "make_latest": "legacy",
                "created_at": moment,
                "updated_at": moment,
                "published_at": moment,
            },
        )


def identity(author: str, moment: datetime) -> Iterator[tuple[str, str]]:
    """The environment that makes git take somebody, at some time, for the author."""
    for role in ("AUTHOR", "COMMITTER"):
        yield f"GIT_{role}_NAME", author.title()
        yield f"GIT_{role}_EMAIL", f"{author}@tt.example"
        yield f"GIT_{role}_DATE", moment.strftime("%Y-%m-%dT%H:%M:%S+0000")


def run(directory: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Run git; a failure here is a bug of the lab."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=directory,
        env={**ENVIRONMENT, "PATH": os.environ["PATH"], **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=GIT_SECONDS,
    )
    if done.returncode != 0:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
