import shlex
from pathlib import Path

from lab.environment import addresses, secrets
from lab.prefect import product_digest
from lab.settings import LabSettings


def test_every_secret_that_registration_asks_for_is_exported(tmp_path: Path) -> None:
    settings = LabSettings.create(tmp_path)

    assert set(secrets(settings)) == {
        "TT_GITHUB_TOKEN",
        "TT_REGISTRY_USERNAME",
        "TT_REGISTRY_PASSWORD",
        "TT_DOPPLER_TOKEN",
        "TT_SLACK_WEBHOOK_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    }
    assert all(secrets(settings).values())


def test_addresses_name_the_ports_of_this_very_lab(tmp_path: Path) -> None:
    settings = LabSettings.create(tmp_path)

    found = addresses(settings, "unix:///here/docker.sock")

    assert found["TT_LAB_REGISTRY"] == f"localhost:{settings.ports['registry']}"
    assert found["TT_LAB_APP_URL"] == settings.hosts[0].app_url
    assert found["TT_LAB_DOCKER_HOST"] == "unix:///here/docker.sock"
    assert found["TT_LAB_REPOSITORY"] == "tt-lab/tt-backend"


def test_no_value_means_anything_to_a_shell(tmp_path: Path) -> None:
    settings = LabSettings.create(tmp_path)

    for value in {**addresses(settings, "unix:///here"), **secrets(settings)}.values():
        assert shlex.split(shlex.quote(value)) == [value]


def test_registration_is_due_again_when_the_product_or_the_lab_changed(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    flow = tmp_path / "flows" / "deploy.py"
    flow.write_text("one = 1\n")
    before = product_digest(tmp_path, {"TT_LAB_REGISTRY": "localhost:5000"})

    assert product_digest(tmp_path, {"TT_LAB_REGISTRY": "localhost:5000"}) == before
    assert product_digest(tmp_path, {"TT_LAB_REGISTRY": "localhost:5999"}) != before
    flow.write_text("two = 2\n")
    assert product_digest(tmp_path, {"TT_LAB_REGISTRY": "localhost:5000"}) != before
