from pathlib import Path

from lab.neighbours import choosing_ports
from lab.settings import LabSettings


def make(home: Path, cache: Path) -> set[int]:
    """A lab made as `up` makes it, but not started; all its ports."""
    with choosing_ports(home, cache) as promised:
        settings = LabSettings.create(home, hosts=2, promised=frozenset(promised))
    hosts = [port for host in settings.hosts for port in host.ports.values()]
    return {*settings.ports.values(), *hosts}


def test_two_labs_that_are_made_one_after_the_other_share_no_port(tmp_path: Path) -> None:
    assert not make(tmp_path / "a", tmp_path) & make(tmp_path / "b", tmp_path)


def test_the_ports_of_a_lab_that_is_gone_are_promised_to_nobody(tmp_path: Path) -> None:
    make(tmp_path / "a", tmp_path)
    (tmp_path / "a" / "lab.json").unlink()

    with choosing_ports(tmp_path / "b", tmp_path) as promised:
        assert promised == set()


def test_a_labs_own_ports_and_unreadable_lists_are_no_obstacle(tmp_path: Path) -> None:
    make(tmp_path / "a", tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "lab.json").write_text("{")
    with choosing_ports(tmp_path / "b", tmp_path) as promised:
        assert promised
    with choosing_ports(tmp_path / "a", tmp_path) as promised:
        assert promised == set()
    (tmp_path / "labs.json").write_text("no JSON")
    with choosing_ports(tmp_path / "a", tmp_path) as promised:
        assert promised == set()
