import datetime

import pytest

from delivery.errors import BadRequest
from delivery.image import Image, ImageRepository, annotations, image_tag, is_digest, page_of


@pytest.mark.parametrize(
    ("text", "registry", "path"),
    [
        ("ghcr.io/chehyeon-kim23/tt_backend", "ghcr.io", "chehyeon-kim23/tt_backend"),
        ("localhost:5000/tt-lab/tt-backend", "localhost:5000", "tt-lab/tt-backend"),
        ("localhost/a", "localhost", "a"),
        ("registry.example:443/a/b/c__d.e--f", "registry.example:443", "a/b/c__d.e--f"),
    ],
)
def test_a_repository_is_a_registry_and_a_path(text: str, registry: str, path: str) -> None:
    repository = ImageRepository.parse(text)
    assert (repository.registry, repository.path, str(repository)) == (registry, path, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ghcr.io",
        "ghcr.io/",
        "ghcr.io/A/b",
        "ghcr.io/a/b:latest",
        "ghcr.io/a/b@sha256:" + "0" * 64,
        "ghcr.io/a//b",
        "ghcr.io/a/../b",
        "ghcr.io/-a",
        "ghcr.io/a_",
        "tt-lab/tt-backend",
        "https://ghcr.io/a/b",
        "ghcr.io/a/b\n",
    ],
)
def test_what_is_no_repository_is_refused_before_anything_is_built(text: str) -> None:
    with pytest.raises(BadRequest):
        ImageRepository.parse(text)


def test_an_image_is_referred_to_by_digest_never_by_tag() -> None:
    image = Image("ghcr.io/a/b", "v1.0.0", "sha256:" + "0" * 64)
    assert image.reference == "ghcr.io/a/b@sha256:" + "0" * 64


DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("ghcr.io/a/b", f"https://ghcr.io/a/b@{DIGEST}"),
        ("registry.example:443/a/b", f"https://registry.example:443/v2/a/b/manifests/{DIGEST}"),
        ("localhost:5000/a/b", f"http://localhost:5000/v2/a/b/manifests/{DIGEST}"),
        ("127.0.0.1:5000/a/b", f"http://127.0.0.1:5000/v2/a/b/manifests/{DIGEST}"),
    ],
)
def test_a_person_can_look_at_an_image(name: str, page: str) -> None:
    assert page_of(f"{name}@{DIGEST}") == page


@pytest.mark.parametrize(
    "reference", ["", "ghcr.io/a/b", "ghcr.io/a/b:v1", "ghcr.io/a/b@sha256:0", f"a/b@{DIGEST}"]
)
def test_what_is_not_named_by_digest_has_no_page(reference: str) -> None:
    assert page_of(reference) == ""


def test_a_git_tag_that_no_image_can_carry_is_refused() -> None:
    assert image_tag("v1.0.0-develop.3") == "v1.0.0-develop.3"
    with pytest.raises(BadRequest):
        image_tag("v1.0.0+build")


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("sha256:" + "0a" * 32, True),
        ("sha256:" + "0A" * 32, False),
        ("sha256:" + "0" * 63, False),
        ("sha256:" + "0" * 64 + "\n", False),
        ("", False),
    ],
)
def test_a_digest_is_64_lower_case_hexadecimal_digits(text: str, claim: bool) -> None:
    assert is_digest(text) is claim


def test_annotations_carry_the_time_in_utc() -> None:
    seoul = datetime.timezone(datetime.timedelta(hours=9))
    labels = annotations(
        version="0.1.0",
        revision="abc",
        source="https://github.com/a/b",
        created=datetime.datetime(2026, 11, 23, 10, 0, 0, tzinfo=seoul),
    )
    assert labels == {
        "org.opencontainers.image.version": "0.1.0",
        "org.opencontainers.image.revision": "abc",
        "org.opencontainers.image.source": "https://github.com/a/b",
        "org.opencontainers.image.created": "2026-11-23T01:00:00Z",
    }
