"""From a push at GitHub to one run: GitHub's stand-in, the webhook and a real Prefect server."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from pydantic import SecretStr

from blocks.deploy_trigger import DeployTrigger
from blocks.environment import Environment, load_environment
from deployments.push_dispatch import Pace
from deployments.push_spool import PushSpool
from deployments.register import WORK_POOL
from deployments.server import ensure_work_pool
from lab.settings import LabSettings
from tasks.pushes import follow_branch
from tests.fake_environment import settings as environment_settings
from tests.free_ports import free_port
from tests.lab.services.conftest import github_of
from tests.lab_settings import settings_in
from tests.prefect_servers import ROOT, PrefectServer, prefect_server_in
from tests.pushes import a_push, headers, payload
from tests.repositories import login_to_github

pytestmark = [pytest.mark.prefect(own_server=True), pytest.mark.timeout(600)]


@dataclass
class Place:
    """A GitHub with a clone to push from, and a Prefect server that has ``deploy/lab``."""

    server: PrefectServer
    github: httpx.Client
    lab: LabSettings
    clone: Path

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=Kim", "-c", "user.email=kim@example.invalid", *arguments],
            cwd=self.clone,
            env=login_to_github(self.lab.github_token),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    def commit(self, path: str, *, push: bool = True) -> str:
        """A commit that changes ``path``; its SHA."""
        file = self.clone / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{time.time_ns()}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"chore: change {path}")
        if push:
            self.git("push", "--quiet", "origin", "HEAD:develop")
        return self.git("rev-parse", "HEAD")

    def runs(self) -> list[FlowRun]:
        """The runs of deploy/lab that were ever asked for, oldest first."""
        with get_client(sync_client=True) as client:
            return client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_ASC)

    def revisions(self) -> list[str]:
        return [run.parameters["revision"] for run in self.runs()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    lab = settings_in(folder / "lab")
    with github_of(lab) as github, prefect_server_in(folder) as server:
        url = str(github.base_url).rstrip("/")
        slug = f"{lab.owner}/{lab.repository}"
        token = environment_settings()["github"].model_copy(
            update={"token": SecretStr(lab.github_token)}
        )
        block = Environment(
            **environment_settings(
                name="lab",
                repository=slug,
                github=token,
                github_api_url=url,
                git_url=f"{url}/{slug}.git",
            )
        )
        block.save("lab")
        with get_client(sync_client=True) as client:
            ensure_work_pool(client, WORK_POOL)
        server.run("prefect", "--no-prompt", "deploy", "--name", "deploy/lab")
        clone = folder / "clone"
        subprocess.run(
            ["git", "clone", "--quiet", f"{url}/{slug}.git", clone],
            env=login_to_github(lab.github_token),
            check=True,
            timeout=60,
        )
        yield Place(server, github, lab, clone)


@contextmanager
def webhook(place: Place, spool: PushSpool) -> Iterator[str]:
    """The webhook as a user starts it, and GitHub told to call it; where it answers."""
    port = free_port()
    command = [sys.executable, "-m", "deployments.webhook", "--environment", "lab"]
    command += ["--port", str(port), "--spool", str(spool.path)]
    environment = {**place.server.environment, "TT_WEBHOOK_SECRET": place.lab.webhook_secret}
    url = f"http://127.0.0.1:{port}"
    hooks = f"/repos/{place.lab.owner}/{place.lab.repository}/hooks"
    config = {"url": f"{url}/github", "content_type": "json", "secret": place.lab.webhook_secret}
    with subprocess.Popen(command, env=environment, cwd=ROOT) as serving:
        try:
            until(lambda: answers(f"{url}/health"))
            hook = place.github.post(hooks, json={"config": config, "events": ["push"]}).json()
            yield config["url"]
            place.github.delete(f"{hooks}/{hook['id']}")
        finally:
            serving.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30).is_success
    except httpx.HTTPError:
        return False


def until(holds: Callable[[], bool], *, seconds: float = 90) -> None:
    due = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < due, "it did not come to hold"
        time.sleep(0.3)


@pytest.fixture
def spool(tmp_path: Path) -> PushSpool:
    return PushSpool(tmp_path / "webhook.sqlite")


def test_a_push_becomes_a_run_of_exactly_the_pushed_revision(
    place: Place, spool: PushSpool
) -> None:
    with webhook(place, spool):
        sha = place.commit("src/main/resources/behaviour.properties")
        until(lambda: sha in place.revisions())
        until(lambda: spool.waiting() == 0)
    run = place.runs()[-1]
    assert run.parameters["environment"] == "lab"
    assert run.parameters["actor"]
    assert "push to develop" in run.parameters["reason"]
    assert place.revisions().count(sha) == 1


def test_a_push_of_a_document_becomes_none(place: Place, spool: PushSpool) -> None:
    before = place.revisions()
    with webhook(place, spool):
        place.commit("docs/README.md")
        time.sleep(Pace().quiet + 3)
    assert (place.revisions(), spool.held()) == (before, [])


def a_burst(place: Place) -> tuple[str, float]:
    """Six pushes, of which the first deploys; the newest, and the longest time between two."""
    moments, sha = [time.monotonic()], place.commit("src/main/java/First.java")
    for number in range(5):
        moments.append(time.monotonic())
        sha = place.commit(f"docs/{number}.md")
    moments.append(time.monotonic())
    return sha, max(later - sooner for sooner, later in pairwise(moments))


def test_a_burst_of_pushes_becomes_one_run_of_the_newest(place: Place, spool: PushSpool) -> None:
    with webhook(place, spool):
        for _ in range(6):
            before = place.revisions()
            newest, pause = a_burst(place)
            if pause < Pace().quiet - 0.5:
                break
            # A busy machine had made two bursts of one.
            time.sleep(Pace().quiet)
            until(lambda: spool.waiting() == 0)
        until(lambda: newest in place.revisions())
        until(lambda: spool.waiting() == 0)
    assert place.revisions() == [*before, newest]


def test_a_thousand_pushes_in_a_minute_become_one_run_of_the_newest(
    place: Place, spool: PushSpool
) -> None:
    head = place.commit("src/main/java/Newest.java")
    before = place.revisions()
    shas = [*(f"{number:040x}" for number in range(1000)), head]
    slug = f"{place.lab.owner}/{place.lab.repository}"
    with webhook(place, spool) as url, httpx.Client(timeout=60) as sender:
        started = time.monotonic()
        for old, new in pairwise(shas):
            push = replace(a_push("src/A.java", before=old, after=new), repository=slug)
            body = payload(push)
            given = headers(body, secret=place.lab.webhook_secret)
            assert sender.post(url, content=body, headers=given).status_code == 202
        assert time.monotonic() - started < 240
        until(lambda: spool.waiting() == 0)
    assert place.revisions() == [*before, head]


def test_a_rewritten_branch_is_compared_both_ways(place: Place, spool: PushSpool) -> None:
    place.commit("src/main/java/Regretted.java")
    with webhook(place, spool):
        place.git("reset", "--quiet", "--hard", "HEAD~1")
        place.git("push", "--quiet", "--force", "origin", "HEAD:develop")
        sha = place.git("rev-parse", "HEAD")
        until(lambda: place.revisions()[-1] == sha)


def test_the_webhook_and_the_watch_ask_for_one_deploy(place: Place, spool: PushSpool) -> None:
    deployed = place.git("rev-parse", "HEAD")
    with webhook(place, spool):
        sha = place.commit("src/main/java/Both.java")
        target = load_environment("lab")
        answers = [follow_branch.fn(target, deployed) for _ in range(2)]
        until(lambda: spool.waiting() == 0)
    assert place.revisions().count(sha) == 1
    assert answers[-1].endswith("was asked for before.")
    assert follow_branch.fn(target, sha).endswith("is deployed.")


def test_the_watch_follows_the_same_rules_as_a_push(place: Place) -> None:
    deployed = place.git("rev-parse", "HEAD")
    place.commit("docs/unrelated.md")
    before = place.revisions()
    assert "deploys nothing" in follow_branch.fn(load_environment("lab"), deployed)
    assert place.revisions() == before


def test_a_push_survives_prefect_being_away(place: Place, spool: PushSpool) -> None:
    with webhook(place, spool):
        place.server.stop(kill=True)
        sha = place.commit("src/main/java/Patient.java")
        until(lambda: spool.waiting() == 1)
        time.sleep(3)
        assert spool.waiting() == 1
        place.server.start()
        until(lambda: sha in place.revisions())
        until(lambda: spool.waiting() == 0)
    assert place.revisions().count(sha) == 1
    assert next(run.revision for run in DeployTrigger("lab").asked_runs()) == sha
