"""The versions that git has, beside what was deployed of them."""

import datetime

from delivery.cuts import Cut, Tag, named, read_cuts, undeployed
from delivery.dora import Delivery
from delivery.report import Outcome

DAY = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
FIRST, SECOND = "1" * 40, "2" * 40


def cut(version: str, revision: str = FIRST, hour: int = 0) -> Cut:
    return Cut(f"v{version}", version, revision, DAY + hour * HOUR)


def delivery(
    outcome: Outcome | None = Outcome.DEPLOYED, version: str = "", revision: str = ""
) -> Delivery:
    return Delivery("deploy", outcome, DAY, DAY, True, version=version, revision=revision)


def test_tags_that_name_versions_are_cuts_newest_first() -> None:
    tags = [
        Tag("v1.0.0", FIRST, DAY),
        Tag("nightly", FIRST, DAY),
        Tag("v1.1.0", SECOND, DAY + HOUR),
    ]
    assert read_cuts(tags, "v") == [cut("1.1.0", SECOND, 1), cut("1.0.0")]


def test_a_run_that_left_only_its_revision_is_told_by_the_version_that_was_cut_there() -> None:
    told = named(
        [
            delivery(None, revision=FIRST),
            delivery(version="9.0.0", revision=FIRST),
            delivery(None, revision=SECOND),
            delivery(None),
        ],
        [cut("1.0.1", hour=1), cut("1.0.0")],
    )
    assert [each.version for each in told] == ["1.0.0", "9.0.0", "", ""]


def test_what_never_served_is_undeployed_with_the_last_try() -> None:
    never, failed, served, found = (
        cut("1.3.0", "3" * 40),
        cut("1.2.0", SECOND),
        cut("1.1.0"),
        "1.0.0",
    )
    back = delivery(Outcome.ROLLED_BACK, version="1.2.0")
    tries = [
        back,
        delivery(Outcome.REFUSED, revision=SECOND),
        delivery(Outcome.DEPLOYED, version="1.1.0"),
        delivery(Outcome.UP_TO_DATE, version=found),
    ]
    left = undeployed([never, failed, served, cut(found, "4" * 40)], tries)
    assert [(each.cut, each.tried) for each in left] == [(never, None), (failed, back)]
