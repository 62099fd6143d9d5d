"""The tags of a repository that name versions, and which of them a release follows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from semver import Version

from delivery.version import ZERO, parse_version


@dataclass(frozen=True, slots=True)
class VersionTag:
    """A tag with the version that it names; `name` is None for the tag before the first."""

    name: str | None
    text: str
    version: Version

    @property
    def is_release(self) -> bool:
        """Whether it is a full release, no pre-release."""
        return not self.version.prerelease


@dataclass(frozen=True, slots=True)
class VersionTags:
    """Version tags by name, in the order in which they came."""

    by_name: Mapping[str, VersionTag]

    @classmethod
    def read(cls, names: Iterable[str], prefix: str) -> VersionTags:
        """Those of `names` that are `prefix`, a regular expression, and a version."""
        start = re.compile(f"^{prefix}", re.ASCII)
        found: dict[str, VersionTag] = {}
        for name in names:
            if matched := start.search(name):
                text = name[: matched.start()] + name[matched.end() :]
                if (version := parse_version(text)) is not None:
                    found[name] = VersionTag(name, text, version)
        return cls(found)

    def only(self, names: Iterable[str]) -> VersionTags:
        """Those of them that are among `names`."""
        wanted = set(names)
        return VersionTags({name: tag for name, tag in self.by_name.items() if name in wanted})

    def below(self, version: Version) -> VersionTags:
        """Those of them that name a lower version."""
        lower = {name: tag for name, tag in self.by_name.items() if tag.version < version}
        return VersionTags(lower)

    def latest_release(self) -> VersionTag:
        """The highest full release, or the virtual `0.0.0` before all."""
        releases = (tag for tag in self.by_name.values() if tag.is_release)
        before_all = VersionTag(None, str(ZERO), ZERO)
        return _highest(releases) or before_all

    def previous(self, identifier: str) -> VersionTag:
        """What a release follows: the latest full release or a higher pre-release `identifier`."""
        release = self.latest_release()
        ours = (tag for tag in self.by_name.values() if is_prerelease_of(tag, identifier))
        prerelease = _highest(ours)
        if prerelease and prerelease.version > release.version:
            return prerelease
        return release

    def highest_for(self, identifier: str | None) -> VersionTag | None:
        """The highest that is a full release, or a pre-release of `identifier` if given."""
        return _highest(
            tag
            for tag in self.by_name.values()
            if tag.is_release or (identifier is not None and is_prerelease_of(tag, identifier))
        )


def is_prerelease_of(tag: VersionTag, identifier: str) -> bool:
    """Whether `tag` is a pre-release whose text contains `identifier`, anywhere."""
    return not tag.is_release and identifier in tag.text


def _highest(tags: Iterable[VersionTag]) -> VersionTag | None:
    return max(tags, key=lambda tag: tag.version, default=None)
