"""host/rollout.sh going back: what is still there comes back as it was, with its old values."""

import pytest

from tests.host.running import Machine
from tests.host.whole_host import Run, WholeHost


@pytest.fixture
def host(machine: Machine) -> WholeHost:
    """A host that runs release `one` with the values `good`."""
    host = WholeHost(machine)
    assert host.rolled_out("one").result
    return host


def ended_well(run: Run) -> dict[str, object]:
    assert run.result, run.log
    assert run.result["ok"], run.result
    return run.result


def test_the_warm_one_takes_the_traffic_back_though_a_value_changed(host: WholeHost) -> None:
    before = ended_well(host.rolled_out("one"))["configuration"]
    ended_well(host.rolled_out("two", warm_seconds=60))
    host.values("changed")
    back = ended_well(host.rolled_out("one", goes_back=True))
    assert (back["warm"], back["configuration"]) == (True, before)
    assert (host.apps, host.serving, host.outages) == (["tt-app-1"], "one", [])


def test_the_same_release_with_bad_values_gives_way_to_itself_with_the_old_ones(
    host: WholeHost,
) -> None:
    host.values("worse")
    ended_well(host.rolled_out("one", warm_seconds=60))
    assert host.apps == ["tt-app-1", "tt-app-2"]
    back = ended_well(host.rolled_out("one", goes_back=True))
    assert (back["warm"], host.apps, host.outages) == (True, ["tt-app-1"], [])


def test_a_warm_one_that_does_not_pass_the_gate_goes_and_a_new_one_starts(host: WholeHost) -> None:
    ended_well(host.rolled_out("two", warm_seconds=60))
    host.falls_ill("tt-app-1")
    back = ended_well(host.rolled_out("one", goes_back=True, gate_seconds=6))
    assert (back["warm"], back["changed"]) == (False, ["app"])
    assert (host.apps, host.serving, host.outages) == (["tt-app-3"], "one", [])


def test_a_deploy_starts_a_container_with_the_new_values_though_one_is_warm(
    host: WholeHost,
) -> None:
    ended_well(host.rolled_out("two", warm_seconds=60))
    host.values("changed")
    assert ended_well(host.rolled_out("one"))["warm"] is False
    assert (host.apps, host.serving) == (["tt-app-3"], "one")


@pytest.mark.parametrize("image", ["one", "two"])
def test_a_takeover_that_was_undone_needs_no_other_container_to_go_back_to(
    host: WholeHost, image: str
) -> None:
    host.values("bad")
    failed = host.rolled_out(image, gate_seconds=2).result
    assert failed
    assert failed["failed"] == "tt-app-2 was not ready within 2 s; not UP: readiness"
    back = ended_well(host.rolled_out("one", goes_back=True))
    assert (back["changed"], host.apps, host.serving) == ([], ["tt-app-1"], "one")


def test_what_was_down_before_is_held_against_neither_the_release_nor_the_way_back(
    host: WholeHost,
) -> None:
    host.is_down("mail")
    done = ended_well(host.rolled_out("two", warm_seconds=60))
    assert done["note"] == "was down before already, not this release's fault: mail"
    host.says_nothing_of_its_health("tt-app-2")
    back = ended_well(host.rolled_out("one", goes_back=True))
    assert (back["warm"], host.apps, host.serving) == (True, ["tt-app-1"], "one")


def test_what_only_the_new_release_has_down_is_held_against_it(host: WholeHost) -> None:
    host.is_down("mail")
    host.is_down("db", image="two")
    failed = host.rolled_out("two", gate_seconds=2).result
    assert failed
    assert failed["failed"] == "tt-app-2 was not ready within 2 s; not UP: db"
    assert (host.apps, host.serving, host.outages) == (["tt-app-1"], "one", [])


def test_one_that_dockers_own_check_finds_ill_does_not_pass_the_gate(host: WholeHost) -> None:
    host.finds("two", "starting")
    failed = host.rolled_out("two", gate_seconds=2).result
    assert failed
    assert failed["failed"] == "tt-app-2 was not ready within 2 s; not UP: Docker's health check"
    host.finds("two", "healthy")
    ended_well(host.rolled_out("two"))
    assert host.serving == "two"


class TestUnprepared:
    """The clone, Doppler or the registry kept the host from being prepared for the way back."""

    @pytest.fixture(autouse=True)
    def without_doppler(self, host: WholeHost, machine: Machine) -> None:
        ended_well(host.rolled_out("two", warm_seconds=60))
        machine.program("doppler", "exit 1")

    def test_the_warm_one_takes_the_traffic_back_all_the_same(self, host: WholeHost) -> None:
        back = ended_well(host.rolled_out("one", goes_back=True, prepared=False))
        assert (back["warm"], back["configuration"]) == (True, "")
        assert (host.apps, host.serving, host.outages) == (["tt-app-1"], "one", [])

    def test_what_is_back_already_stays(self, host: WholeHost) -> None:
        for _ in range(2):
            ended_well(host.rolled_out("one", goes_back=True, prepared=False))
        assert (host.apps, host.serving) == (["tt-app-1"], "one")

    def test_where_nothing_is_warm_it_fails_and_says_so(self, host: WholeHost) -> None:
        failed = host.rolled_out("zero", goes_back=True, prepared=False).result
        assert failed
        assert failed["failed"] == (
            "the host could not be prepared, and nothing that could serve is there any more"
        )
        assert (host.serving, host.outages) == ("two", [])


def test_where_nothing_is_warm_a_new_one_starts_with_the_values_that_there_are(
    host: WholeHost,
) -> None:
    ended_well(host.rolled_out("two"))
    host.values("changed")
    back = ended_well(host.rolled_out("one", goes_back=True))
    assert (back["warm"], host.apps, host.serving) == (False, ["tt-app-3"], "one")
