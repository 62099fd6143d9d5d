"""host/gateway.sh: what it reads out of HAProxy's statistics, and what it tells HAProxy."""

import os
import time
from pathlib import Path

import pytest

from tests.host.running import HOST, Machine
from tests.host.stack_double import StackDouble

# Columns of HAProxy 2.6, shortened; a backend lists the slot that it prefers first.
STATISTICS = """\
# pxname,svname,scur,stot,status,econ,eresp,hrsp_5xx,
to_a,a,2,100,UP,1,0,4,
to_a,b,0,7,DOWN,0,0,0,
to_a,last,0,0,MAINT (resolution),0,0,0,
to_b,b,1,20,UP 1/3,0,1,0,
to_b,a,3,11,UP,0,2,1,
to_b,last,0,0,MAINT (resolution),0,0,0,
"""
# HAProxy's runtime socket, reached from inside the gateway's network.
NSENTER = r"""
echo "$*" >>"$HOSTED/entered"
read -r command; echo "$command" >>"$HOSTED/asked"
case "$command" in show*) cat "$HOSTED/answer" ;; *) cat "$HOSTED/complaint" ;; esac
"""


class Gateway:
    """A gateway that answers what a test says, and remembers what it was told."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.folder: Path = machine.root / "hosted"
        self.folder.mkdir(parents=True)
        self.answers(STATISTICS)
        self.complains("\n")
        machine.program("nsenter", f"HOSTED={self.folder}\n{NSENTER}")
        # Its process must be there for its network to be seen: any will do, so it is this one.
        machine.program("docker", f'echo "$*" >>{self.folder}/inspected; echo {os.getpid()}')

    def answers(self, text: str) -> None:
        (self.folder / "answer").write_text(text)

    def complains(self, text: str) -> None:
        (self.folder / "complaint").write_text(text)

    def entered(self) -> list[str]:
        """The processes whose network was entered, in order."""
        lines = (self.folder / "entered").read_text().splitlines()
        return [line.split()[1] for line in lines]

    def inspected(self) -> int:
        """How often Docker was asked for the process."""
        return len((self.folder / "inspected").read_text().splitlines())

    def told(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    def ask(self, body: str) -> str:
        """What the library's functions print, told as one answer."""
        library = (HOST / "gateway.sh").read_text()
        told = f'open_log; gateway=id; succeed "\\"said\\":$(json_string "$({body})")"'
        return str(self._machine.run(f"{library}\n{told}").result["said"])


@pytest.fixture
def gateway(machine: Machine) -> Gateway:
    return Gateway(machine)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("gateway_busy a", "5"),
        ("gateway_busy b", "1"),
        ("gateway_counts a", "111 8"),
        ("gateway_counts b", "27 1"),
        ("gateway_status a", "UP"),
        ("gateway_status b", "UP 1/3"),
        ("gateway_look a", "111 8 UP"),
        ("gateway_look b", "27 1 UP"),
        ("gateway_sees a 5 && echo yes", "yes"),
        ("gateway_sees b 1 || echo no", "no"),
    ],
)
def test_a_slot_is_read_by_the_names_of_columns(
    gateway: Gateway, question: str, answer: str
) -> None:
    assert gateway.ask(question) == answer


@pytest.mark.parametrize(
    "question", ["gateway_busy a", "gateway_counts a", "gateway_status a", "gateway_look a"]
)
def test_a_gateway_that_does_not_answer_is_no_gateway_without_requests(
    gateway: Gateway, question: str
) -> None:
    gateway.answers("")
    assert gateway.ask(f"{question} >/dev/null && echo answered || echo silent") == "silent"


@pytest.mark.parametrize(("slot", "served"), [("b", "yes"), ("a", "no"), ("", "no")])
def test_a_switch_counts_once_the_gateway_says_that_it_took_place(
    gateway: Gateway, slot: str, served: str
) -> None:
    gateway.answers(f"0 (/etc/active.map) map\n0x5 active to_{slot}\n" if slot else "")
    assert gateway.ask("gateway_serve b && echo yes || echo no") == served


def test_a_gateway_that_stands_still_is_not_waited_for_and_is_told_of(
    gateway: Gateway, machine: Machine
) -> None:
    machine.program("nsenter", "cat; sleep 50")
    began = time.monotonic()
    said = gateway.ask(
        "gateway_patience_seconds=1; gateway_busy a >/dev/null || echo silent; cat $tt_log"
    )
    assert time.monotonic() - began < 45
    assert said.startswith("silent\n")
    assert "the gateway does not answer 'show stat -1 4 -1' within 1 s" in said


def test_a_gateway_that_does_not_stay_up_is_told_so(machine: Machine) -> None:
    stack = StackDouble(machine)
    start = (HOST / "gateway.sh").read_text() + "\nstart_gateway; succeed"
    assert stack.do(start).result["ok"] is True
    stack.gateway_runs_as(0)
    result = stack.do(start).result
    assert result["failed"] == "the gateway does not stay up"
    assert result["next"] == "docker compose -p tt logs --tail 20 gateway"


def test_a_slot_is_filled_in_one_go(gateway: Gateway) -> None:
    assert gateway.ask("gateway_fill b tt-app-2") == ""
    (told,) = gateway.told()
    assert told.split("; ") == [
        "set server to_a/b fqdn tt-app-2",
        "set server to_a/b state ready",
        "set server to_b/b fqdn tt-app-2",
        "set server to_b/b state ready",
        "set server to_b/last fqdn tt-app-2",
    ]


def test_only_a_complaint_is_passed_on(gateway: Gateway) -> None:
    gateway.complains("\nno need to change the FDQN\n\nNo such server.\n\n")
    assert "No such server." in gateway.ask("gateway_empty a 2>&1; cat $tt_log")
    gateway.complains("\nno need to change the addr, port\n\n")
    assert "->" not in gateway.ask("gateway_empty b")


def test_docker_is_asked_once_however_often_the_gateway_is(gateway: Gateway) -> None:
    gateway.ask("find_gateway; gateway_busy a; gateway_busy b; gateway_status a")

    assert gateway.inspected() == 1
    assert gateway.entered() == [str(os.getpid())] * 3


def test_a_gateway_that_was_started_anew_is_found_again(gateway: Gateway) -> None:
    gone = "gateway_process=4194305; gateway_network='net:[1]'"

    assert gateway.ask(f"{gone}; gateway_busy a") == "5"
    assert gateway.entered() == [str(os.getpid())]
