"""A rollout that is killed at any command leaves a release serving, and the next one converges.

Killed before every command to Docker or the gateway that finds the host as no other one did: what
lies between two of them changes nothing that outlives the rollout.
"""

import pytest

from tests.host.running import Machine
from tests.host.whole_host import WholeHost


@pytest.mark.timeout(900)
@pytest.mark.parametrize("goes_back", [False, True], ids=["deploy", "way back"])
def test_killed_before_any_command_one_release_serves_and_the_next_run_converges(
    machine: Machine, goes_back: bool
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
        killed = host.rolled_out(wanted, goes_back=goes_back, kill_in=world)
        assert killed.result is None, number
        assert host.serving in ("one", "two"), number
        assert host.outages == [], number
        again = host.rolled_out(wanted, goes_back=goes_back)
        assert again.result, again.log
        assert again.result["ok"], (number, again.result)
        assert (host.serving, len(host.apps), host.outages) == (wanted, 1, []), number
