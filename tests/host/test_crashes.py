"""A release that crashes and comes back: seen in the takeover and by the probe after it."""

import os
import time

import pytest

from tests.host.running import HOST, Machine

# A container's restarts are a file; `next` holds the count after it was asked once more.
DOCKER = r"""
cd "$HOSTED"
case "$*" in
*Running*RestartCount*) echo "true $(cat restarts)" ;;
*RestartCount*) cat restarts ;;
*Running*) echo true ;;
"ps "*service=app*|"ps "*name=*) echo app-id ;;
esac
"""


class Crashing:
    """One container of the application, whose restarts a test sets."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.folder = machine.root / "hosted"
        self.folder.mkdir(parents=True)
        self.restarted(0)
        machine.program("docker", f"HOSTED={self.folder}\n{DOCKER}")

    def restarted(self, times: int) -> None:
        (self.folder / "restarts").write_text(f"{times}\n")

    def ask(self, body: str) -> str:
        """What the scripts' functions print, told as one answer."""
        parts = [(HOST / f"{name}.sh").read_text() for name in ("application", "takeover")]
        quiet = "probes=none; stop_prober() { :; }; forget_rendered() { :; }"
        told = f'open_log; {quiet}; succeed "\\"said\\":$(json_string "$({body})")"'
        ran = self._machine.run("\n".join([*parts, told]), TT_APP_SERVICE="app", TT_PROJECT="tt")
        return str(ran.result["said"])


@pytest.fixture
def app(machine: Machine) -> Crashing:
    return Crashing(machine)


@pytest.mark.parametrize(
    ("at_first", "now", "verdict"),
    [(0, 0, "holds"), (0, 1, "crashed"), (3, 3, "holds"), (3, 4, "crashed")],
)
def test_a_crash_between_two_steps_is_not_the_next_ones_starting_point(
    app: Crashing, at_first: int, now: int, verdict: str
) -> None:
    app.restarted(now)
    chosen = f"candidate=tt-app-2; restarts_at_first={at_first}"
    assert app.ask(f"{chosen}; has_crashed && echo crashed || echo holds") == verdict


def test_a_crash_after_the_takeover_is_counted(app: Crashing) -> None:
    app.restarted(2)
    said = app.ask("note_takeover tt-app-2 1; restarts_since_takeover tt-app-2")
    assert said == "1"


def test_what_another_container_did_or_what_is_long_ago_is_not_the_takeovers(
    app: Crashing, machine: Machine
) -> None:
    app.restarted(5)
    assert app.ask("note_takeover tt-app-1 0; restarts_since_takeover tt-app-2") == "0"
    app.ask("note_takeover tt-app-2 0")
    noted = machine.root / "run" / "takeover"
    long_ago = time.time() - 11 * 60
    os.utime(noted, (long_ago, long_ago))
    assert app.ask("restarts_since_takeover tt-app-2") == "0"


def test_without_a_takeover_nothing_is_counted(app: Crashing) -> None:
    app.restarted(5)
    assert app.ask("restarts_since_takeover tt-app-2") == "0"


def test_of_two_containers_the_one_that_the_gateway_serves_is_the_application(
    app: Crashing, machine: Machine
) -> None:
    slots = machine.state / "gateway" / "current"
    slots.mkdir(parents=True)
    (slots / "slots").write_text("slot_active=b\nslot_a=tt-app-1\nslot_b=tt-app-2\n")
    machine.program("docker", 'case "$*" in *name=^tt-app-2\\$*) echo two ;; *) echo one ;; esac')
    assert app.ask("container_of app") == "two"
    assert app.ask("container_of postgres") == "one"
