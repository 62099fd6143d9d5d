from dataclasses import replace
from pathlib import Path

import pytest

from lab.images import context
from lab.images.build import Materials, digest
from lab.images.catalogue import Image, read_catalogue, read_jar_packages

CATALOGUE = read_catalogue()


@pytest.mark.parametrize("image", CATALOGUE.values(), ids=list(CATALOGUE))
def test_each_image_has_a_dockerfile_that_builds_on_its_parent(image: Image) -> None:
    lines = (image.folder / "Dockerfile").read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]

    assert set(bases) <= ({"parent", "scratch"} if image.parent else {"scratch"})
    assert not image.parent or "parent" in bases


def test_parents_come_before_their_children() -> None:
    names = list(CATALOGUE)

    for image in CATALOGUE.values():
        assert not image.parent or names.index(image.parent) < names.index(image.name)


def test_official_images_lie_in_the_library_of_a_mirror_and_others_do_not() -> None:
    assert CATALOGUE["postgres"].mirrored == "library/postgres:16-alpine"
    assert CATALOGUE["prometheus"].mirrored == "prom/prometheus:v3.8.1"


def test_an_image_is_stale_when_a_file_a_package_or_its_parent_changed() -> None:
    image = CATALOGUE["redis"]
    materials = Materials(packages=(Path("redis-server_7.0.15_amd64.deb"),))
    newer = Materials(packages=(Path("redis-server_7.0.16_amd64.deb"),))
    before = digest(image, materials, "parent")

    assert digest(image, materials, "parent") == before
    assert digest(image, newer, "parent") != before
    assert digest(image, materials, "another parent") != before
    assert digest(replace(image, exclude=("./etc",)), materials, "parent") != before


def test_the_list_of_builder_packages_may_have_comments(tmp_path: Path) -> None:
    listed = tmp_path / "packages.txt"
    listed.write_text("# what the application needs\nlibpostgresql-jdbc-java  # the driver\n\n")

    found = read_jar_packages(listed)

    assert found is not None
    assert found.names == ("libpostgresql-jdbc-java",)


def test_an_empty_list_of_builder_packages_asks_for_none(tmp_path: Path) -> None:
    listed = tmp_path / "packages.txt"
    listed.write_text("# nothing yet\n")

    assert read_jar_packages(listed) is None


def test_compiled_files_are_no_input_of_an_image() -> None:
    names = [file.name for image in CATALOGUE.values() for file in context.own_files(image)]

    assert "Dockerfile" in names
    assert not [name for name in names if name.endswith(".pyc")]
