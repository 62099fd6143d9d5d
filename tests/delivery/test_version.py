"""Versions are read and counted up as node-semver does it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from delivery.version import RELEASE_TYPES, ZERO, increment, parse_version, to_identifier

NUMBERS = st.integers(0, 30)
IDENTIFIERS = st.sampled_from(["", "rc", "develop", "feature-Foo-1", "12", "a-b"])
VERSIONS = st.builds(
    lambda major, minor, patch, pre: Version(major, minor, patch, prerelease=pre),
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.one_of(
        st.none(),
        st.lists(st.sampled_from(["rc", "develop", "0", "7", "x-1"]), min_size=1, max_size=3).map(
            ".".join
        ),
    ),
)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2.3", "1.2.3"),
        ("v1.2.3", "1.2.3"),
        (" 1.2.3-rc.1 ", "1.2.3-rc.1"),
        ("1.2.3+build.5", "1.2.3+build.5"),
        ("9007199254740991.0.0", "9007199254740991.0.0"),
    ],
)
def test_a_text_that_is_a_version(text: str, version: str) -> None:
    assert str(parse_version(text)) == version


@pytest.mark.parametrize(
    "text",
    [
        *("", "v", "1.2", "01.2.3", "vv1.2.3", "=1.2.3", "1.2.3.4", "V1.2.3", "1.2.3-01"),
        *("1.2.3-", "9007199254740992.0.0", f"1.2.3-{'a' * 256}", "١.2.3", "1.2.3 4", "v 1.2.3"),
    ],
)
def test_a_text_that_is_none(text: str) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("before", "release_type", "identifier", "after"),
    [
        ("1.2.3", "major", "", "2.0.0"),
        ("1.2.3", "minor", "", "1.3.0"),
        ("1.2.3", "patch", "", "1.2.4"),
        ("2.0.0-rc.1", "major", "", "2.0.0"),
        ("2.1.0-rc.1", "major", "", "3.0.0"),
        ("1.3.0-rc.1", "minor", "", "1.3.0"),
        ("1.3.1-rc.1", "minor", "", "1.4.0"),
        ("1.3.1-rc.1", "patch", "", "1.3.1"),
        ("1.2.3", "premajor", "rc", "2.0.0-rc.0"),
        ("1.2.3", "preminor", "rc", "1.3.0-rc.0"),
        ("1.2.3", "prepatch", "", "1.2.4-0"),
        ("0.1.0-develop.3", "prerelease", "develop", "0.1.0-develop.4"),
        ("0.1.0-develop.3", "prepatch", "develop", "0.1.1-develop.0"),
        ("0.1.0-develop.3", "preminor", "develop", "0.2.0-develop.0"),
        ("1.2.3", "prerelease", "develop", "1.2.4-develop.0"),
        ("1.2.3-alpha.7", "prerelease", "rc", "1.2.3-rc.0"),
        ("1.2.3-rc", "prerelease", "rc", "1.2.3-rc.0"),
        ("1.2.3-rc.x", "prerelease", "rc", "1.2.3-rc.0"),
        ("1.2.3-12.4", "prerelease", "12", "1.2.3-12.5"),
        ("1.2.3-rc.4.x", "prerelease", "", "1.2.3-rc.5.x"),
        ("1.2.3-rc.x", "prerelease", "", "1.2.3-rc.x.0"),
        ("1.2.3-rc.99999999999999999999", "prerelease", "", "1.2.3-rc.99999999999999999999.0"),
        ("1.2.3+build", "patch", "", "1.2.4"),
    ],
)
def test_the_version_after(before: str, release_type: str, identifier: str, after: str) -> None:
    version = parse_version(before)
    assert version is not None
    assert str(increment(version, release_type, identifier)) == after


def test_there_is_none_after_an_unknown_release_type() -> None:
    assert increment(ZERO, "none", "") is None


def test_there_is_none_with_an_identifier_that_semver_forbids() -> None:
    assert increment(ZERO, "preminor", "012") is None


def test_there_is_none_after_the_largest_number() -> None:
    assert increment(Version(2**53 - 1, 0, 0), "major", "") is None


@given(VERSIONS, st.sampled_from(RELEASE_TYPES), IDENTIFIERS)
def test_what_comes_after_is_higher_unless_the_name_of_the_prerelease_changes(
    version: Version, release_type: str, identifier: str
) -> None:
    after = increment(version, release_type, identifier)
    assert after is not None
    renamed = release_type == "prerelease" and bool(version.prerelease)
    assert after > version or (renamed and after.finalize_version() == version.finalize_version())


@pytest.mark.parametrize(
    ("branch", "identifier"),
    [("develop", "develop"), ("feat/#12-로그인", "feat--12----"), ("", ""), ("a.b_c", "a-b-c")],
)
def test_a_branch_as_an_identifier(branch: str, identifier: str) -> None:
    assert to_identifier(branch) == identifier
