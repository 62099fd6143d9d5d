"""host/receipt.sh: the prober asks a real server, and says what came of it."""

import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.free_ports import free_port
from tests.host.running import HOST, Machine

GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}"
Answering = Callable[[socketserver.StreamRequestHandler], None]


class Server(socketserver.ThreadingTCPServer):
    """Answers as a test says, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, answer: Answering) -> None:
        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer.asked.append(b"".join(iter(self.rfile.readline, b"\r\n")).decode())
                answer(self)

        outer = self
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Connection)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def answering(answer: Answering) -> Iterator[Server]:
    with Server(answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def says(*parts: bytes, pause: float = 0.0) -> Answering:
    def answer(connection: socketserver.StreamRequestHandler) -> None:
        for part in parts:
            time.sleep(pause)
            connection.wfile.write(part)

    return answer


def probed(machine: Machine, port: int, body: str = "probe") -> str:
    """What the library's functions print, told as one answer."""
    library = (HOST / "receipt.sh").read_text()
    told = f'open_log; probe_patience_seconds=1; succeed "\\"said\\":$(json_string "$({body})")"'
    return str(machine.run(f"{library}\n{told}", TT_APP_PORT=str(port)).result["said"])


def test_a_probe_asks_for_liveness_on_a_connection_of_its_own(machine: Machine) -> None:
    before = time.time()
    with answering(says(GOOD)) as server:
        left, status, _ = probed(machine, server.port).split()
    (asked,) = server.asked
    assert asked.splitlines()[0] == "GET /actuator/health/liveness HTTP/1.1"
    assert {"Host: 127.0.0.1", "Connection: close"} <= set(asked.splitlines())
    assert status == "200"
    assert before <= float(left) <= time.time()


def test_its_time_is_until_the_answer_is_whole(machine: Machine) -> None:
    with answering(says(GOOD[:9], GOOD[9:20], GOOD[20:], pause=0.1)) as server:
        _, status, took = probed(machine, server.port).split()
    assert status == "200"
    assert 0.3 <= float(took) < 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (says(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\nDOWN"), "503"),
        (says(b"HTTP/1.0 502 Bad Gateway\r\n\r\n"), "502"),
        (says(), "000"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "000"),
        (says(GOOD[:40], b"", pause=0.9), "000"),
        (lambda _connection: time.sleep(2), "000"),
    ],
    ids=["unavailable", "an older HTTP", "closes", "no HTTP", "never ends", "hangs"],
)
def test_whatever_comes_instead_is_a_status(
    machine: Machine, answer: Answering, status: str
) -> None:
    with answering(answer) as server:
        assert probed(machine, server.port).split()[1] == status


def test_a_port_that_nobody_listens_on_is_no_answer_and_no_end_of_the_prober(
    machine: Machine,
) -> None:
    lines = probed(machine, free_port(), "probe; probe").splitlines()
    assert [line.split()[1] for line in lines] == ["000", "000"]
    assert all(float(line.split()[2]) < 1 for line in lines)


def test_the_receipt_tells_what_was_asked_before_during_and_after(machine: Machine) -> None:
    def answer(connection: socketserver.StreamRequestHandler) -> None:
        out = (machine.state / "outage").exists()
        connection.wfile.write(b"HTTP/1.1 503 x\r\n\r\n" if out else GOOD)

    body = """start_prober; sleep 1; began=$EPOCHREALTIME; touch "$tt_state/outage"; sleep 1
rm "$tt_state/outage"; sleep 1.2; stop_prober; receipt "$began" "$EPOCHREALTIME" 7 0"""
    with answering(answer) as server:
        found = json.loads(probed(machine, server.port, body))
    assert found["before"]["requests"] >= 3
    assert found["before"]["failed"] == 0
    assert 3 <= found["during"]["failed"] < found["during"]["requests"]
    assert 800 <= found["longest_gap_ms"] < 3000
    assert len(server.asked) >= found["before"]["requests"] + found["during"]["requests"]


def test_the_prober_ends_with_the_script_that_began_it(machine: Machine) -> None:
    with answering(says(GOOD)) as server:
        probed(machine, server.port, "exec >/dev/null 2>&1 3>&-; start_prober; sleep 0.5")
        time.sleep(0.5)
        asked = len(server.asked)
        time.sleep(0.5)
        assert asked >= 2
        assert len(server.asked) == asked
