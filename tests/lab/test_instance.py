"""What a host of the lab is made from."""

import pytest

from lab.errors import LabError
from lab.instance import image_store


def test_an_image_store_that_docker_does_not_have_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TT_LAB_IMAGE_STORE", "aufs")
    with pytest.raises(LabError, match="aufs; it may be overlay2 or containerd"):
        image_store()


def test_a_host_has_the_image_store_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TT_LAB_IMAGE_STORE", raising=False)
    assert image_store() == "overlay2"
    monkeypatch.setenv("TT_LAB_IMAGE_STORE", "containerd")
    assert image_store() == "containerd"
