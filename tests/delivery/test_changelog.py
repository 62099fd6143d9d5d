"""The notes, line by line."""

import datetime
from collections.abc import Mapping

import pytest

from delivery.changelog import SECTIONS, Repository, render
from delivery.commits import Commit, read_change, read_message

DAY = datetime.date(2026, 1, 1)
REPOSITORY = Repository("https://github.com", "acme", "app")


def notes(
    *messages: str,
    version: str = "1.2.4",
    since: str | None = "v1.2.3",
    sections: Mapping[str, str] = SECTIONS,
) -> str:
    commits = [Commit(f"{number:040x}", text) for number, text in enumerate(messages)]
    read = [read_message(commit) for commit in commits]
    return render(
        [(message, read_change(message, bang=True)) for message in read],
        version=version,
        tag=f"v{version}",
        since=since,
        repository=REPOSITORY,
        on=DAY,
        sections=sections,
    )


def titles(text: str) -> list[str]:
    return [line[4:] for line in text.splitlines()[1:] if line.startswith("### ")]


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("https://github.com/acme/app", REPOSITORY),
        ("https://github.com/acme/app.git", REPOSITORY),
        ("https://github.com/acme/app/", REPOSITORY),
        (
            "http://localhost:5011/o/My.App_1.GIT",
            Repository("http://localhost:5011", "o", "My.App_1"),
        ),
        ("github.com/acme/app", REPOSITORY),
        ("git@github.com:acme/app.git", REPOSITORY),
        ("ssh://git@github.com/acme/app.git\n", REPOSITORY),
        ("https://user:secret@github.com/acme/app", REPOSITORY),
        ("https://[", Repository("https://[", "", "")),
    ],
)
def test_a_repository_by_its_address(url: str, repository: Repository) -> None:
    assert Repository.from_url(url) == repository


def test_the_heading_of_a_patch_is_smaller() -> None:
    compare = "https://github.com/acme/app/compare/v1.2.3...v1.2.4"
    assert notes() == f"### [1.2.4]({compare}) (2026-01-01)\n\n"
    assert notes(version="1.3.0").startswith("## [1.3.0]")
    assert notes(version="nightly").startswith("## [nightly]")


def test_a_first_release_links_to_its_history() -> None:
    assert "](https://github.com/acme/app/commits/v1.2.4) " in notes(since=None)


def test_sections_come_in_their_order_and_each_line_links_its_commit() -> None:
    assert notes("fix: b", "feat(ui): a #7 by @bob\n\ncloses #9 and x/y#8") == (
        "### [1.2.4](https://github.com/acme/app/compare/v1.2.3...v1.2.4) (2026-01-01)\n\n"
        "\n### Features\n\n"
        "* **ui:** a [#7](https://github.com/acme/app/issues/7) by [@bob](https://github.com/bob)"
        f" ([0000000](https://github.com/acme/app/commit/{1:040x})),"
        " closes [#9](https://github.com/acme/app/issues/9)"
        " [x/y#8](https://github.com/x/y/issues/8)\n\n"
        "\n### Bug Fixes\n\n"
        f"* b ([0000000](https://github.com/acme/app/commit/{0:040x}))\n\n"
    )


def test_the_four_that_people_look_for_come_first_then_the_others_last_met_first() -> None:
    text = notes("ci: 1", "docs: 2", "revert: 3", "perf: 4", "fix: 5", "feat: 6", "test: 7")
    assert titles(text) == [
        "Features",
        "Bug Fixes",
        "Performance Improvements",
        "Reverts",
        "Tests",
        "Documentation",
        "Continuous Integration",
    ]


def test_types_that_have_no_section_show_only_what_breaks() -> None:
    text = notes("chore: a", "chore(x)!: b", "wip: c", "7!: d", "12!: e")
    assert titles(text) == ["⚠ BREAKING CHANGES", "chore", "12", "7"]
    assert "* **x:** b\n* d\n* e\n" in text
    assert "* a" not in text


def test_what_breaks_without_a_header_stands_under_no_title() -> None:
    text = notes("some text\n\nBREAKING CHANGE: y")
    assert "\n### ⚠ BREAKING CHANGES\n\n* y\n\n* some text ([0000000]" in text


def test_a_release_line_shows_a_commit_of_any_type() -> None:
    assert titles(notes("wip: x\n\nRelease-As: 2.0.0")) == ["wip"]


def test_the_scope_of_everything_is_not_named() -> None:
    assert "\n* x (" in notes("feat(*): x")
    assert "\n* y\n" in notes("feat(*)!: y")


def test_an_empty_subject_shows_the_whole_header() -> None:
    assert "\n* feat:  (" in notes("feat: ")


def test_custom_rules_name_sections_and_share_them() -> None:
    text = notes("chore: a", "fix: b", sections=SECTIONS | {"chore": "Bug Fixes", "Docs": "Never"})
    assert titles(text) == ["Bug Fixes"]
    assert text.index("* a") < text.index("* b")


def test_a_hash_that_a_field_took_away_has_no_link() -> None:
    assert notes("feat: x\n-hash-\n\n--").endswith("\n* x\n\n")
