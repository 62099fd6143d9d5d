"""GitHub's REST API: what is there, what is made, and every way of being refused."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.github import Comparison, GitHubRepository, PublishedRelease
from blocks.github_api import GitHubApi, seconds_to_wait
from delivery.errors import (
    AccessDenied,
    RateLimited,
    RevisionNotFound,
    SourceError,
    SourceUnavailable,
    TagConflict,
)
from tests.fakes import FakeClock, GitHubDouble, LoopbackServer

TOKEN = "ghp_" + "a1b2" * 9
SHA = "1" * 40
OTHER = "2" * 40
Reply = Callable[[httpx.Request], httpx.Response]


def open_door(handler: Reply, clock: FakeClock | None = None, **more: Any) -> GitHubRepository:
    time = clock or FakeClock()
    return GitHubRepository(
        GitHubApi(
            api_url="https://api.github.example/",
            repository="tt/app",
            token=TOKEN,
            transport=httpx.MockTransport(handler),
            sleep=time.sleep,
            clock=time,
            **more,
        )
    )


def scripted(*replies: httpx.Response) -> tuple[Reply, list[httpx.Request]]:
    """A GitHub that gives these answers one after the other, the last one for ever."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return replies[min(len(asked), len(replies)) - 1]

    return answer, asked


def ok(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


# --- tags -------------------------------------------------------------------------------


def test_a_tag_is_made_once_and_found_again() -> None:
    github = GitHubDouble()
    door = open_door(github)
    assert door.tag_commit("v0.1.0") is None
    assert door.create_tag("v0.1.0", SHA) is True
    assert door.create_tag("v0.1.0", SHA) is False
    assert door.tag_commit("v0.1.0") == SHA


def test_an_annotated_tag_is_followed_to_its_commit() -> None:
    tag = ok({"object": {"type": "tag", "sha": "tagobject"}})
    answer, asked = scripted(tag, ok({"object": {"type": "commit", "sha": SHA}}))
    assert open_door(answer).tag_commit("v0.1.0") == SHA
    assert asked[1].url.path == "/repos/tt/app/git/tags/tagobject"


def test_a_tag_on_another_commit_is_a_conflict_that_names_both() -> None:
    github = GitHubDouble()
    github.tags["v0.1.0"] = OTHER
    with pytest.raises(TagConflict, match="exists on 222222222222, not on 111111111111"):
        open_door(github).create_tag("v0.1.0", SHA)


def test_a_commit_that_github_does_not_have_cannot_be_tagged() -> None:
    with pytest.raises(RevisionNotFound, match="111111111111"):
        open_door(GitHubDouble(holds={OTHER})).create_tag("v0.1.0", SHA)


def test_a_tag_may_hold_what_an_address_may_not() -> None:
    answer, asked = scripted(httpx.Response(404))
    assert open_door(answer).tag_commit("v1+build #2") is None
    assert asked[0].url.raw_path == b"/repos/tt/app/git/ref/tags/v1%2Bbuild%20%232"


# --- releases ---------------------------------------------------------------------------


def create(door: GitHubRepository, *, draft: bool = False) -> PublishedRelease:
    return door.create_release(
        tag="v0.1.0", sha=SHA, name="v0.1.0", body="notes", draft=draft, prerelease=False
    )


def test_a_release_is_published_with_its_words() -> None:
    github = GitHubDouble()
    made = create(open_door(github))
    assert (made.tag, made.draft) == ("v0.1.0", False)
    fields = json.loads(github.requests[-1].content)
    assert (fields["body"], fields["target_commitish"]) == ("notes", SHA)


def test_a_release_that_came_to_be_meanwhile_is_taken() -> None:
    github = GitHubDouble()
    there = github.release("v0.1.0", body="older")
    assert create(open_door(github)).id == there["id"]
    assert len(github.releases) == 1


def test_a_draft_is_found_in_the_list_however_long_it_is() -> None:
    github = GitHubDouble()
    draft = github.release("v0.1.0", draft=True)
    for number in range(150):
        github.release(f"v1.{number}.0")
    door = open_door(github)
    assert door.release_of("v0.1.0") is None
    found = door.draft_of("v0.1.0")
    assert found is not None
    assert found.id == draft["id"]
    assert door.publish_draft(found).draft is False
    assert door.draft_of("v0.1.0") is None


def test_a_release_is_none_if_there_is_none() -> None:
    assert open_door(GitHubDouble()).release_of("v0.1.0") is None


# --- branches ---------------------------------------------------------------------------


def test_the_head_of_a_branch_is_a_commit_or_none() -> None:
    answer, asked = scripted(ok({"object": {"sha": SHA}}), httpx.Response(404))
    door = open_door(answer)
    assert door.branch_head("feature/a b") == SHA
    assert asked[0].url.raw_path == b"/repos/tt/app/git/ref/heads/feature/a%20b"
    assert door.branch_head("gone") is None


def test_a_comparison_names_old_and_new_files() -> None:
    files = [{"filename": "b", "previous_filename": "a"}, {"filename": "c"}]
    answer, _ = scripted(ok({"status": "ahead", "files": files}))
    assert open_door(answer).compare(SHA, OTHER) == Comparison(("b", "a", "c"), True, True)


def test_a_comparison_of_many_files_or_of_parted_ways_says_so() -> None:
    files = [{"filename": str(number)} for number in range(300)]
    answer, _ = scripted(ok({"status": "diverged", "files": files}))
    compared = open_door(answer).compare(SHA, OTHER)
    assert compared is not None
    assert (compared.complete, compared.linear) == (False, False)


def test_commits_that_github_does_not_know_cannot_be_compared() -> None:
    answer, _ = scripted(httpx.Response(404))
    assert open_door(answer).compare(SHA, OTHER) is None


# --- waiting ----------------------------------------------------------------------------

LIMITED = httpx.Response(
    403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1060"}, json={}
)


def test_a_rate_limit_is_waited_for_and_told() -> None:
    answer, asked = scripted(LIMITED, ok({"object": {"sha": SHA}}))
    clock, told = FakeClock(now=1000.0), list[float]()
    door = open_door(answer, clock, on_wait=told.append)
    assert door.branch_head("develop") == SHA
    assert clock.sleeps == told == [61.0]
    assert len(asked) == 2


def test_writes_wait_too_and_are_then_done_once() -> None:
    github = GitHubDouble()
    github.fail("POST /repos/tt/app/git/refs", httpx.Response(429, headers={"Retry-After": "7"}))
    clock = FakeClock()
    assert open_door(github, clock).create_tag("v0.1.0", SHA) is True
    assert clock.sleeps == [7.0]


def test_a_limit_that_lasts_too_long_is_not_waited_for() -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "5000"}
    answer, asked = scripted(httpx.Response(403, headers=headers))
    clock = FakeClock(now=1000.0)
    with pytest.raises(RateLimited, match=r"until 1970-01-01 01:23:21 UTC"):
        open_door(answer, clock).branch_head("develop")
    assert (clock.sleeps, len(asked)) == ([], 1)


def test_waiting_again_and_again_ends_too() -> None:
    answer, asked = scripted(httpx.Response(429, headers={"Retry-After": "400"}))
    clock = FakeClock()
    with pytest.raises(RateLimited):
        open_door(answer, clock).branch_head("develop")
    assert sum(clock.sleeps) == 800
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (200, {"retry-after": "5"}, None),
        (403, {}, None),
        (403, {"retry-after": "5"}, 5),
        (403, {"retry-after": "0"}, 1),
        (403, {"retry-after": "soon"}, None),
        (403, {"retry-after": "Thu, 01 Jan 1970 00:20:00 GMT"}, 200),
        (403, {"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 1),
        (403, {"retry-after": "Fri, 01 Jan 9999 00:00:00 GMT"}, 86_400),
        (429, {"retry-after": "Fri, 01 Jan 99999999999999999999 00:00:00 GMT"}, 60),
        (403, {"retry-after": "9" * 400}, 86_400),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000000000"}, 86_400),
        (429, {}, 60),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1010"}, 11),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "900"}, 1),
        (403, {"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1010"}, None),
        (429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "later"}, 60),
    ],
)
def test_how_long_github_asks_to_wait(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    assert seconds_to_wait(status, headers, said="", now=1000) == seconds


SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes."


def test_a_secondary_limit_that_only_words_tell_of_is_waited_for() -> None:
    limited = httpx.Response(403, json={"message": SECONDARY})
    answer, _ = scripted(limited, ok({"object": {"sha": SHA}}))
    clock = FakeClock()
    assert open_door(answer, clock).branch_head("develop") == SHA
    assert clock.sleeps == [60.0]


def test_words_alone_make_no_limit_of_another_refusal() -> None:
    assert seconds_to_wait(404, {}, said=SECONDARY, now=1000) is None
    assert seconds_to_wait(403, {}, said="Resource not accessible", now=1000) is None


@given(
    st.sampled_from([403, 429]),
    st.dictionaries(
        st.sampled_from(["Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset"]),
        st.one_of(
            st.text("0123456789", min_size=1, max_size=400),
            st.text("Thu, 01 Jan 1970:GMT+-", max_size=40).map(str.strip),
        ),
    ),
)
def test_no_limit_however_odd_ends_in_anything_but_our_own_errors(
    status: int, headers: dict[str, str]
) -> None:
    door = open_door(scripted(httpx.Response(status, headers=headers))[0], FakeClock(now=1e9))
    with pytest.raises((RateLimited, AccessDenied)):
        door.branch_head("develop")


# --- refusals ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_github_in_trouble_is_transient(status: int) -> None:
    answer, _ = scripted(ok({"message": "Server Error"}, status))
    with pytest.raises(SourceUnavailable, match=f"{status}: Server Error"):
        open_door(answer).branch_head("develop")


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_may_not_is_told_which_right_it_lacks(status: int) -> None:
    answer, _ = scripted(ok({"message": "Resource not accessible"}, status))
    with pytest.raises(AccessDenied, match="Resource not accessible") as caught:
        open_door(answer).branch_head("develop")
    assert "contents: write" in caught.value.next_command


def test_a_write_that_finds_nothing_lacks_a_right() -> None:
    answer, _ = scripted(ok({"message": "Not Found"}, 404))
    with pytest.raises(AccessDenied):
        create(open_door(answer))


def test_any_other_refusal_is_told_in_githubs_words() -> None:
    answer, _ = scripted(ok({"message": "Validation Failed"}, 422), httpx.Response(404))
    with pytest.raises(SourceError, match=r"422.*Validation Failed") as caught:
        create(open_door(answer))
    assert not isinstance(caught.value, SourceUnavailable | AccessDenied)
    assert caught.value.where == "POST https://api.github.example/repos/tt/app/releases"


@pytest.mark.parametrize("body", ["<html>", "[]", '"x"', "", "{}", '{"object": 1}'])
def test_garbage_instead_of_a_branch_is_transient(body: str) -> None:
    answer, _ = scripted(httpx.Response(200, text=body))
    with pytest.raises(SourceUnavailable):
        open_door(answer).branch_head("develop")


@pytest.mark.parametrize("body", ["<html>", "{}", "[1]", '[{"tag_name": "v0.1.0"}]'])
def test_garbage_instead_of_releases_is_transient(body: str) -> None:
    answer, _ = scripted(httpx.Response(200, text=body))
    with pytest.raises(SourceUnavailable):
        open_door(answer).draft_of("v0.1.0")


def test_a_renamed_repository_is_followed_with_its_token() -> None:
    def moved(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/repos/"):
            place = "https://api.github.example/repositories/1/git/ref/heads/develop"
            return httpx.Response(301, headers={"Location": place})
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        return ok({"object": {"sha": SHA}})

    assert open_door(moved).branch_head("develop") == SHA


def at(server: LoopbackServer) -> GitHubRepository:
    return GitHubRepository(GitHubApi(api_url=server.url, repository="tt/app", token=TOKEN))


def test_over_a_real_socket_and_when_that_is_gone() -> None:
    with LoopbackServer(GitHubDouble("tt/app")) as server:
        door = at(server)
        assert door.create_tag("v0.1.0", SHA) is True
        door.close()
    away = at(server)
    with pytest.raises(SourceUnavailable, match="ConnectError") as caught:
        away.tag_commit("v0.1.0")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("rights", "push"), [({"push": True}, True), ({"pull": True}, False), (None, False)]
)
def test_what_the_token_may_do_and_when_it_ends(rights: object, push: bool) -> None:
    ends = {"GitHub-Authentication-Token-Expiration": "2026-12-01 00:00:00 UTC"}

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=ends, json={"permissions": rights})

    access = open_door(answer).access()
    assert (access.push, access.expires) == (push, "2026-12-01 00:00:00 UTC")


def test_a_token_that_github_does_not_accept_has_no_access() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"message": "Bad credentials"})

    with pytest.raises(AccessDenied, match="Bad credentials"):
        open_door(answer).access()
