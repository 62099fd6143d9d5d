"""Markdown as a reader's program understands it: parsed by a CommonMark parser with tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from delivery.markdown import code, code_link, escape, fenced, link, table

PARSER = MarkdownIt("commonmark").enable("table")
# What Markdown and HTML act upon, oftener than chance would bring it.
hostile_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from("\\`*_{}[]<>()#|!~&-+=.:1\n\r\t "),
    max_size=40,
)


def inline(markdown: str) -> list[Token]:
    """The pieces of a text that reads as one paragraph."""
    kinds = [token.type for token in PARSER.parse(markdown)]
    assert kinds == ["paragraph_open", "inline", "paragraph_close"], (markdown, kinds)
    return PARSER.parse(markdown)[1].children or []


def shown(pieces: list[Token]) -> str:
    return "".join(piece.content for piece in pieces)


def on_one_line(text: str) -> str:
    return " ".join(text.split())


@given(hostile_text.filter(on_one_line))
def test_escaped_text_reads_as_it_was_written_and_does_nothing(text: str) -> None:
    pieces = inline(escape(text))
    assert {piece.type for piece in pieces} <= {"text", "text_special"}
    assert shown(pieces) == on_one_line(text)


@given(hostile_text.filter(on_one_line))
def test_code_is_one_piece_of_code_and_nothing_else(text: str) -> None:
    (piece,) = inline(code(text))
    assert (piece.type, piece.content) == ("code_inline", on_one_line(text))


@given(hostile_text.filter(on_one_line).filter(lambda text: "]:" not in text))
def test_code_that_leads_somewhere_is_one_link_around_it(text: str) -> None:
    url = "https://ghcr.io/a/b@sha256:0"
    opening, piece, closing = inline(code_link(url, text))
    assert (opening.type, opening.attrs["href"], closing.type) == ("link_open", url, "link_close")
    assert (piece.type, piece.content) == ("code_inline", on_one_line(text))


@pytest.mark.parametrize(("url", "text"), [("", "a"), ("javascript:x", "a"), ("https://a.b", "")])
def test_code_leads_nowhere_without_an_address_or_a_text(url: str, text: str) -> None:
    assert code_link(url, text) == code(text)


@given(st.tuples(hostile_text, hostile_text).map("]:".join))
def test_code_that_would_be_the_definition_of_a_link_is_shown_and_leads_nowhere(text: str) -> None:
    (piece,) = inline(code_link("https://a.b", text))
    assert (piece.type, piece.content) == ("code_inline", on_one_line(text))


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_nothing_is_no_code(text: str) -> None:
    assert code(text) == ""


@given(hostile_text)
def test_a_code_block_ends_where_it_shall(text: str) -> None:
    before, block, after = PARSER.parse(f"before\n\n{fenced(text)}\n\nafter")[2:5]
    assert (before.type, block.type, after.type) == ("paragraph_close", "fence", "paragraph_open")
    lines = text.rstrip().replace("\r\n", "\n").replace("\r", "\n")
    assert block.content == (f"{lines}\n" if lines else block.content)


@given(st.lists(st.tuples(hostile_text, hostile_text), max_size=4))
def test_no_cell_ends_its_cell_its_row_or_its_table(rows: list[tuple[str, str]]) -> None:
    assert cells_of(table(("one", "two"), rows)) == 2 * (len(rows) + 1)


@given(st.lists(hostile_text, min_size=1, max_size=4))
def test_an_escaped_cell_reads_as_it_was_written(texts: list[str]) -> None:
    tokens = PARSER.parse(table(("one", "two"), [(escape(text), "end") for text in texts]))
    read = [shown(token.children or []) for token in tokens if token.type == "inline"]
    assert read == ["one", "two", *(word for text in texts for word in (on_one_line(text), "end"))]


def cells_of(markdown: str) -> int:
    kinds = [token.type for token in PARSER.parse(markdown)]
    assert (kinds[0], kinds[-1], kinds.count("table_open")) == ("table_open", "table_close", 1)
    return kinds.count("th_open") + kinds.count("td_open")


def test_a_pipe_behind_backslashes_is_escaped_once_and_only_once() -> None:
    rows = table(("a",), [["x|y"], [r"x\|y"], [r"x\\|y"], [r"x\\\|y"]]).splitlines()[2:]
    assert rows == [r"| x\|y |", r"| x\|y |", r"| x\\\|y |", r"| x\\\|y |"]


@pytest.mark.parametrize(
    "url", ["https://github.com/a/b/releases/tag/v0.1.0", "http://localhost:4200/runs/run?x=1&y=2"]
)
def test_a_link_leads_where_it_says(url: str) -> None:
    opening, *pieces = inline(link(url, "the *release*"))
    assert (opening.type, opening.attrGet("href")) == ("link_open", url)
    assert shown(pieces) == "the *release*"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://a b",
        "https://a)](https://evil",
        "https://a\\",
        "https://a\x07b",
        "ftp://a",
        "//a",
    ],
)
def test_what_is_no_web_address_leads_nowhere(url: str) -> None:
    assert "link_open" not in [piece.type for piece in inline(link(url, "text"))]


def test_no_address_is_no_link() -> None:
    assert link("", "text") == ""


@given(hostile_text, hostile_text)
def test_a_link_is_one_link_or_none(url: str, text: str) -> None:
    made = link(f"https://{url}", text or "x")
    pieces = [piece.type for piece in inline(made)]
    assert pieces.count("link_open") <= 1
    assert "image" not in pieces
    assert "html_inline" not in pieces
