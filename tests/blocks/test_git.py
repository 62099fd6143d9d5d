"""The worker's clone of the application's repository, against real git."""

import base64
import datetime
import fcntl
import multiprocessing
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from blocks.git import SourceRepository, cache_folder
from delivery.errors import AccessDenied, RevisionNotFound, SourceError, SourceUnavailable
from tests.repositories import WorkingRepository

TOKEN = "ghp_" + "a1b2c3d4e5f6g7h8i9j0"


@pytest.fixture
def application(tmp_path: Path) -> WorkingRepository:
    repository = WorkingRepository(tmp_path / "application")
    repository.commit("feat: first")
    return repository


def opened(url: str, tmp_path: Path) -> SourceRepository:
    return SourceRepository(url, token=TOKEN, cache=tmp_path / "cache", network_seconds=120)


@pytest.fixture
def clone(application: WorkingRepository, tmp_path: Path) -> SourceRepository:
    source = opened(application.url, tmp_path)
    source.refresh()
    return source


def subjects(source: SourceRepository, *, after: str | None, until: str) -> list[str]:
    return [commit.message for commit in source.commits(after=after, until=until)]


class TestKeepingUp:
    def test_the_first_refresh_clones_all_of_the_history(
        self, application: WorkingRepository, tmp_path: Path
    ) -> None:
        for number in range(3):
            application.commit(f"fix: {number}")
        source = opened(application.url, tmp_path)
        source.refresh()
        everything = subjects(source, after=None, until=source.head_of("develop"))
        assert everything == ["feat: first", "fix: 0", "fix: 1", "fix: 2"]

    def test_a_later_refresh_brings_new_commits_and_tags(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        sha = application.commit("fix: later")
        application.tag("v0.0.1")
        clone.refresh()
        assert (clone.head_of("develop"), clone.tags()) == (sha, ["v0.0.1"])

    def test_a_refresh_fetches_only_what_is_new(
        self, application: WorkingRepository, clone: SourceRepository, tmp_path: Path
    ) -> None:
        def objects() -> set[Path]:
            return {p for p in (tmp_path / "cache").rglob("objects/*/*") if p.is_file()}

        earlier = objects()
        application.commit("fix: later")
        clone.refresh()
        assert earlier < objects()
        assert len(objects() - earlier) == 3  # a commit, its tree, its file

    def test_a_branch_that_was_rewritten_is_followed(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.git("commit", "--quiet", "--amend", "--message", "feat: rewritten")
        clone.refresh()
        assert clone.head_of("develop") == application.head()

    def test_a_tag_that_was_moved_or_deleted_is_followed(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("v1.0.0")
        application.tag("v0.9.0")
        clone.refresh()
        moved = application.commit("fix: later")
        application.git("tag", "--force", "v1.0.0")
        application.git("tag", "--delete", "v0.9.0")
        clone.refresh()
        assert (clone.tags(), clone.resolve("v1.0.0")) == (["v1.0.0"], moved)

    def test_a_branch_that_vanished_is_not_found_any_more(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.git("checkout", "--quiet", "-b", "main")
        application.git("branch", "--quiet", "--delete", "--force", "develop")
        clone.refresh()
        with pytest.raises(RevisionNotFound, match="no branch 'develop'") as failure:
            clone.head_of("develop")
        assert failure.value.next_command == f"git ls-remote --heads {application.url}"

    def test_a_branch_may_become_a_folder_of_branches(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.git("branch", "feature")
        clone.refresh()
        application.git("branch", "--move", "feature", "feature/one")
        clone.refresh()
        assert clone.head_of("feature/one") == application.head()

    def test_a_fetch_killed_halfway_leaves_no_lock_that_stops_the_next_one(
        self, application: WorkingRepository, clone: SourceRepository, tmp_path: Path
    ) -> None:
        (folder,) = (p for p in (tmp_path / "cache").iterdir() if p.is_dir())
        (folder / "packed-refs.lock").touch()
        (folder / "refs" / "heads" / "develop.lock").touch()
        sha = application.commit("fix: later")
        clone.refresh()
        assert clone.head_of("develop") == sha

    def test_a_clone_killed_halfway_is_completed(
        self, application: WorkingRepository, clone: SourceRepository, tmp_path: Path
    ) -> None:
        (folder,) = (p for p in (tmp_path / "cache").iterdir() if p.is_dir())
        subprocess.run(["rm", "-r", folder / "objects", folder / "refs"], check=True, timeout=120)
        clone.refresh()
        assert subjects(clone, after=None, until=application.head()) == ["feat: first"]

    def test_two_repositories_have_a_clone_each(self, tmp_path: Path) -> None:
        heads = []
        for name in ("one", "two"):
            repository = WorkingRepository(tmp_path / name)
            repository.commit(f"feat: {name}")
            source = opened(repository.url, tmp_path)
            source.refresh()
            heads.append(subjects(source, after=None, until="develop"))
        assert heads == [["feat: one"], ["feat: two"]]


def _refresh_and_read(url: str, cache: Path, answers: Any) -> None:
    source = SourceRepository(url, token=TOKEN, cache=cache)
    source.refresh()
    answers.put((source.head_of("develop"), len(source.tags())))


def test_several_processes_refresh_one_clone_at_once(
    application: WorkingRepository, tmp_path: Path
) -> None:
    for number in range(30):
        application.tag(f"v0.0.{number}", application.commit(f"fix: {number}"))
    # Not forked: what other tests left running may hold a lock that the child would wait for.
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    arguments = (application.url, tmp_path / "cache", answers)
    runs = [context.Process(target=_refresh_and_read, args=arguments) for _ in range(4)]
    for run in runs:
        run.start()
    seen = {answers.get(timeout=200) for _ in runs}
    for run in runs:
        run.join(timeout=60)
    assert seen == {(application.head(), 30)}
    assert [run.exitcode for run in runs] == [0] * 4


class TestNaming:
    def test_a_branch_a_tag_and_a_short_sha_name_a_commit(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("v1.0.0")
        application.tag("v1.0.1", annotated=True)
        clone.refresh()
        sha = application.head()
        names = ("develop", "v1.0.0", "v1.0.1", sha, sha[:8])
        assert {clone.resolve(name) for name in names} == {sha}

    def test_the_head_of_a_branch_is_not_a_tag_of_the_same_name(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("develop")
        newest = application.commit("fix: later")
        clone.refresh()
        assert clone.head_of("develop") == newest

    @pytest.mark.parametrize(
        "revision",
        [
            "nowhere",
            "",
            "-",
            "--upload-pack=touch /tmp/owned",
            "--all",
            "develop; touch owned",
            "$(touch owned)",
            "develop\nmain",
            "f" * 40,
            "v" * 300,
        ],
    )
    def test_what_names_no_commit_is_not_found_and_does_nothing(
        self, clone: SourceRepository, revision: str
    ) -> None:
        with pytest.raises(RevisionNotFound) as failure:
            clone.resolve(revision)
        assert repr(revision) in failure.value.message

    def test_a_tag_on_a_file_names_no_commit(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("blob", application.git("rev-parse", "HEAD:counter"))
        clone.refresh()
        with pytest.raises(RevisionNotFound):
            clone.resolve("blob")


class TestHistory:
    def test_tags_at_a_commit_and_tags_it_can_reach(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("v0.1.0")
        middle = application.commit("fix: middle")
        application.tag("v0.1.1", annotated=True)
        application.tag("also")
        application.commit("fix: newest")
        application.tag("v0.1.2")
        clone.refresh()
        assert clone.tags_at(middle) == ["also", "v0.1.1"]
        assert clone.tags_reachable_from(middle) == ["also", "v0.1.0", "v0.1.1"]
        assert clone.tags() == ["also", "v0.1.0", "v0.1.1", "v0.1.2"]

    def test_a_tag_has_its_commit_and_its_own_date_or_its_commits(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("v0.1.0")
        first, newest = application.head(), application.commit("fix: newest")
        application.tag("v0.1.1", first, annotated=True)
        application.tag("v0.2.0", newest)
        clone.refresh()
        light, annotated = clone.dated_tags(first)
        assert (light.name, light.sha, light.at) == ("v0.1.0", first, clone.committed_at(first))
        assert (annotated.name, annotated.sha) == ("v0.1.1", first)
        assert annotated.at > light.at
        assert [tag.name for tag in clone.dated_tags(newest)] == ["v0.1.0", "v0.1.1", "v0.2.0"]

    def test_commits_come_oldest_first_with_their_merges(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("v0.1.0")
        application.git("checkout", "--quiet", "-b", "side")
        application.commit("fix: on the side")
        application.git("checkout", "--quiet", "develop")
        application.commit("feat: straight on")
        application.merge("side", "Merge branch 'side'")
        clone.refresh()
        head = clone.head_of("develop")
        assert subjects(clone, after="v0.1.0", until=head) == [
            "fix: on the side",
            "feat: straight on",
            "Merge branch 'side'",
        ]

    def test_authors_are_named_as_the_mailmap_has_them(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("v0.1.0")
        application.commit("fix: one")
        application.git("commit", "--allow-empty", "--author=홍길동 <h@example.invalid>", "-m", "x")
        clone.refresh()
        assert sorted(clone.authors(after="v0.1.0", until="develop")) == ["T", "홍길동"]
        assert clone.authors(after="develop", until="develop") == []

    def test_a_wrong_clock_puts_no_commit_before_its_parent(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.git("checkout", "--quiet", "-b", "side")
        application.commit("fix: on a computer that has lost its clock", at=1_000_000_000)
        application.git("checkout", "--quiet", "develop")
        application.commit("feat: straight on")
        application.merge("side", "Merge branch 'side'")
        clone.refresh()
        assert subjects(clone, after=None, until="develop") == [
            "feat: first",
            "fix: on a computer that has lost its clock",
            "feat: straight on",
            "Merge branch 'side'",
        ]

    def test_a_branch_named_like_the_tag_does_not_hide_it(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("v0.1.0")
        application.commit("fix: later")
        application.git("branch", "v0.1.0")
        clone.refresh()
        assert subjects(clone, after="v0.1.0", until="refs/heads/develop") == ["fix: later"]

    @pytest.mark.parametrize(
        "message",
        [
            "feat: 예매 대기열을 추가한다\n\n본문입니다. 🎫",
            "fix: carriage\r\n\r\nreturns stay\rwhere they are",
            "fix: separators \x1e\x1f\x85\u2028 of every kind\n\nsha\nsha",
            "",
            "chore: `rm -rf /` $(reboot) <script>alert(1)</script> | * _ [x](y)",
            "fix: " + "very " * 20_000 + "long",
        ],
        ids=["korean", "line ends", "separators", "empty", "hostile", "long"],
    )
    def test_a_message_comes_through_as_it_was_written(
        self, application: WorkingRepository, clone: SourceRepository, message: str
    ) -> None:
        application.tag("v0.1.0")
        sha = application.commit(message)
        clone.refresh()
        (commit,) = clone.commits(after="v0.1.0", until="develop")
        assert (commit.sha, commit.message) == (sha, message)

    def test_bytes_that_are_no_text_do_not_stop_a_release(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        application.tag("v0.1.0")
        application.commit_bytes(b"fix: \xff\xfe broken \xed\xa0\x80 bytes")
        application.commit("fix: after it")
        clone.refresh()
        broken, after = subjects(clone, after="v0.1.0", until="develop")
        assert broken.startswith("fix: \ufffd")
        assert after == "fix: after it"

    def test_the_workers_own_git_configuration_changes_nothing(
        self,
        application: WorkingRepository,
        clone: SourceRepository,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (tmp_path / ".gitconfig").write_text(
            "[log]\n showSignature = true\n[column]\n ui = always\n"
            "[color]\n ui = always\n[tag]\n sort = -refname\n[core]\n autocrlf = true\n"
        )
        for tag in ("v0.1.0", "v0.1.1"):
            application.tag(tag)
        clone.refresh()
        monkeypatch.setenv("HOME", str(tmp_path))
        head = clone.head_of("develop")
        assert clone.tags() == ["v0.1.0", "v0.1.1"]
        assert [c.sha for c in clone.commits(after=None, until=head)] == [head]
        with clone.working_copy(head) as files:
            assert (files / "counter").read_bytes() == b"1\n"

    def test_what_is_said_about_a_signature_is_no_author_and_no_message(
        self,
        application: WorkingRepository,
        clone: SourceRepository,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        verifier = tmp_path / "gpg"
        verifier.write_text("#!/bin/sh\ncat >/dev/null\necho 'gpg: Good signature' >&2\n")
        verifier.chmod(0o755)
        (tmp_path / ".gitconfig").write_text(
            f"[log]\n showSignature = true\n[gpg]\n program = {verifier}\n"
        )
        application.sign("fix: signed")
        clone.refresh()
        monkeypatch.setenv("HOME", str(tmp_path))
        head = clone.head_of("develop")
        assert clone.authors(after=None, until=head) == ["T", "T"]
        assert clone.commits(after=None, until=head)[-1].message == "fix: signed"
        assert len(clone.commit_times(after=None, until=head)) == 2

    def test_a_commit_has_the_time_that_it_was_made(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        sha = application.commit("fix: dated", at=1_700_000_000)
        clone.refresh()
        made = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)
        assert clone.committed_at(sha) == made
        assert clone.commit_times(after=None, until=sha)[0] == made
        assert clone.commit_times(after=sha, until=sha) == []


class TestWorkingCopy:
    def test_it_holds_exactly_the_revision_and_disappears(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        (application.folder / "run.sh").write_text("#!/bin/sh\n")
        (application.folder / "run.sh").chmod(0o755)
        (application.folder / "link").symlink_to("run.sh")
        wanted = application.commit("feat: files")
        (application.folder / "later").write_text("later\n")
        application.commit("feat: later files")
        clone.refresh()
        with clone.working_copy(wanted) as files:
            assert sorted(p.name for p in files.iterdir()) == ["counter", "link", "run.sh"]
            assert os.access(files / "run.sh", os.X_OK)
            assert (files / "link").readlink() == Path("run.sh")
            assert (files / "counter").read_text() == "2\n"
        assert not files.parent.exists()

    def test_it_disappears_when_the_build_fails(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        def build() -> None:
            with clone.working_copy(application.head()) as files:
                seen.append(files)
                raise RuntimeError("the build failed")

        seen: list[Path] = []
        with pytest.raises(RuntimeError):
            build()
        assert not seen[0].exists()

    def test_two_revisions_can_be_out_at_once(
        self, application: WorkingRepository, clone: SourceRepository
    ) -> None:
        first, second = application.head(), application.commit("fix: second")
        clone.refresh()
        with clone.working_copy(first) as one, clone.working_copy(second) as two:
            assert [(p / "counter").read_text() for p in (one, two)] == ["1\n", "2\n"]


def _refresh(url: str, folder: Path) -> None:
    opened(url, folder).refresh()


class GitServer:
    """git's smart HTTP through ``git http-backend``, open only to the right token."""

    def __init__(self, root: Path, token: str) -> None:
        self.authorizations: list[str] = []
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        expected = "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()
        outer = self

        class Requests(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                given = self.headers.get("Authorization", "")
                outer.authorizations.append(given)
                outer.reached.set()
                outer.go_on.wait(timeout=120)
                if given != expected:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", "Basic")
                    self.end_headers()
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path, _, query = self.path.partition("?")
                done = subprocess.run(
                    ["git", "http-backend"],
                    input=body,
                    env={
                        "PATH": os.environ["PATH"],
                        "GIT_PROJECT_ROOT": str(root),
                        "GIT_HTTP_EXPORT_ALL": "1",
                        "PATH_INFO": path,
                        "QUERY_STRING": query,
                        "REQUEST_METHOD": self.command,
                        "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                        "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                        "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    },
                    capture_output=True,
                    timeout=120,
                )
                head, _, content = done.stdout.partition(b"\r\n\r\n")
                fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
                self.send_response(int(fields.pop("Status", "200").split()[0]))
                for name, value in fields.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer  # noqa: N815 - http.server asks for these names

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: pytest's output is for pytest."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["GitServer"]:
        thread = threading.Thread(target=lambda: self._server.serve_forever(poll_interval=0.05))
        thread.start()
        try:
            yield self
        finally:
            self.go_on.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join(timeout=60)


def command_lines() -> str:
    """Every process's command line, as ``ps`` would show it to anybody."""
    shown = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            shown.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it has just ended
    return "\n".join(shown)


class TestOverHttp:
    def test_the_token_opens_a_private_repository(
        self, application: WorkingRepository, tmp_path: Path
    ) -> None:
        with GitServer(tmp_path, TOKEN).running() as server:
            source = opened(f"{server.url}/application/.git", tmp_path)
            source.refresh()
            sha = application.commit("fix: later")
            source.refresh()
            assert source.head_of("develop") == sha
        assert len(server.authorizations) >= 4
        assert "" not in server.authorizations

    def test_a_wrong_token_is_denied_and_not_shown(
        self, application: WorkingRepository, tmp_path: Path
    ) -> None:
        with (
            GitServer(tmp_path, "another").running() as server,
            pytest.raises(AccessDenied) as failure,
        ):
            opened(f"{server.url}/application/.git", tmp_path).refresh()
        assert "GitHub block" in failure.value.next_command
        assert TOKEN not in str(failure.value)

    def test_a_repository_that_is_not_there_is_denied(
        self, application: WorkingRepository, tmp_path: Path
    ) -> None:
        with (
            GitServer(tmp_path, TOKEN).running() as server,
            pytest.raises(AccessDenied),
        ):
            opened(f"{server.url}/nothing.git", tmp_path).refresh()

    def test_the_token_shows_in_no_command_line_and_in_no_file(
        self, application: WorkingRepository, tmp_path: Path
    ) -> None:
        encoded = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        with GitServer(tmp_path, TOKEN).running() as server:
            server.go_on.clear()
            source = opened(f"{server.url}/application/.git", tmp_path)
            fetching = threading.Thread(target=source.refresh)
            fetching.start()
            assert server.reached.wait(timeout=60)
            shown = command_lines()
            server.go_on.set()
            fetching.join(timeout=120)
        assert server.url in shown, "the fetch was not running while we looked"
        kept = [p.read_bytes() for p in (tmp_path / "cache").rglob("*") if p.is_file()]
        assert kept
        for secret in (TOKEN, encoded):
            assert secret not in shown
            assert not any(secret.encode() in content for content in kept)

    def test_a_fetch_that_outlives_its_killed_worker_keeps_the_lock_until_it_ends(
        self, application: WorkingRepository, tmp_path: Path
    ) -> None:
        def is_locked() -> bool:
            (path,) = (tmp_path / "cache").glob("*.lock")
            with path.open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
            return False

        with GitServer(tmp_path, TOKEN).running() as server:
            server.go_on.clear()
            # Not forked: what other tests left running may hold a lock that the child waits for.
            context = multiprocessing.get_context("spawn")
            arguments = (f"{server.url}/application/.git", tmp_path)
            worker = context.Process(target=_refresh, args=arguments)
            worker.start()
            assert server.reached.wait(timeout=60)
            worker.kill()
            worker.join(timeout=60)
            assert is_locked()
            server.go_on.set()
            deadline = time.monotonic() + 60
            while is_locked() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not is_locked()

    def test_a_server_that_is_down_may_come_back(self, tmp_path: Path) -> None:
        with GitServer(tmp_path, TOKEN).running() as server:
            gone = server.url
        url = f"{gone}/application.git"
        with pytest.raises(SourceUnavailable, match=r"^git fetch failed: fatal: unable") as failure:
            opened(url, tmp_path).refresh()
        assert failure.value.next_command == f"git ls-remote {url}"

    def test_a_server_that_never_answers_is_given_up_with_all_of_gits_processes(
        self, tmp_path: Path
    ) -> None:
        with GitServer(tmp_path, TOKEN).running() as server:
            server.go_on.clear()
            url = f"{server.url}/application.git"
            source = SourceRepository(
                url, token=TOKEN, cache=tmp_path / "cache", network_seconds=0.5
            )
            began = time.monotonic()
            with pytest.raises(SourceUnavailable, match="took too long"):
                source.refresh()
            assert time.monotonic() - began < 60
            while url in command_lines():  # the kernel of a busy machine takes its time
                assert time.monotonic() - began < 90
                time.sleep(0.05)


def test_clones_are_kept_in_the_users_cache_unless_told_otherwise() -> None:
    assert cache_folder({"TT_CACHE": "/srv/clones"}) == Path("/srv/clones")
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/tt-deploy/git")
    assert cache_folder({}) == Path.home() / ".cache/tt-deploy/git"


def test_files_are_read_at_the_revision_itself(
    application: WorkingRepository, clone: SourceRepository
) -> None:
    application.write("src/main/application.yml", "one: 1\n")
    first = application.commit("feat: with a file")
    application.write("src/main/application.yml", "two: 2\n")
    application.commit("feat: changed")
    clone.refresh()
    assert clone.text_of(first, "src/main/application.yml") == "one: 1\n"
    assert clone.files_below(first, "src/main") == ["src/main/application.yml"]
    assert clone.files_below(first, "nowhere") == []
    with pytest.raises(SourceError):
        clone.text_of(first, "nothing")


def test_how_far_a_branch_has_gone_on_is_counted_if_it_leads_there(
    application: WorkingRepository, clone: SourceRepository
) -> None:
    old = application.head()
    application.commit("feat: two")
    new = application.commit("feat: three")
    application.git("checkout", "--quiet", "-b", "aside", old)
    aside = application.commit("feat: elsewhere")
    clone.refresh()
    assert clone.commits_between(old, new) == 2
    assert clone.commits_between(new, new) == 0
    assert clone.commits_between(aside, new) is None
    assert clone.commits_between("f" * 40, new) is None
