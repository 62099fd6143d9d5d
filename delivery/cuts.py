"""The versions that git has: when each was cut, and which of them nobody deployed."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from delivery.dora import Delivery
from delivery.release_tags import VersionTags
from delivery.report import Outcome

_SERVED = (Outcome.DEPLOYED, Outcome.UP_TO_DATE)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as git has it: the commit that it is on, and when it was made.

    A tag without a date of its own (a lightweight one, as GitHub makes them) has its commit's.
    """

    name: str
    sha: str
    at: datetime.datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """A version that was cut: its tag, its commit, and when."""

    tag: str
    version: str
    revision: str
    at: datetime.datetime


@dataclass(frozen=True, slots=True)
class Undeployed:
    """A version that was cut and never served; ``tried`` is the last attempt, if there was one."""

    cut: Cut
    tried: Delivery | None


def read_cuts(tags: Iterable[Tag], prefix: str) -> list[Cut]:
    """The tags that are ``prefix``, a regular expression, and a version; newest first."""
    by_name = {tag.name: tag for tag in tags}
    versions = VersionTags.read(by_name, prefix).by_name
    cuts = [
        Cut(name, version.text, by_name[name].sha, by_name[name].at)
        for name, version in versions.items()
    ]
    return sorted(cuts, key=lambda cut: cut.at, reverse=True)


def named(deliveries: Iterable[Delivery], cuts: Sequence[Cut]) -> list[Delivery]:
    """The deliveries, each without a version given the one that its revision was cut as."""
    oldest = {cut.revision: cut.version for cut in cuts}
    return [
        each if each.version else replace(each, version=oldest.get(each.revision, ""))
        for each in deliveries
    ]


def undeployed(cuts: Iterable[Cut], deliveries: Iterable[Delivery]) -> list[Undeployed]:
    """The versions that none of the deliveries (newest first) put there, in the cuts' order."""
    told = list(deliveries)
    found: list[Undeployed] = []
    for cut in cuts:
        tries = [d for d in told if d.version == cut.version or d.revision == cut.revision]
        if not any(each.outcome in _SERVED for each in tries):
            found.append(Undeployed(cut, tries[0] if tries else None))
    return found
