"""What a commit message says."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.commits import Change, Commit, Message, read_change, read_message, without_reverted

SHA = "1" * 40


def message_of(text: str, *, sha: str = SHA, hyphen: bool = False) -> Message:
    return read_message(Commit(sha, text), hyphen=hyphen)


def change_of(text: str, *, bang: bool = False) -> Change:
    return read_change(message_of(text), bang=bang)


@pytest.mark.parametrize(
    ("header", "kind", "scope", "subject"),
    [
        ("feat: x", "feat", None, "x"),
        ("fix(core): x", "fix", "core", "x"),
        ("fix(a)(b): x", "fix", "a)(b", "x"),
        ("feat(a: b): c: d", "feat", "a: b", "c: d"),
        ("feat(): x", "feat", None, "x"),
        ("(a): x", "", "a", "x"),
        (": x", "", None, "x"),
        ("feat: ", "feat", None, None),
        ("feat:  x ", "feat", None, " x "),
    ],
)
def test_a_header(header: str, kind: str, scope: str | None, subject: str | None) -> None:
    assert change_of(header) == Change(type=kind, scope=scope, subject=subject, notes=())


@pytest.mark.parametrize(
    "text",
    ["feat!: x", "feat:x", "feat : x", "기능: x", " feat: x", "feat： x", "feat: x\ry", "x", ""],
)
def test_what_is_no_header(text: str) -> None:
    assert change_of(text) == Change(type="", scope=None, subject=None, notes=())


def test_with_the_bang_understood_it_is_a_header_and_its_subject_is_the_note() -> None:
    assert change_of("feat(a)!: x", bang=True) == Change(
        type="feat", scope="a", subject="x", notes=("x",)
    )


def test_a_note_of_its_own_says_why_instead_of_the_subject() -> None:
    assert change_of("feat!: x\n\nBREAKING CHANGE: y", bang=True).notes == ("y",)


def test_the_note_of_a_bang_begins_after_the_first_colon_that_has_one() -> None:
    change = change_of("feat(a)!: x (b): y", bang=True)
    assert (change.scope, change.subject, change.notes) == ("a)!: x (b", "y", ("x (b): y",))


@pytest.mark.parametrize(
    ("body", "notes"),
    [
        ("BREAKING CHANGE: y", ("y",)),
        ("breaking change: y", ("y",)),
        ("Breaking change in the API", ("in the API",)),
        ("  | * BREAKING CHANGE:y", ("y",)),
        ("BREAKING CHANGE:", ("",)),
        ("BREAKING CHANGE: \n\n\ny\nz\n", ("y\nz",)),
        ("BREAKING CHANGE: y\n\nmore", ("y\n\nmore",)),
        ("BREAKING CHANGE: y\nBREAKING CHANGE: z", ("y", "z")),
        ("BREAKING CHANGE: y\ncloses #4\nafter", ("y",)),
        ("BREAKING CHANGE: y\rz", ("y",)),
        ("BREAKING CHANGES: y", ()),
        ("- BREAKING CHANGE: y", ()),
        ("BREAKING-CHANGE: y", ()),
        ("---\nBREAKING CHANGE: y", ()),
        ("-x-\nignored\n--\nBREAKING CHANGE: y", ("y",)),
        ("# ------------------------ >8 ------------------------\nBREAKING CHANGE: y", ()),
    ],
)
def test_breaking_notes(body: str, notes: tuple[str, ...]) -> None:
    assert message_of(f"fix: x\n\n{body}").notes == notes
    assert message_of(f"fix: x\n\n{body}".replace("\n", "\r\n")).notes == notes


def test_a_hyphenated_note_counts_where_it_is_understood() -> None:
    assert message_of("fix: x\n\nBREAKING-CHANGE: y", hyphen=True).notes == ("y",)


def test_signatures_and_line_ends_around_do_not_count() -> None:
    assert message_of("\r\n gpg: Signature made\nfeat: x\n\n").header == "feat: x"
    assert message_of("gpg: only").header == ""


def test_fields_set_parts_of_the_message() -> None:
    message = message_of(
        "x: y\n\n-type-\nfix\n-scope-\na\nb\n-subject-\n\nz\n-hash-\n2345678\n-header-\nfoo!: bar"
    )
    assert (message.sha, message.header) == ("2345678", "foo!: bar")
    assert read_change(message, bang=True) == Change(
        type="fix", scope="a\nb", subject="z", notes=("bar",)
    )


def test_a_field_may_say_that_it_is_a_revert_of_nothing_known() -> None:
    message = message_of("x: y\n-revert-\nz")
    assert message.reverts is not None
    assert message_of('Revert "x"\n\nThis reverts commit a.\n-revert-\n\n--').reverts is None
    assert without_reverted([message]) == [message]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("Release-As: 1.2.3", True),
        ("release-as:\n1.2.3", True),
        ("Release-As: app@1.2.3", True),
        ("Release-As: v1.2.3", True),
        ("Closes #4\nRelease-As: 1.2.3", True),
        ("-body-\nRelease-As: 1.2.3", True),
        ("Release-As: 1.2", False),
        ("Release-As: next", False),
        ("nothing", False),
    ],
)
def test_a_release_line(body: str, named: bool) -> None:
    assert message_of(f"wip: x\n\n{body}").names_release is named


@pytest.mark.parametrize(
    ("text", "header", "sha"),
    [
        ('Revert "feat: a"\n\nThis reverts commit abc.', "feat: a", "abc"),
        ("revert: feat: a\r\n\r\nThis reverts commit abc.", "feat: a", "abc"),
        ("REVERT feat: a\nthis reverts commit abc.", "feat: a", "abc"),
        ('Revert "a"b" This reverts commit abc.', 'a"b', "abc"),
        ('Revert ""This reverts commit abc.', '"', "abc"),
        ('Revert """This reverts commit abc.', '"', "abc"),
        ("Revert  \n\nThis reverts commit abc.", " ", "abc"),
        ("Revert x\nThis reverts commit .", "x", ""),
        ("Revert This reverts commit a. This reverts commit b.", "This reverts commit a.", "b"),
    ],
)
def test_a_revert(text: str, header: str, sha: str) -> None:
    found = message_of(text).reverts
    assert found is not None
    assert (found.header, found.sha) == (header, sha)


@pytest.mark.parametrize(
    "text",
    ['Revert "x"', "Revertx\nThis reverts commit a.", "fix: x\nThis reverts commit a.", "Revert "],
)
def test_what_is_no_revert(text: str) -> None:
    assert message_of(text).reverts is None


def revert_of(commit: Commit, sha: str) -> Commit:
    header = commit.message.partition("\n")[0]
    return Commit(sha, f'Revert "{header}"\n\nThis reverts commit {commit.sha}.')


def left(*commits: Commit) -> list[str]:
    return [message.sha for message in without_reverted([read_message(c) for c in commits])]


def test_a_reverted_commit_leaves_and_so_does_its_revert() -> None:
    feature, other = Commit("a" * 40, "feat: a"), Commit("b" * 40, "fix: b")
    assert left(feature, other, revert_of(feature, "c" * 40)) == [other.sha]


def test_only_the_first_revert_leaves_with_what_it_reverts() -> None:
    one, other = Commit("a" * 40, "feat: a"), Commit("b" * 40, "feat: b")
    second = revert_of(other, "d" * 40)
    assert left(one, other, revert_of(one, "c" * 40), second) == [second.sha]


def test_a_revert_of_something_older_stays() -> None:
    revert = revert_of(Commit("a" * 40, "feat: a"), "c" * 40)
    assert left(revert) == [revert.sha]


def test_header_and_full_hash_must_both_match() -> None:
    feature = Commit("a" * 40, "feat: a")
    short = Commit("c" * 40, f'Revert "feat: a"\n\nThis reverts commit {"a" * 7}.')
    other = Commit("d" * 40, f'Revert "feat: b"\n\nThis reverts commit {"a" * 40}.')
    assert left(feature, short, other) == [feature.sha, short.sha, other.sha]


@given(st.text("feat(a)!: \r\n-#gp1BREAKING CHANGEvit\u2028\x00", max_size=80))
def test_no_message_raises(text: str) -> None:
    message = message_of(text, hyphen=True)
    assert read_change(message, bang=True).notes is not None


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "unit",
    [
        *("a", "1", "(", "a(", ")!: ", "\n", "\r", " ", "|*", "closes #1\n", " gpg:\n"),
        *("BREAKING CHANGE: x\n", "-x-\n", "-x-\ny\n", "release-as: 1"),
        *('Revert "', "This reverts commit "),
    ],
)
@pytest.mark.parametrize("before", ["", "feat(", "x\n\n", "Revert ", "x\n\nrelease-as:"])
def test_a_message_of_fifty_thousand_takes_no_more_than_its_length(before: str, unit: str) -> None:
    text = before + unit * (50_000 // len(unit)) + "\r"
    started = time.process_time()
    read_change(message_of(text), bang=True)
    assert time.process_time() - started < 10  # were it quadratic, it would take minutes
