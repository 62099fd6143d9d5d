"""What a host of the lab is made from."""

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.instance import image_store
from lab.up import prepare


def test_an_image_store_that_docker_does_not_have_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TT_LAB_IMAGE_STORE", "aufs")
    with pytest.raises(LabError, match="aufs; it may be overlay2 or containerd"):
        image_store()


def test_it_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TT_LAB_IMAGE_STORE", "aufs")
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
