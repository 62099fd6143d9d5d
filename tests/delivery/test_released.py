"""A release as the later stages need it."""

import pytest

from delivery.released import Release


@pytest.mark.parametrize(
    ("tag", "previous_tag", "previous_version"),
    [
        ("v1.2.0", "v1.1.0", "1.1.0"),
        ("1.2.0", "1.1.0", "1.1.0"),
        ("backend-1.2.0", "backend-1.1.0", "1.1.0"),
        ("v1.2.0", "", ""),
    ],
)
def test_the_version_before_is_its_tag_without_the_prefix(
    tag: str, previous_tag: str, previous_version: str
) -> None:
    release = Release(tag, "1.2.0", "a" * 40, previous_tag, "", "", created=True, reason="")
    assert release.previous_version == previous_version
