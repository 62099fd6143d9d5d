"""What a host of the lab is made from."""

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.instance import disk_bytes, image_store
from lab.up import prepare


def test_an_image_store_that_docker_does_not_have_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TT_LAB_IMAGE_STORE", "aufs")
    with pytest.raises(LabError, match="aufs; it may be overlay2 or containerd"):
        image_store()


@pytest.mark.parametrize("size", ["large", "8GB", "-1", "0.5", "nan", "inf", "1025"])
def test_a_disk_of_no_such_size_is_refused(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setenv("TT_LAB_DISK_GB", size)
    with pytest.raises(LabError, match=f"TT_LAB_DISK_GB is {size}; it may be 0, or from 1 to 1024"):
        disk_bytes()


@pytest.mark.parametrize(
    ("size", "gigabytes"), [("", 8), ("0", 0), ("1", 1), ("2.5", 2.5), ("1024", 1024)]
)
def test_a_disk_is_as_large_as_asked_for(
    monkeypatch: pytest.MonkeyPatch, size: str, gigabytes: float
) -> None:
    monkeypatch.setenv("TT_LAB_DISK_GB", size)
    assert disk_bytes() == gigabytes * 2**30


@pytest.mark.parametrize(
    ("variable", "value"), [("TT_LAB_IMAGE_STORE", "aufs"), ("TT_LAB_DISK_GB", "large")]
)
def test_it_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(LabError):
        prepare(tmp_path / "lab", hosts=1)
    assert list(tmp_path.iterdir()) == []


def test_the_image_store_is_the_one_asked_for_else_the_classic_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TT_LAB_IMAGE_STORE", raising=False)
    assert image_store() == "overlay2"
    monkeypatch.setenv("TT_LAB_IMAGE_STORE", "containerd")
    assert image_store() == "containerd"
