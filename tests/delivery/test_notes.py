"""The notes that a person reads: what this deploy changes, and nothing that acts."""

import dataclasses
import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from delivery.changelog import Repository
from delivery.commits import Commit
from delivery.notes import LONGEST_RELEASE_BODY, harmless, notes_for_people, notes_of_release
from delivery.release import ReleasePlan, ReleasePolicy, plan_release

URL = "https://github.com/acme/app"
REPOSITORY = Repository.from_url(URL)
COMMITS = [
    Commit("a" * 40, "feat(ui): 로그인 🚀"),
    Commit("b" * 40, "fix: x\n\nCloses #7, fixes #8"),
]


def plan_of(*messages: str) -> ReleasePlan:
    commits = [Commit(f"{number:040x}", text) for number, text in enumerate(messages)]
    return plan_release(
        branch="main",
        tags=["v1.2.3"],
        commits_since=lambda _: commits,
        policy=ReleasePolicy(),
        repository_url=URL,
        on=datetime.date(2026, 1, 1),
    )


PLAN = plan_of("feat(ui): 로그인 🚀")


def notes(plan: ReleasePlan = PLAN, **facts: Any) -> str:
    return notes_for_people(
        plan, **{"running": "v1.1.0", "commits": COMMITS, "repository_url": URL} | facts
    )


def read(markdown: str) -> list[Token]:
    """What GitHub's readers make of it, as far as it matters here: tables too."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [*tokens, *(child for token in tokens for child in token.children or [])]


def foreign_links_in(markdown: str) -> list[str]:
    links = [str(token.attrs["href"]) for token in read(markdown) if token.type == "link_open"]
    return [link for link in links if not link.startswith("https://github.com/")]


def test_the_first_line_says_from_what_to_what_this_deploy_goes() -> None:
    assert notes(environment="production").splitlines()[0] == (
        "**Changes** in `production` from `v1.1.0` to `v1.3.0`:"
        " [2 commits](https://github.com/acme/app/compare/v1.1.0...v1.3.0)."
    )
    assert "[1 commit](" in notes(commits=COMMITS[:1])
    assert "[compare](" in notes(commits=[])


def test_it_says_so_when_nothing_runs_or_the_same_or_something_newer() -> None:
    assert notes(running=None).startswith("**First deploy** of `v1.3.0`.")
    assert notes(running="v1.3.0").startswith("**No change**: `v1.3.0` is what runs.")
    assert notes(running="v2.0.0").startswith("**Goes back** from `v2.0.0` to `v1.3.0`")
    assert notes(running="nightly").startswith("**Changes** from `nightly`")


def test_a_plan_without_a_tag_has_no_deploy_to_speak_of() -> None:
    nothing = dataclasses.replace(PLAN, tag=None, version=None, notes="")
    assert notes(nothing, commits=[]) == ""


def test_contributors_are_named_most_commits_first() -> None:
    text = notes(authors=["Bob", "홍길동", "홍길동", " ", "<b>*Eve*\u202e</b>"])
    assert "**Contributors:** 홍길동, Bob, \\<b\\>\\*Eve\\*\\</b\\>\n" in text
    many = notes(authors=[f"A{n}" for n in range(25)])
    assert "A19 and 5 more\n" in many


def test_issues_are_listed_once_each() -> None:
    commits = [
        Commit("a" * 40, "fix: x (#12)\n\nCloses #7\nresolves: other/app#9 and #10\nfixed #7"),
        Commit("b" * 40, "prefix #1, unfix #2, fix#3, fix #4a"),
    ]
    assert (
        "**Closes:** [#7](https://github.com/acme/app/issues/7),"
        " [other/app#9](https://github.com/other/app/issues/9)\n"
    ) in notes(commits=commits)
    assert "and 10 more" in notes(
        commits=[Commit("a" * 40, "\n".join(f"closes #{n}" for n in range(1, 61)))]
    )


def test_the_body_is_that_of_the_release() -> None:
    assert notes().endswith(PLAN.notes)
    assert notes(authors=["Bob"]).count("\n\n") > 2


def test_a_release_that_is_no_deploy_has_its_own_notes_alone() -> None:
    hostile = plan_of("feat: see <b>this</b>", "fix: y")
    alone = notes_of_release(hostile, repository_url=URL)
    assert alone == harmless(hostile.notes, REPOSITORY)
    assert "<b>" not in alone


def test_a_running_tag_cannot_break_out_of_the_link() -> None:
    hostile = "v1)`<script>"
    first = notes(running=hostile).splitlines()[0]
    assert "compare/v1%29%60%3Cscript%3E...v1.3.0)" in first
    assert "``v1)`<script>``" in first


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("<!-- hidden", "&lt;!-- hidden"),
        ("![x](http://evil/t.png)", "!\\[x]\\(http://evil/t.png)"),
        ("[click](javascript:x)", "[click]\\(javascript:x)"),
        ("[x](https://github.com.evil/)", "[x]\\(https://github.com.evil/)"),
        ("[x](https://github.com@evil/)", "[x]\\(https://github.com@evil/)"),
        ("[x](https://github.com/o/r)", "[x](https://github.com/o/r)"),
        ("`<b>` and `open", "`<b>` and &#96;open"),
        ("``` fence", "&#96;&#96;&#96; fence"),
        ("``a`b`` <i>", "``a`b`` &lt;i>"),
        ("\\`<a>`", "\\&#96;&lt;a>&#96;"),
        ("~~~", "\\~~~"),
        ("* ~~~", "* \\~~~"),
        ("> ~~~", "> \\~~~"),
        ("1. ~~~~ x", "1. \\~~~~ x"),
        ("~~gone~~", "~~gone~~"),
        ("[x]: http://evil", "[x]\\: http://evil"),
        ("`[x]: int` and `a | b`", "&#96;[x]\\: int&#96; and `a | b`"),
        ("` | <i>`", "&#96; | &lt;i>&#96;"),
        ("gnp&#x202e;cod &#8238; &amp;", "gnp&amp;#x202e;cod &amp;#8238; &amp;"),
        ("$(rm -rf /); `id`", "$(rm -rf /); `id`"),
        ("로그인 👨\u200d👩 日本", "로그인 👨\u200d👩 日本"),
        ("gnp\u202ecod.exe\x1b[31m\x00\x9b1m", "gnpcod.exe[31m1m"),
    ],
)
def test_hostile_text_shows_and_does_nothing(subject: str, shown: str) -> None:
    assert harmless(subject, REPOSITORY) == shown


@pytest.mark.parametrize(
    "meaning",
    [
        "[x]: URL",
        "> [x]: URL",
        "1. [x]: URL",
        "* * [x]: URL",
        "- > [x]: URL",
        "[x\ny]: URL",
        "[x\\]y]: URL",
        "[x]:\nURL",
        "[x `]: URL`",
        "[x\n`]: URL`",
        "a | b\n--|--\n` | [x](URL) `",
    ],
)
def test_no_line_says_what_a_link_of_another_line_means(meaning: str) -> None:
    links = [f"see [the guide][{name}]" for name in ("x", "x y", "x\\]y", "x `")]
    body = "\n\n".join([*links, meaning.replace("URL", "https://evil.example/phish")])
    assert foreign_links_in(body), "the attack itself must work"
    assert foreign_links_in(harmless(body, REPOSITORY)) == []


def test_a_commit_cannot_say_where_the_link_of_another_one_leads() -> None:
    text = notes(
        plan_of(
            "feat: see [the guide][x]",
            "feat!: y\n\nBREAKING CHANGE: why\n> [x]: https://evil.example/phish",
        )
    )
    assert "https://evil.example/phish" in text
    assert foreign_links_in(text) == []


def test_hostile_subjects_are_disarmed_in_the_whole() -> None:
    text = notes(
        plan_of("feat(<b>): <img src=x onerror=y>", "feat!: x\n\nBREAKING CHANGE: ```\n# <p>")
    )
    assert "<" not in text
    assert "```" not in text


def test_a_line_that_nobody_reads_to_its_end_keeps_the_link_to_its_commit() -> None:
    line = next(li for li in notes(plan_of("feat: " + "가" * 50_000)).splitlines() if "가" in li)
    assert len(line) < 1100
    assert line.endswith(f"…가 ([0000000]({URL}/commit/{0:040x}))".replace("…가", "…"))
    assert len(harmless("x" * 5000, REPOSITORY)) == 501
    assert len(harmless("x ([" + "y" * 5000, REPOSITORY)) == 501


def test_a_release_too_long_for_github_is_cut_between_lines() -> None:
    text = notes(plan_of(*[f"feat: 기능 🚀 {number}" for number in range(3000)]))
    assert len(text) + text.count("🚀") <= LONGEST_RELEASE_BODY
    assert text.splitlines()[-1].endswith(" more lines")
    assert text.splitlines()[-2].startswith("* 기능")


HOSTILE = st.text("`<!-[]()~*#\\ \n\u202ehttps:/.@ab|&$'\"=>", max_size=80)


@given(HOSTILE, st.integers(30, 200))
def test_no_text_raises_or_outgrows_its_bound(text: str, longest: int) -> None:
    plan = dataclasses.replace(PLAN, notes=text)
    assert len(notes(plan, longest=longest, authors=[text], running=text)) <= longest


PIECES = ["<b>", "<!--", "-->", "![i](u)", "[l](h)", "`", "``", "```", "~~~", "<a", "<", "&#60;"]
PIECES += ["[r]: https://evil", "[r]:", "]:", "[r", "r]", "[r][r] ", "\\]", "https://evil", "](h)"]
PIECES += ["\n", "\n\n", "> ", "1. ", "* ", "- ", "    ", "|", "a|b\n-|-\n", "|[l](h)"]


@given(
    st.lists(st.one_of(HOSTILE, *[st.just(piece) for piece in PIECES]), max_size=12).map("".join),
    st.sampled_from(["", "* ", "* **a:** ", "> ", "1. "]),
)
@settings(max_examples=300)
def test_a_markdown_reader_finds_no_html_no_picture_no_foreign_link(text: str, before: str) -> None:
    body = "\n".join(before + line for line in text.split("\n"))
    disarmed = harmless(f"{body}\n\n[r][r] [r] [x][r]\n", REPOSITORY)
    acting = {"html_inline", "html_block", "image", "fence"}
    assert acting.isdisjoint(token.type for token in read(disarmed))
    assert foreign_links_in(disarmed) == []
    assert "\u202e" not in MarkdownIt("commonmark").render(disarmed)
