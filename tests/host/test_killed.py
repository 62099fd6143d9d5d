"""A rollout that is ended at any command leaves a release serving, and the next one converges.

Killed before every command to Docker or the gateway that finds the host as no other one did: what
lies between two of them changes nothing that outlives the rollout.
"""

import pytest

from tests.host.running import Machine
from tests.host.whole_host import WholeHost


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("goes_back", "signal"),
    [(False, "KILL"), (True, "KILL"), (False, "TERM")],
    ids=["deploy", "way back", "deploy that is told to end"],
)
def test_killed_before_any_command_one_release_serves_and_the_next_run_converges(
    machine: Machine, goes_back: bool, signal: str
) -> None:
    host, wanted = WholeHost(machine), "one" if goes_back else "two"
    assert host.rolled_out("one").result
    if goes_back:
        assert host.rolled_out("two", warm_seconds=60).result
    host.save()
    assert host.rolled_out(wanted, goes_back=goes_back).result
    worlds = host.worlds
    assert len(worlds) >= 7

    for number, world in enumerate(worlds):
        host.restore()
        killed = host.rolled_out(wanted, goes_back=goes_back, kill_in=world, kill_with=signal)
        assert not (killed.result or {}).get("ok"), number
        assert host.serving in ("one", "two"), number
        assert host.outages == [], number
        again = host.rolled_out(wanted, goes_back=goes_back)
        assert again.result, again.log
        assert again.result["ok"], (number, again.result)
        assert (host.serving, len(host.apps), host.outages) == (wanted, 1, []), number


@pytest.mark.timeout(900)
def test_a_bad_release_that_is_killed_before_any_command_never_serves(machine: Machine) -> None:
    host = WholeHost(machine)
    assert host.rolled_out("one").result
    host.values("bad")
    host.save()
    refused = host.rolled_out("two", gate_seconds=1)
    assert refused.result
    assert not refused.result["ok"]
    worlds = host.worlds
    assert len(worlds) >= 3

    for number, world in enumerate(worlds):
        host.restore()
        host.rolled_out("two", kill_in=world, gate_seconds=1)
        assert (host.serving, host.outages) == ("one", []), number
        again = host.rolled_out("two", gate_seconds=1)
        assert again.result, again.log
        assert not again.result["ok"], number
        assert (host.serving, len(host.apps), host.outages) == ("one", 1, []), number
