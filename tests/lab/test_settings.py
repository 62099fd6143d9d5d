import json
import stat
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.ports import is_free
from lab.settings import HOST_PORTS, SERVICE_PORTS, LabSettings, lab_name, settings_file


def test_settings_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    created = LabSettings.create(tmp_path / "lab", hosts=2)

    assert LabSettings.load(tmp_path / "lab") == created


def test_only_the_owner_can_read_the_credentials(tmp_path: Path) -> None:
    LabSettings.create(tmp_path)

    assert stat.S_IMODE(settings_file(tmp_path).stat().st_mode) == 0o600


def test_a_home_without_a_lab_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="python -m lab up"):
        LabSettings.load(tmp_path)


def test_no_two_things_of_one_lab_listen_on_the_same_port(tmp_path: Path) -> None:
    settings = LabSettings.create(tmp_path, hosts=3)
    ports = [*settings.ports.values()]
    ports += [port for host in settings.hosts for port in host.ports.values()]

    assert len(set(ports)) == len(SERVICE_PORTS) + 3 * len(HOST_PORTS)


def test_every_port_was_free_when_it_was_chosen(tmp_path: Path) -> None:
    settings = LabSettings.create(tmp_path)

    assert all(is_free(port) for port in settings.ports.values())


def test_credentials_look_like_those_of_the_services_and_are_never_the_same(tmp_path: Path) -> None:
    one, other = LabSettings.create(tmp_path / "one"), LabSettings.create(tmp_path / "other")

    assert one.doppler_token.startswith("dp.st.prd.")
    assert one.slack_path.startswith("/services/T")
    assert len(one.aws_access_key_id) == 20
    assert one.registry_password != other.registry_password
    assert one.webhook_secret != other.webhook_secret


def test_more_hosts_leave_those_that_exist_as_they_are(tmp_path: Path) -> None:
    settings = LabSettings.create(tmp_path)

    grown = settings.with_hosts(3)

    assert grown.hosts[0] == settings.hosts[0]
    assert [host.name for host in grown.hosts] == ["TT-ec2-1", "TT-ec2-2", "TT-ec2-3"]
    assert grown.with_hosts(1) == grown


@pytest.mark.parametrize("name", ["TT-ec2-2", "2"])
def test_a_host_is_found_by_name_and_by_number(tmp_path: Path, name: str) -> None:
    assert LabSettings.create(tmp_path, hosts=2).host(name).name == "TT-ec2-2"


def test_an_unknown_host_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="there is TT-ec2-1"):
        LabSettings.create(tmp_path).host("TT-ec2-7")


def test_two_homes_never_share_a_name() -> None:
    assert lab_name(Path("/one")) != lab_name(Path("/other"))


def test_a_half_written_file_never_replaces_the_settings(tmp_path: Path) -> None:
    LabSettings.create(tmp_path)

    assert [file.name for file in tmp_path.iterdir()] == ["lab.json"]
    assert json.loads(settings_file(tmp_path).read_text())["home"] == str(tmp_path)
