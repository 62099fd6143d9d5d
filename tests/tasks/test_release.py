"""Finding the revision, deciding on its release and having it on GitHub."""

import dataclasses
from pathlib import Path

import httpx
import pytest
from prefect.logging import disable_run_logger

from delivery.errors import (
    AccessDenied,
    Refused,
    RevisionNotFound,
    SourceUnavailable,
    TagConflict,
)
from delivery.release import ReleasePlan
from delivery.released import Release
from tasks.release import (
    find_revision,
    make_tag_and_release,
    open_source,
    plan_and_publish,
    plan_for,
    release_as_planned,
)
from tasks.retrying import OUTAGE_SECONDS
from tests.fake_environment import FakeEnvironment, environment
from tests.fakes import refused
from tests.prefect_world import latest_artifact
from tests.repositories import GitHubOf, WorkingRepository


@pytest.fixture
def application(tmp_path: Path) -> WorkingRepository:
    repository = WorkingRepository(tmp_path / "application")
    repository.commit("feat: first")
    return repository


@pytest.fixture
def target(
    application: WorkingRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeEnvironment:
    monkeypatch.setenv("TT_CACHE", str(tmp_path / "cache"))
    made = environment(git_url=application.url)
    made._github = GitHubOf(application)
    return made


def released(target: FakeEnvironment, sha: str, *, dry_run: bool = False) -> Release:
    with disable_run_logger():
        return plan_and_publish(open_source(target), target, sha, dry_run=dry_run)


def deployed(target: FakeEnvironment, sha: str, *, running: str) -> Release:
    with disable_run_logger():
        return plan_and_publish(open_source(target), target, sha, running=running)


def found(target: FakeEnvironment, revision: str | None) -> str:
    with disable_run_logger():
        return find_revision.fn(target, revision)


class TestFindingTheRevision:
    def test_without_one_it_is_the_head_of_the_environments_branch(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        application.git("checkout", "--quiet", "-b", "other")
        other = application.commit("fix: elsewhere")
        assert found(target, None) != other
        assert found(target, "other") == other

    def test_it_is_looked_for_in_what_was_pushed_by_now(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        before = found(target, None)
        later = application.commit("fix: pushed meanwhile")
        assert (before, found(target, None)) != (later, before)
        assert found(target, None) == later

    def test_a_branch_that_vanished_is_a_clear_error(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        found(target, None)
        application.git("branch", "--move", "develop", "trunk")
        with pytest.raises(RevisionNotFound, match="no branch 'develop'"):
            found(target, None)

    def test_what_names_nothing_is_a_clear_error(self, target: FakeEnvironment) -> None:
        with pytest.raises(RevisionNotFound, match=r"'v9\.9\.9'"):
            found(target, "v9.9.9")


class TestReleasing:
    def test_a_commit_is_tagged_and_announced_with_its_notes(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        release = released(target, application.head())
        (page,) = target.on_github.releases
        assert target.on_github.tags == {release.tag: application.head()}
        assert page["tag_name"] == release.tag
        assert page["body"] == release.notes
        assert "first" in release.notes
        assert release.created

    def test_the_same_commit_again_is_the_same_release(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        first = released(target, application.head())
        again = released(target, application.head())
        assert again == dataclasses.replace(first, created=False, reason=again.reason)
        assert len(target.on_github.tags) == len(target.on_github.releases) == 1

    def test_the_next_commit_is_the_next_release(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        first = released(target, application.head())
        second = released(target, application.commit("fix: second"))
        assert second.previous_tag == first.tag
        assert second.version > first.version
        assert [page["tag_name"] for page in target.on_github.releases] == [first.tag, second.tag]

    def test_what_is_pushed_meanwhile_is_not_released_in_its_place(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        wanted = found(target, None)
        target.on_github.fail("POST .*/releases", refused())
        with pytest.raises(SourceUnavailable):
            released(target, wanted)
        application.commit("feat: pushed meanwhile")
        release = released(target, wanted)
        assert target.on_github.tags == {release.tag: wanted}
        assert len(target.on_github.releases) == 1

    def test_a_dry_run_asks_github_for_nothing(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        planned = released(target, application.head(), dry_run=True)
        assert (planned.created, planned.url) == (True, "")
        assert target.on_github.requests == []
        assert application.git("tag") == ""
        assert released(target, application.head()).tag == planned.tag

    @pytest.mark.parametrize(
        ("subject", "shown"),
        [
            ("feat: 예매 대기열을 추가한다 🎫", "예매 대기열을 추가한다 🎫"),
            ("fix: `$(reboot)` <script>alert(1)</script> [x](javascript:y) | \"'", "`$(reboot)`"),
            ("fix: " + "가" * 200_000, "가" * 100),
        ],
        ids=["korean", "hostile", "long"],
    )
    def test_any_subject_comes_through(
        self, target: FakeEnvironment, application: WorkingRepository, subject: str, shown: str
    ) -> None:
        released(target, application.head())
        release = released(target, application.commit(subject))
        body = target.on_github.of_tag(release.tag)[0]["body"]
        assert len(body) <= 125_000
        assert "<script>" not in body
        assert shown in body


class TestNotesOfADeploy:
    def test_they_begin_with_what_changes_in_the_environment(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        first = released(target, application.head())
        released(target, application.commit("fix: one"))
        last = deployed(target, application.commit("fix: two\n\nCloses #7"), running=first.tag)
        preface, _, body = last.notes.partition("\n\n")
        assert f"from `{first.tag}` to `{last.tag}`" in preface
        assert "2 commits" in preface
        assert "#7" in last.notes
        assert "**Contributors:** T" in body
        assert target.on_github.of_tag(last.tag)[0]["body"] == last.notes

    def test_a_first_deploy_says_so(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        assert deployed(target, application.head(), running="").notes.startswith("**First deploy**")

    def test_a_running_release_whose_tag_is_gone_is_still_named(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        notes = deployed(target, application.head(), running="v0.0.1-lost").notes
        assert "from `v0.0.1-lost`" in notes
        assert "Contributors" not in notes

    def test_a_release_that_is_no_deploy_has_the_notes_alone(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        assert released(target, application.head()).notes.startswith("## [0.1.0-develop.0]")

    def test_notes_too_long_for_github_are_cut_between_lines(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        long = "feat: x\n\nBREAKING CHANGE: why\n" + "예매 🎫\n" * 30_000
        for made in (
            released(target, application.commit(long)),
            deployed(target, application.commit(long), running=""),
        ):
            page = target.on_github.of_tag(made.tag)[0]
            assert page["body"] == made.notes
            assert made.notes.splitlines()[-1].endswith(" more lines")
            assert made.notes.splitlines()[-2] == "예매 🎫"


class TestOthersAtTheSameTime:
    def test_a_version_that_another_commit_takes_first_is_passed_over(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        first = application.head()
        application.git("checkout", "--quiet", "-b", "other")
        rival = application.commit("fix: theirs")
        application.git("checkout", "--quiet", "develop")
        assert isinstance(target.on_github, GitHubOf)
        target.on_github.rivals = [rival]
        mine = released(target, first)
        (theirs,) = (tag for tag, sha in target.on_github.tags.items() if sha == rival)
        assert target.on_github.tags == {theirs: rival, mine.tag: first}
        assert mine.tag != theirs
        assert len(target.on_github.of_tag(mine.tag)) == 1

    def test_whoever_loses_every_time_says_so_in_the_end(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        application.git("checkout", "--quiet", "-b", "other")
        assert isinstance(target.on_github, GitHubOf)
        target.on_github.rivals = [application.commit(f"fix: {n}") for n in range(9)]
        with pytest.raises(TagConflict):
            released(target, application.git("rev-parse", "develop"))
        assert len(target.on_github.rivals) == 6
        assert target.on_github.releases == []

    def test_a_tag_that_git_shows_here_and_github_elsewhere_is_a_conflict_at_once(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        release = released(target, application.head())
        target.on_github.tags[release.tag] = "f" * 40
        target.on_github.requests.clear()
        with pytest.raises(TagConflict, match="exists on ffffffffffff"):
            released(target, application.head())
        assert len(target.on_github.requests) == 1


class TestPlansThatReleaseNothing:
    @pytest.fixture
    def plan(self, target: FakeEnvironment, application: WorkingRepository) -> ReleasePlan:
        source = open_source(target)
        source.refresh()
        return plan_for(source, target, application.head())

    def test_nothing_to_release_is_refused_with_the_reason(
        self, plan: ReleasePlan, target: FakeEnvironment
    ) -> None:
        nothing = dataclasses.replace(plan, tag=None, version=None, reason="nobody asks")
        with pytest.raises(Refused, match="nobody asks"):
            release_as_planned(nothing, open_source(target), target, "a" * 40)

    def test_a_branch_that_makes_no_tags_is_refused(
        self, plan: ReleasePlan, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        look_only = dataclasses.replace(plan, creates_tag=False, reason="neither branch")
        with pytest.raises(Refused, match="neither branch"):
            release_as_planned(look_only, open_source(target), target, application.head())

    def test_a_tag_of_another_commit_is_not_reused_for_this_one(
        self, plan: ReleasePlan, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        held = application.head()
        application.tag(str(plan.tag))
        mine = application.commit("fix: later")
        source = open_source(target)
        source.refresh()
        taken = dataclasses.replace(plan, creates_tag=False)
        with pytest.raises(TagConflict, match=f"{held[:12]}, not on {mine[:12]}"):
            release_as_planned(taken, source, target, mine)


@pytest.mark.prefect
class TestAsATask:
    def test_it_leaves_the_notes_as_an_artifact(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        release = make_tag_and_release(target, application.head())
        artifact = latest_artifact("release-notes-testing")
        assert artifact["data"] == release.notes
        assert release.tag in artifact["description"]

    def test_an_earlier_run_that_died_halfway_is_reported(
        self, target: FakeEnvironment, application: WorkingRepository, run_log: list[str]
    ) -> None:
        first = make_tag_and_release(target, application.head())
        target.on_github.releases.clear()
        make_tag_and_release(target, application.commit("fix: second"))
        finish = f"python -m flows.release --environment testing --revision {first.tag}"
        assert f"WARNING The tag {first.tag} has no release. To make it: {finish}" in run_log

    def test_a_courtesy_look_that_fails_fails_nothing(
        self, target: FakeEnvironment, application: WorkingRepository, run_log: list[str]
    ) -> None:
        first = make_tag_and_release(target, application.head())
        target.on_github.fail(f"GET .*/releases/tags/{first.tag}", 500)
        second = make_tag_and_release(target, application.commit("fix: second"))
        assert second.url
        assert any(line.startswith(f"WARNING Whether {first.tag} has") for line in run_log)

    def test_a_wait_for_github_is_told(
        self, target: FakeEnvironment, application: WorkingRepository, run_log: list[str]
    ) -> None:
        answer = httpx.Response(429, headers={"retry-after": "37"}, json={})
        target.on_github.fail("POST .*/git/refs", answer)
        make_tag_and_release(target, application.head())
        assert "INFO GitHub's rate limit: waiting 37 s, as it asks" in run_log

    def test_github_being_away_is_waited_for(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        target.on_github.fail(".", refused(), times=len(OUTAGE_SECONDS))
        patient = make_tag_and_release.with_options(retry_delay_seconds=0)
        assert patient(target, application.head()).url
        assert len(target.on_github.releases) == 1

    def test_being_denied_is_not_tried_again(
        self, target: FakeEnvironment, application: WorkingRepository
    ) -> None:
        target.on_github.fail("POST .*/git/refs", 403)
        with pytest.raises(AccessDenied):
            make_tag_and_release.with_options(retry_delay_seconds=0)(target, application.head())
        assert target.on_github.asked("POST") == ["/repos/tt/app/git/refs"]


def test_the_tries_outlast_two_minutes_and_end_within_five() -> None:
    """Prefect's jitter of 0.3 takes a quarter off a wait, or adds three tenths."""
    assert make_tag_and_release.retry_jitter_factor == 0.3
    assert sum(OUTAGE_SECONDS) * 0.75 > 120
    assert sum(OUTAGE_SECONDS) * 1.3 < 300
    assert find_revision.retry_delay_seconds == make_tag_and_release.retry_delay_seconds
