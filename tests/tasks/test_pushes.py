import datetime
import uuid
from dataclasses import dataclass, field

import httpx
import pytest

from blocks.deploy_trigger import DeployTrigger, DeployWish
from blocks.github import GitHubRepository
from blocks.github_api import GitHubApi
from delivery.errors import PrefectUnavailable
from delivery.host_state import HealthyRelease, HostState
from delivery.trigger import FILES_COMPARED_AT_MOST, AskedRun, Call, Changes, Decision
from tasks.pushes import ask_for_deploy, changes_between, deployed_revision, settle
from tests.fakes import FakeClock
from tests.pushes import sha

A_DAY = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
WISH = DeployWish("production", "tt/app", "develop", sha(9), "kim", "push to develop")
COMPARE = Decision(Call.COMPARE, "the push rewrote history", sha(1))


@dataclass
class Comparisons:
    """GitHub's compare call: what was asked, and the answers by ``base...head``."""

    answers: dict[str, dict[str, object]]
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        span = request.url.path.rpartition("/")[2]
        self.asked.append(span)
        found = self.answers.get(span)
        return httpx.Response(200 if found else 404, json=found or {"message": "Not Found"})

    def door(self) -> GitHubRepository:
        return GitHubRepository(
            GitHubApi(
                api_url="https://api.example",
                repository="tt/app",
                token="t",
                transport=httpx.MockTransport(self),
            )
        )


def compared(status: str, *names: str, before: str = "") -> dict[str, object]:
    files = [
        {"filename": name, **({"previous_filename": before} if before else {})} for name in names
    ]
    return {"status": status, "files": files}


def span(base: int, head: int) -> str:
    return f"{sha(base)}...{sha(head)}"


def test_a_push_that_simply_follows_is_compared_once() -> None:
    github = Comparisons({span(1, 2): compared("ahead", "README.md")})
    assert changes_between(github.door(), sha(1), sha(2)) == Changes(("README.md",), True)
    assert github.asked == [span(1, 2)]


@pytest.mark.parametrize("status", ["diverged", "behind"])
def test_what_a_rewritten_history_took_back_counts_as_changed(status: str) -> None:
    github = Comparisons(
        {span(1, 2): compared(status, "docs/a"), span(2, 1): compared(status, "src/A.java")}
    )
    assert settle(COMPARE, github.door(), sha(2)).call is Call.DEPLOY


def test_a_rename_out_of_the_application_counts_as_a_change_of_it() -> None:
    github = Comparisons({span(1, 2): compared("ahead", "old/A.java", before="src/A.java")})
    assert settle(COMPARE, github.door(), sha(2)).call is Call.DEPLOY


def test_a_comparison_as_long_as_github_makes_them_is_not_believed_to_be_whole() -> None:
    names = [f"docs/{number}" for number in range(FILES_COMPARED_AT_MOST)]
    github = Comparisons({span(1, 2): compared("ahead", *names)})
    assert settle(COMPARE, github.door(), sha(2)).call is Call.DEPLOY


@pytest.mark.parametrize("known", [{}, {span(1, 2): compared("diverged", "docs/a")}])
def test_a_base_that_github_forgot_deploys(known: dict[str, dict[str, object]]) -> None:
    assert settle(COMPARE, Comparisons(known).door(), sha(2)).call is Call.DEPLOY


def test_a_decision_that_is_made_asks_github_nothing() -> None:
    github = Comparisons({})
    decision = Decision(Call.DEPLOY, "src/A.java")
    assert settle(decision, github.door(), sha(2)) is decision
    assert github.asked == []


class Server(DeployTrigger):
    """A Prefect server that starts a run some looks after it got an event, or never."""

    def __init__(self, *runs: AskedRun, looks: int | None = 3) -> None:
        super().__init__("production")
        self.runs = list(runs)
        self.looks = looks
        self.events: list[uuid.UUID] = []
        self._wishes: list[DeployWish] = []

    def asked_runs(self) -> list[AskedRun]:
        if self.events and self.looks is not None:
            self.looks -= 1
            if self.looks == 0:
                self.runs.insert(0, AskedRun("new", self._wishes[-1].revision, crashed=False))
        return list(self.runs)

    def announce(self, wish: DeployWish, event_id: uuid.UUID) -> None:
        self._wishes.append(wish)
        self.events.append(event_id)


def test_a_wish_is_sent_once_and_waits_for_its_run() -> None:
    server, clock = Server(AskedRun("old", sha(8), crashed=False)), FakeClock()
    assert ask_for_deploy(server, WISH, sleep=clock.sleep)
    assert not ask_for_deploy(server, WISH, sleep=clock.sleep)
    assert (len(server.events), len(clock.sleeps)) == (1, 3)


def test_two_who_ask_at_once_send_the_same_event() -> None:
    servers = [Server(AskedRun("old", sha(8), crashed=False)) for _ in range(2)]
    for server in servers:
        ask_for_deploy(server, WISH, sleep=FakeClock().sleep)
    assert servers[0].events == servers[1].events


def test_a_revision_that_comes_back_is_a_new_event() -> None:
    first, later = Server(), Server(AskedRun("between", sha(8), crashed=False))
    for server in (first, later):
        ask_for_deploy(server, WISH, sleep=FakeClock().sleep)
    assert first.events != later.events


def test_a_run_that_crashed_is_no_answer_to_a_new_wish() -> None:
    server = Server(AskedRun("crashed", sha(9), crashed=True))
    assert ask_for_deploy(server, WISH, sleep=FakeClock().sleep)


def test_an_event_that_no_trigger_takes_is_an_error_that_says_where_to_look() -> None:
    with pytest.raises(PrefectUnavailable) as failure:
        ask_for_deploy(Server(looks=None), WISH, sleep=FakeClock().sleep)
    assert "trigger" in failure.value.next_command


def state(*revisions: str) -> HostState:
    record = tuple(
        HealthyRelease(version="1.0.0", tag="v1.0.0", revision=each, image="i", at=A_DAY)
        for each in revisions
    )
    return HostState("TT-ec2-1", "", True, "", 0, record, frozenset())


def test_what_is_deployed_is_what_every_host_last_ran_healthily() -> None:
    newer = state(sha(3), sha(1))
    assert deployed_revision([newer, state(sha(1))]) == sha(1)
    assert deployed_revision([newer, state(sha(2))]) == ""
    assert deployed_revision([state()]) == ""
    assert deployed_revision([]) == ""
