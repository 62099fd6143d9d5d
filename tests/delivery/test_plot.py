"""Charts: what is drawn, how high, and what stands for it where images are not shown."""

import xml.etree.ElementTree as ElementTree

import pytest

from delivery.plot import Bar, Panel, chart, in_words
from tests.delivery.drawings import drawing

SVG = "{http://www.w3.org/2000/svg}"
SLOW = Bar("during", 60.0, 6.0, "6/60 ms", "3 of 30 failed")
QUICK = Bar("before", 30.0, 3.0, "3/30 ms")
NOTHING = Bar("after", 0.0, 0.0, "")


def svg(*panels: Panel, caption: str = "Latency") -> ElementTree.Element:
    return ElementTree.fromstring(drawing(chart(caption, panels)))


def heights(drawn: ElementTree.Element) -> list[float]:
    _background, *bars = drawn.iter(f"{SVG}rect")
    return [float(bar.attrib["height"]) for bar in bars]


def texts(drawn: ElementTree.Element) -> list[str | None]:
    return [text.text for text in drawn.iter(f"{SVG}text")]


def test_bars_of_all_panels_have_one_scale_and_a_darker_part() -> None:
    whole, part, lower, lower_part = heights(svg(Panel((SLOW,)), Panel((QUICK,))))
    assert (whole / lower, whole / part, lower / lower_part) == pytest.approx((2, 10, 10), rel=0.05)


def test_what_is_said_and_what_is_wrong_stands_in_it() -> None:
    drawn = svg(Panel((SLOW, NOTHING), "TT-ec2-1", "2 of 9 failed"))
    assert texts(drawn) == [
        *("Latency", "TT-ec2-1", "2 of 9 failed"),
        *("6/60 ms", "3 of 30 failed", "during"),
        "after",
    ]
    assert len(heights(drawn)) == 2


def test_nothing_at_all_is_a_chart_too() -> None:
    assert heights(svg(Panel((NOTHING,)))) == []


def test_text_cannot_leave_its_place() -> None:
    name = '</text><script>"&\x1b\ud800'
    drawn = svg(Panel((QUICK, QUICK, QUICK), name))
    assert texts(drawn)[1] == '</text><script>"&'
    assert list(drawn.iter(f"{SVG}script")) == []
    assert chart("a](http://b", [Panel((QUICK,))]).startswith("![a\\](http://b. before 3/30 ms](d")


def test_a_long_title_is_cut_to_its_panel() -> None:
    shown = texts(svg(Panel((QUICK,), "host-" * 20)))[1]
    assert shown is not None
    assert shown.startswith("host-host-")
    assert shown.endswith("…")
    assert len(shown) < 20


def test_a_note_has_the_room_that_it_needs() -> None:
    short, long = (svg(Panel((QUICK,), "a", note)) for note in ("2 of 9", "2 of 9 " * 10))
    assert int(long.attrib["width"]) > int(short.attrib["width"])


def test_a_fleet_stands_in_rows_of_three() -> None:
    one, three, four = (
        svg(*[Panel((SLOW, QUICK, NOTHING), f"h{at}") for at in range(hosts)])
        for hosts in (1, 3, 4)
    )
    assert int(three.attrib["width"]) == 3 * int(one.attrib["width"])
    assert four.attrib["width"] == three.attrib["width"]
    assert int(four.attrib["height"]) > int(three.attrib["height"]) == int(one.attrib["height"])
    places = [group.attrib["transform"] for group in four if group.tag == f"{SVG}g"]
    assert len(set(places)) == 4


def test_many_bars_are_narrow_and_every_other_one_is_labelled() -> None:
    days = tuple(Bar(f"11-{day:02}", 1.0, 0.0, "1") for day in range(1, 32))
    drawn = svg(Panel(days))
    assert int(drawn.attrib["width"]) < 900
    labels = [text for text in texts(drawn) if text and text.startswith("11-")]
    assert labels == [f"11-{day:02}" for day in range(1, 32, 2)]


def test_the_words_say_what_is_drawn_and_stand_for_it_in_a_terminal() -> None:
    image = chart("Latency", [Panel((QUICK, SLOW, NOTHING), "TT_1", "ok"), Panel((QUICK,), "b")])
    words = (
        "Latency. TT\\_1 (ok): before 3/30 ms, during 6/60 ms (3 of 30 failed); b: before 3/30 ms"
    )
    assert image.startswith(f"![{words}](data:image/svg+xml;base64,")
    assert in_words(f"# A\n\n{image}\n\n[a](http://b)") == f"# A\n\n{words}\n\n[a](http://b)"


def test_words_that_look_like_an_image_end_where_they_should() -> None:
    image = chart("a] ![b](data:image/x)", [Panel((QUICK,))])
    assert in_words(f"{image} end") == ("a\\] \\!\\[b\\](data:image/x). before 3/30 ms end")
