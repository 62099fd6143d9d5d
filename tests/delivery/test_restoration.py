"""The way back as the report has it: how, how long, at what cost, with which configuration."""

from delivery.receipt import Receipt, Window
from delivery.restoration import Restoration, configuration_note, restoration_section
from delivery.rollout import Bundle, HostOutcome

WINDOW = Window(requests=9, failed=0, p50_ms=1.0, p99_ms=2.0)
RECEIPT = Receipt(
    before=WINDOW,
    during=WINDOW,
    after=WINDOW,
    longest_gap_ms=3.0,
    gateway_requests=603,
    gateway_errors=2,
)
BUNDLE = Bundle("1.0.0", "v1.0.0", "a" * 40, "r/a@sha256:1", configuration="c" * 64)
WARM = HostOutcome("a", (), "c" * 64, receipt=RECEIPT, warm=True, since_switch=8.0)
COLD = HostOutcome("b", ("app",), "d" * 64, since_switch=2.0)
IN_PLACE = HostOutcome("c", ("app",), "c" * 64)
UNTOUCHED = HostOutcome("d", (), "c" * 64)
DONE = Restoration(dict.fromkeys("abcd", BUNDLE), (WARM, COLD, IN_PLACE, UNTOUCHED), 10.0, 15.25)


def test_traffic_is_back_when_the_last_host_has_it() -> None:
    times = {host["host"]: host["traffic_seconds"] for host in DONE.as_json()["hosts"]}
    assert times == {"a": 2.0, "b": 8.0, "c": 10.0, "d": 0.0}
    assert DONE.traffic_seconds == 10.0


def test_a_host_that_was_done_early_is_not_charged_with_the_one_that_was_late() -> None:
    early = HostOutcome("a", (), "c", warm=True, since_switch=12.0, answered_at=1020.0)
    late = HostOutcome("b", ("app",), "c", since_switch=30.0, answered_at=1120.0)
    in_place = HostOutcome("c", ("app",), "c", answered_at=1060.0)
    ways = dict.fromkeys("abc", BUNDLE)
    done = Restoration(ways, (early, late, in_place), started_seconds=121.0, began=1000.0)
    times = {host["host"]: host["traffic_seconds"] for host in done.as_json()["hosts"]}
    assert times == {"a": 8.0, "b": 90.0, "c": 60.0}
    assert done.traffic_seconds == 90.0
    assert "| a | 1\\.0.0 | still warm | 8.0 s |" in done.as_markdown()


def test_a_host_tells_how_its_release_came_back() -> None:
    how = {host["host"]: host["how"] for host in DONE.as_json()["hosts"]}
    assert how == {
        "a": "still warm",
        "b": "started anew",
        "c": "started anew",
        "d": "never stopped serving",
    }


def test_a_configuration_that_did_not_come_back_stands_out() -> None:
    text = DONE.as_markdown()
    assert text.startswith("## Back to 1\\.0.0: healthy after 15.2 s\n")
    assert "| a | 1\\.0.0 | still warm | 2.0 s | 2 of 603 requests, 0 of 27 probes | as rec" in text
    assert "probes | as recorded, `cccccccccccc` |" in text
    assert "| b | 1\\.0.0 | started anew | 8.0 s | not measured | **differs** |" in text
    assert DONE.as_json()["hosts"][1]["configuration_as_recorded"] is False


def test_a_record_without_a_configuration_is_compared_with_nothing() -> None:
    bare = Restoration({"d": Bundle("1.0.0", "v1.0.0", "a" * 40, "r")}, (UNTOUCHED,), 1.0)
    assert "none on record" in bare.as_markdown()
    assert bare.as_json()["hosts"][0]["configuration_as_recorded"] is None


def test_a_way_back_that_did_not_get_far_says_only_where_it_went() -> None:
    begun = Restoration({"a": BUNDLE})
    assert begun.as_markdown() == "## Back to 1\\.0.0"
    assert begun.traffic_seconds == 0.0
    assert restoration_section(None) == ""
    assert restoration_section(begun) == begun.as_markdown()


def test_every_host_that_was_touched_has_a_row_whatever_became_of_it() -> None:
    older = Bundle("0.9.0", "v0.9.0", "b" * 40, "r/a@sha256:2")
    lost = HostOutcome("b", (), "", failure="it did not answer")
    fleet = Restoration({"a": BUNDLE, "b": older, "c": None}, (WARM, lost), 10.0)
    text = fleet.as_markdown()
    assert text.startswith("## Back to 0\\.9.0, 1.0.0\n")
    assert "| a | 1\\.0.0 | still warm |" in text
    assert "| b | 0\\.9.0 | **did not go back**: it did not answer |" in text
    assert "| c |  | **no way back**: nothing healthy on record |" in text
    answer = fleet.as_json()
    assert (answer["version"], answer["without"]) == ("0.9.0, 1.0.0", ["c"])
    assert [(h["host"], h["version"], h["how"], h["failure"]) for h in answer["hosts"]] == [
        ("a", "1.0.0", "still warm", ""),
        ("b", "0.9.0", "did not go back", "it did not answer"),
    ]


def test_only_another_configuration_is_worth_a_note() -> None:
    assert configuration_note(BUNDLE, "c" * 64) == ""
    assert configuration_note(Bundle("1", "v1", "a", "r"), "c") == ""
    assert "a value in Doppler has changed since v1.0.0" in configuration_note(BUNDLE, "d")
