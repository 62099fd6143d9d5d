"""One tag and one release on GitHub, wherever an earlier run died."""

from contextlib import suppress

import httpx
import pytest

from delivery.errors import (
    AccessDenied,
    RateLimited,
    RevisionNotFound,
    SourceError,
    SourceUnavailable,
    TagConflict,
)
from delivery.released import Release
from tasks.publishing import left_unfinished, publish
from tests.fake_environment import FakeEnvironment, environment
from tests.fakes import Killed, refused

SHA = "a" * 40
OTHER = "b" * 40
FINISH = "python -m flows.release --environment testing --revision v0.1.0"


def release(version: str = "0.1.0", notes: str = "## 0.1.0\n\n* a thing\n") -> Release:
    return Release(
        tag=f"v{version}",
        version=version,
        sha=SHA,
        previous_tag="v0.0.9",
        notes=notes,
        url="",
        created=True,
        reason="a reason",
    )


def published(target: FakeEnvironment, what: Release | None = None) -> Release:
    return publish(target.github_door(), target, what or release())


class TestOnce:
    def test_a_new_release_gets_a_tag_on_its_commit_and_a_page(self) -> None:
        target = environment()
        done = published(target)
        (page,) = target.on_github.releases
        assert target.on_github.tags == {"v0.1.0": SHA}
        assert (page["tag_name"], page["target_commitish"]) == ("v0.1.0", SHA)
        assert page["body"] == "## 0.1.0\n\n* a thing\n"
        assert (done.url, done.created) == (page["html_url"], True)

    def test_a_second_run_writes_nothing(self) -> None:
        target = environment()
        first = published(target)
        written = target.on_github.asked("POST")
        second = published(target)
        assert target.on_github.asked("POST") == written
        assert (second.url, second.created) == (first.url, False)

    def test_a_tag_without_a_release_gets_it(self) -> None:
        target = environment()
        target.on_github.tags["v0.1.0"] = SHA
        assert published(target).created
        assert len(target.on_github.of_tag("v0.1.0")) == 1

    def test_a_tag_on_another_commit_is_a_conflict_and_stays_where_it_is(self) -> None:
        target = environment()
        target.on_github.tags["v0.1.0"] = OTHER
        with pytest.raises(TagConflict, match=f"exists on {OTHER[:12]}, not on {SHA[:12]}"):
            published(target)
        assert target.on_github.tags == {"v0.1.0": OTHER}
        assert target.on_github.releases == []

    def test_a_tag_that_another_run_makes_meanwhile_on_another_commit_is_a_conflict(self) -> None:
        target = environment()
        target.on_github.fail(r"GET .*/git/ref/tags/v0.1.0", 404)
        target.on_github.tags["v0.1.0"] = OTHER
        with pytest.raises(TagConflict):
            published(target)

    def test_a_tag_that_another_run_makes_meanwhile_on_this_commit_is_welcome(self) -> None:
        target = environment()
        target.on_github.fail(r"GET .*/git/ref/tags/v0.1.0", 404)
        target.on_github.tags["v0.1.0"] = SHA
        published(target)
        assert len(target.on_github.of_tag("v0.1.0")) == 1

    def test_a_release_that_another_run_makes_meanwhile_is_taken(self) -> None:
        target = environment()
        theirs = target.on_github.release("v0.1.0")
        target.on_github.fail(r"GET .*/releases/tags/v0.1.0", 404)
        assert published(target).url == theirs["html_url"]
        assert target.on_github.releases == [theirs]

    def test_a_commit_that_github_no_longer_has_is_not_found(self) -> None:
        target = environment()
        target.on_github.holds = {OTHER}
        with pytest.raises(RevisionNotFound, match=SHA[:12]):
            published(target)
        assert (target.on_github.tags, target.on_github.releases) == ({}, [])


REQUESTS_OF_A_NEW_RELEASE = 5


def test_a_new_release_takes_five_requests() -> None:
    """Else the crash points below are not all of them."""
    target = environment()
    published(target)
    assert len(target.on_github.requests) == REQUESTS_OF_A_NEW_RELEASE


@pytest.mark.parametrize("draft", [False, True], ids=["published", "draft"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(REQUESTS_OF_A_NEW_RELEASE))
class TestEveryCrashPoint:
    def test_a_run_that_died_there_is_completed_by_the_next(
        self, at: int, after: bool, draft: bool
    ) -> None:
        target = environment(releases={"draft": draft})
        target.on_github.kill(at, after=after)
        with pytest.raises(Killed):
            published(target)
        target.on_github.recover()
        published(target)
        assert target.on_github.tags == {"v0.1.0": SHA}
        assert [each["draft"] for each in target.on_github.of_tag("v0.1.0")] == [draft]

    def test_two_runs_that_died_one_after_the_other_are_completed_by_the_third(
        self, at: int, after: bool, draft: bool
    ) -> None:
        for second in range(REQUESTS_OF_A_NEW_RELEASE):
            target = environment(releases={"draft": draft})
            for point in (at, second):
                target.on_github.kill(point, after=after)
                with suppress(Killed):  # the second run may be shorter than its crash point
                    published(target)
                target.on_github.recover()
            published(target)
            assert target.on_github.tags == {"v0.1.0": SHA}
            assert len(target.on_github.releases) == 1

    def test_an_outage_there_may_pass_and_the_next_try_completes_it(
        self, at: int, after: bool, draft: bool
    ) -> None:
        target = environment(releases={"draft": draft})
        outage = [r"GET .*/git/ref/", r"POST .*/git/refs", r"GET .*/releases/tags/"]
        outage += [r"GET .*/releases$", r"POST .*/releases$"]
        target.on_github.fail(outage[at], refused(), after=after)
        with pytest.raises(SourceUnavailable) as failure:
            published(target)
        half_made = "v0.1.0" in target.on_github.tags and at > 1
        assert (FINISH in failure.value.next_command) == half_made
        published(target)
        assert target.on_github.tags == {"v0.1.0": SHA}
        assert len(target.on_github.releases) == 1


class TestHalfMade:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [(403, AccessDenied), (404, AccessDenied), (500, SourceUnavailable), (422, SourceError)],
    )
    def test_a_tag_whose_release_cannot_be_made_is_reported_with_what_finishes_it(
        self, status: int, kind: type[SourceError]
    ) -> None:
        target = environment()
        target.on_github.fail(r"POST .*/releases", status)
        with pytest.raises(kind) as failure:
            published(target)
        assert type(failure.value) is kind
        assert f"The tag v0.1.0 is on {SHA[:12]}, but it has no release yet" in str(failure.value)
        assert failure.value.next_command.endswith(FINISH)
        assert target.on_github.tags == {"v0.1.0": SHA}

    def test_a_missing_right_still_says_what_the_token_needs(self) -> None:
        target = environment()
        target.on_github.fail(r"POST .*/releases", 403)
        with pytest.raises(AccessDenied) as failure:
            published(target)
        assert "contents: write" in failure.value.next_command

    def test_an_answer_that_is_no_release_is_reported_too(self) -> None:
        target = environment()
        target.on_github.fail(r"POST .*/releases", httpx.Response(201, json={"id": 1}))
        with pytest.raises(SourceUnavailable) as failure:
            published(target)
        assert FINISH in failure.value.next_command

    def test_a_tag_that_may_not_be_made_leaves_nothing_half_made(self) -> None:
        target = environment()
        target.on_github.fail(r"POST .*/git/refs", 403)
        with pytest.raises(AccessDenied) as failure:
            published(target)
        assert FINISH not in failure.value.next_command
        assert target.on_github.asked("POST") == ["/repos/tt/app/git/refs"]

    def test_a_tag_without_release_and_draft_is_unfinished(self) -> None:
        target = environment()
        github = target.github_door()
        assert not left_unfinished(github, "v0.0.9")
        target.on_github.tags["v0.0.9"] = OTHER
        assert left_unfinished(github, "v0.0.9")
        target.on_github.release("v0.0.9", draft=True)
        assert not left_unfinished(github, "v0.0.9")


class TestMarks:
    @pytest.mark.parametrize(
        ("version", "setting", "marked"),
        [
            ("0.1.0", "by version", False),
            ("0.1.0-develop.3", "by version", True),
            ("0.1.0-develop.3", "never", False),
        ],
    )
    def test_pre_releases_are_marked_as_the_environment_says(
        self, version: str, setting: str, marked: bool
    ) -> None:
        target = environment(releases={"prerelease": setting})
        published(target, release(version))
        assert target.on_github.releases[0]["prerelease"] is marked

    def test_a_draft_stays_one_and_is_made_once(self) -> None:
        target = environment(releases={"draft": True})
        first, second = published(target), published(target)
        (page,) = target.on_github.releases
        assert page["draft"] is True
        assert (first.created, second.created) == (True, False)

    def test_a_draft_that_a_person_prepared_is_published_with_their_words(self) -> None:
        target = environment()
        target.on_github.release("v0.1.0", draft=True, body="Written by hand.")
        published(target)
        (page,) = target.on_github.releases
        assert (page["draft"], page["body"]) == (False, "Written by hand.")

    def test_a_draft_is_found_behind_hundreds_of_releases(self) -> None:
        target = environment()
        mine = target.on_github.release("v0.1.0", draft=True)
        for number in range(205):
            target.on_github.release(f"v9.0.{number}")
        published(target)
        assert target.on_github.of_tag("v0.1.0") == [mine]
        assert mine["draft"] is False

    def test_a_person_may_have_published_more_than_a_draft_is_asked_for(self) -> None:
        target = environment(releases={"draft": True})
        target.on_github.release("v0.1.0")
        published(target)
        assert len(target.on_github.releases) == 1


class TestNotes:
    @pytest.mark.parametrize(
        "notes",
        [
            "### Features\n\n* 예매 대기열 🎫 추가\n",
            "* `$(reboot)` <script>alert(1)</script> [x](javascript:y) \u202e | \\ \" ' \x00\n",
        ],
        ids=["korean", "hostile"],
    )
    def test_they_arrive_as_they_are(self, notes: str) -> None:
        target = environment()
        published(target, release(notes=notes))
        assert target.on_github.releases[0]["body"] == notes

    def test_no_more_is_sent_than_github_takes(self) -> None:
        target = environment()
        published(target, release(notes="* 예매 🎫\n" * 30_000))
        lines = target.on_github.releases[0]["body"].split("\n")
        assert set(lines[:-1]) == {"* 예매 🎫"}
        assert lines[-1].endswith(" more lines")


def limited(**headers: str) -> httpx.Response:
    return httpx.Response(403, headers=headers, json={"message": "rate limit exceeded"})


class TestRateLimits:
    @pytest.mark.parametrize("call", [r"GET .*/git/ref/", r"POST .*/git/refs", r"POST .*/releases"])
    def test_reads_and_writes_wait_as_long_as_github_asks(self, call: str) -> None:
        target = environment()
        target.on_github.fail(call, limited(**{"retry-after": "37"}), times=2)
        published(target)
        assert target.waits == [37, 37]
        assert target.on_github.tags == {"v0.1.0": SHA}
        assert len(target.on_github.releases) == 1

    def test_the_wait_ends_just_after_the_limit_is_reset(self) -> None:
        target = environment()
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1090"}
        target.on_github.fail(r"POST .*/git/refs", limited(**headers))
        published(target)
        assert target.waits == [91]

    def test_a_limit_that_lasts_is_given_up_after_a_quarter_of_an_hour_at_most(self) -> None:
        target = environment()
        answer = httpx.Response(429, json={"message": "slow down"})
        target.on_github.fail(r"POST .*/releases", answer, times=1000)
        with pytest.raises(RateLimited) as failure:
            published(target)
        assert sum(target.waits) == 900
        assert FINISH in failure.value.next_command

    def test_a_longer_limit_is_not_waited_for_and_says_when_it_ends(self) -> None:
        target = environment()
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4600"}
        target.on_github.fail(r"GET ", limited(**headers))
        with pytest.raises(RateLimited, match=r"until 1970-01-01 01:16:41 UTC"):
            published(target)
        assert target.waits == []

    def test_a_wait_is_told_before_it_begins(self) -> None:
        target = environment()
        told: list[tuple[float, int]] = []
        target.on_github.fail(r"GET ", limited(**{"retry-after": "5"}))
        door = target.github_door(on_wait=lambda s: told.append((s, len(target.waits))))
        publish(door, target, release())
        assert told == [(5, 0)]
