from pathlib import Path

import pytest

from lab.apt import debian_mirror, package_files
from lab.errors import LabError
from lab.packages import STABLE, PackageSet, recorded_files

DEB822 = """\
Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
# a comment, as snapshots have it
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
"""


def test_the_mirror_is_read_from_sources_in_the_new_format(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)

    assert debian_mirror(tmp_path) == "http://mirror.example/debian"


@pytest.mark.parametrize("options", ["", "[signed-by=/usr/share/keyrings/x.gpg arch=amd64] "])
def test_the_mirror_is_read_from_sources_in_the_old_format(tmp_path: Path, options: str) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example/debian bookworm main\n"
        "deb https://vendor.example/apt stable main\n"
        f"deb {options}http://mirror.example/debian/ bookworm main contrib\n"
    )

    assert debian_mirror(tmp_path) == "http://mirror.example/debian/"


def test_a_machine_without_a_debian_mirror_is_told_what_the_lab_needs(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="needs Debian's packages"):
        debian_mirror(tmp_path)


def test_file_names_are_read_from_apts_list_of_addresses() -> None:
    listing = (
        "'http://mirror.example/debian/pool/main/r/runc/runc_1.1.5%2bds1-1%2bdeb12u1_amd64.deb' "
        "runc_1.1.5+ds1-1+deb12u1_amd64.deb 2709908 SHA256:6df4\n"
        "W: something else that apt had to say\n"
    )

    assert package_files(listing) == ["runc_1.1.5+ds1-1+deb12u1_amd64.deb"]


def test_the_key_of_a_set_does_not_depend_on_the_order_of_its_names() -> None:
    one = PackageSet(STABLE, ("git", "curl"))

    assert one.key == PackageSet(STABLE, ("curl", "git")).key
    assert one.key != PackageSet(STABLE, ("curl", "git"), with_dependencies=True).key
    assert one.key != PackageSet(STABLE, ("curl", "git"), without=("perl",)).key


def test_a_recorded_download_counts_only_while_all_its_files_are_there(tmp_path: Path) -> None:
    manifest = tmp_path / "set.json"
    manifest.write_text('["a.deb", "b.deb"]')
    (tmp_path / "a.deb").touch()

    assert recorded_files(manifest, tmp_path) is None
    (tmp_path / "b.deb").touch()
    assert recorded_files(manifest, tmp_path) == [tmp_path / "a.deb", tmp_path / "b.deb"]


def test_a_record_that_was_cut_short_does_not_count(tmp_path: Path) -> None:
    manifest = tmp_path / "set.json"
    manifest.write_text('["a.de')

    assert recorded_files(manifest, tmp_path) is None
