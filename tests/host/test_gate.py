"""The gate of host/takeover.sh: what it makes of each look, for one question to Docker a look."""

from pathlib import Path

import pytest

from tests.host.running import HOST, Machine, Ran

# Docker says a line of `looks` each time that it is asked. After the last one the container is
# gone, so who asks twice in a look finds a crash.
DOCKER = r"""
cd "$HOSTED"; echo "$*" >>asked
[ -s looks ] || exit 1
sed -n 1p looks; sed -i 1d looks
"""
# An address answers as its file says: the status of its readiness, of its health, what is down.
CURL = r"""
url=${*: -1} host=${url#http://}; host=${host%%:*}
read -r ready up down <"$HOSTED/at-$host" || { printf 000; exit 7; }
[[ $url != */readiness ]] || { printf %s "$ready"; exit; }
until [ "$1" = --output ]; do shift; done
printf '{"components":{"%s":{"status":"DOWN"}}}' "$down" >"$2"
printf %s "$up"
"""
BEGIN = """open_log; candidate=tt-app-2 restarts_at_first=0 baseline=mail
TT_GATE_PASSES=2 TT_GATE_SECONDS=60; clean_up() { :; }; sleep() { :; }
"""
READY, NOT_READY, NOT_UP, AS_BEFORE = "172.18.0.2", "172.18.0.3", "172.18.0.4", "172.18.0.5"


class Gate:
    """A candidate before the gate; the looks at it are what Docker says of it, in turn."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.folder: Path = machine.root / "hosted"
        self.folder.mkdir(parents=True)
        for name, body in (("docker", DOCKER), ("curl", CURL)):
            machine.program(name, f"HOSTED={self.folder}\n{body}")
        answers = {READY: "200 200", NOT_READY: "503", NOT_UP: "200 503 db"}
        for address, text in {**answers, AS_BEFORE: "200 503 mail"}.items():
            (self.folder / f"at-{address}").write_text(f"{text}\n")

    def __call__(self, *looks: str, body: str = 'gate; succeed "\\"ok\\":true"') -> Ran:
        (self.folder / "looks").write_text("".join(f"{look}\n" for look in looks))
        parts = [(HOST / f"{name}.sh").read_text() for name in ("application", "takeover")]
        return self._machine.run("\n".join([*parts, BEGIN, body]), TT_APP_PORT="8080")

    @property
    def asked(self) -> int:
        """How often Docker was asked."""
        return len((self.folder / "asked").read_text().splitlines())


@pytest.fixture
def gate(machine: Machine) -> Gate:
    return Gate(machine)


def well(address: str = READY, *, health: str = "healthy") -> str:
    return f"true 0|{health}|{address}"


@pytest.mark.parametrize(
    "looks",
    [
        [well(), well()],
        [well(health=""), well(health="")],
        [well(NOT_READY), well(NOT_READY), well(), well()],
        [well(), well(health="starting"), well(), well(health="unhealthy"), well(), well()],
        [well(), well(NOT_UP), well(), well()],
        [well(AS_BEFORE), well(AS_BEFORE)],
        [well(""), well(), well()],
        [f"{well()}|10.0.0.1", f"{well()}|10.0.0.1"],
    ],
    ids=[
        "healthy",
        "without a check of Docker's",
        "not ready at first",
        "not healthy in between",
        "not up in between",
        "as much down as before",
        "without an address at first",
        "in two networks",
    ],
)
def test_a_look_of_the_gate_asks_docker_once(gate: Gate, looks: list[str]) -> None:
    ran = gate(*looks)
    assert ran.result["ok"], ran.result
    assert gate.asked == len(looks)


@pytest.mark.parametrize(
    "then",
    [["false 0|unhealthy|"], ["true 1|starting|172.18.0.2"], []],
    ids=["ended", "came back", "gone"],
)
def test_a_crash_between_two_looks_is_one_whatever_the_container_does_now(
    gate: Gate, then: list[str]
) -> None:
    failed = gate(well(), *then).result["failed"]
    assert failed == "tt-app-2 crashed while it started"
    assert gate.asked == 2


def test_each_look_asks_at_the_address_that_the_container_has_by_then(gate: Gate) -> None:
    (gate.folder / "at-172.18.0.9").write_text("200 200\n")
    assert gate(well("172.18.0.8"), well("172.18.0.9"), well()).result["ok"]
    assert gate.asked == 3


def test_whether_the_one_that_serves_answers_takes_one_question_a_look(gate: Gate) -> None:
    looks = [well(NOT_READY), "false 0||", well()]
    said = gate(*looks, body="answers tt-app-1 && succeed").result
    assert said["ok"]
    assert gate.asked == len(looks)
