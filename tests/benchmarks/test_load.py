"""The load counts what is lost, and only that: on real servers that hold real conversations."""

import itertools
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from benchmarks.load import Figures, Load
from lab.processes import wait_until
from tests.free_ports import free_port

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"version":"v1"}'
ANSWER = HEAD + b"Content-Length: 16\r\n\r\n" + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Peer(socketserver.StreamRequestHandler):
    """One connection, as its server has it."""

    server: "Server"

    def handle(self) -> None:
        self.number = next(self.server.numbers)
        with suppress(ConnectionError):
            self.server.talk(self)

    def asked(self) -> bool:
        """Read the next request; false once the client has closed."""
        head, length = b"", 0
        while not head.endswith(b"\r\n\r\n"):
            if not (line := self.rfile.readline()):
                return False
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
            head += line
        self.server.requests.append((self.number, head, self.rfile.read(length)))
        return True

    def say(self, *parts: bytes) -> None:
        """Send each part for itself."""
        for part in parts:
            self.wfile.write(part)
            time.sleep(0.01 * (len(parts) > 1))

    def say_last(self, last: bytes) -> None:
        """Send it and the end of the connection as one: nobody can ask again in between."""
        self.request.sendall(last, socket.MSG_MORE)
        self.request.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection as a process does that is killed with unread bytes."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Server(socketserver.ThreadingTCPServer):
    """Talks on each connection as it is told to, then closes it; knows what it was asked."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self, talk: Callable[[Peer], None]) -> None:
        self.talk = talk
        self.numbers = itertools.count(1)
        self.requests: list[tuple[int, bytes, bytes]] = []
        super().__init__(("127.0.0.1", 0), Peer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/api/tickets?page=2"

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        # Without a word before it, so that what was left unread is a reset, as it is elsewhere.
        self.close_request(request)

    @property
    def connections(self) -> list[int]:
        """The number of the connection that each request came on."""
        return [number for number, _, _ in self.requests]


@contextmanager
def serving(talk: Callable[[Peer], None]) -> Iterator[Server]:
    with Server(talk) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def answers_all(peer: Peer) -> None:
    while peer.asked():
        peer.say(ANSWER)


def loaded(url: str, requests: int, *, keep_alive: bool = False, posts: float = 0.0) -> Figures:
    """What a load saw that sent at least so many requests."""
    with Load(url, per_second=50, keep_alive=keep_alive, posts=posts) as load:
        assert wait_until(lambda: len(load.figures.answers) >= requests, 20)
    return load.figures


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://10.0.0.1/", {"per_second": 1}),
        ("http://127.0.0.1.example/", {"per_second": 1}),
        ("http://127.0.0.1/", {"per_second": 0}),
        ("http://127.0.0.1/", {"per_second": 201}),
        ("http://127.0.0.1/", {"per_second": 1, "posts": 1.1}),
    ],
)
def test_a_load_that_is_out_of_bounds_is_refused(url: str, options: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Load(url, **options)  # type: ignore[arg-type]


def test_requests_leave_on_time_though_none_is_answered() -> None:
    came, answered = threading.Semaphore(0), threading.Event()

    def waits(peer: Peer) -> None:
        peer.asked()
        came.release()
        answered.wait(20)
        peer.say(ANSWER)

    with serving(waits) as server, Load(server.url, per_second=50) as load:
        assert all(came.acquire(timeout=5) for _ in range(6))
        assert load.figures.answers == ()
        answered.set()

    figures = load.figures
    assert figures.failed == []
    assert all(answer.at >= number / 50 for number, answer in enumerate(figures.answers))
    assert figures.answers[0].seconds >= 0.1


def test_without_keep_alive_each_request_has_a_connection_of_its_own_and_says_so() -> None:
    with serving(answers_all) as server:
        figures = loaded(server.url, 4)
    assert figures.failed == []
    assert sorted(server.connections) == list(range(1, len(figures.answers) + 1))
    assert all(b"\r\nConnection: close\r\n" in head for _, head, _ in server.requests)


def test_with_keep_alive_connections_are_used_again() -> None:
    with serving(answers_all) as server:
        figures = loaded(server.url, 6, keep_alive=True)
    assert figures.failed == []
    assert len(set(server.connections)) < len(figures.answers) == len(server.requests)
    assert not any(b"Connection: close" in head for _, head, _ in server.requests)


def test_posts_have_their_share_and_their_body() -> None:
    with serving(answers_all) as server:
        figures = loaded(server.url, 4, posts=0.5)
    posts = [(head, body) for _, head, body in server.requests if head.startswith(b"POST")]
    gets = [(head, body) for _, head, body in server.requests if head.startswith(b"GET")]
    assert [answer.post for answer in figures.answers[:4]] == [False, True, False, True]
    assert len(posts) == sum(answer.post for answer in figures.answers)
    assert {body for _, body in posts} == {b"a ticket of the load"}
    assert {head.split(b"\r\n")[0] for head, _ in posts} == {b"POST /api/tickets?page=2 HTTP/1.1"}
    assert {body for _, body in gets} == {b""}
    assert not any(b"content-length" in head.lower() for head, _ in gets)


@pytest.mark.parametrize(
    "parts",
    [
        (ANSWER[:20], ANSWER[20:-5], ANSWER[-5:]),
        (CHUNKED + b"6\r\n", BODY[:6], b"\r\na\r\n", BODY[6:], b"\r\n0\r\n", b"\r\n"),
        (HEAD + b"\r\n", BODY[:6], BODY[6:]),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", ANSWER),
    ],
    ids=["Content-Length", "chunked", "until it closes", "hints first"],
)
@pytest.mark.parametrize("keep_alive", [False, True])
def test_an_answer_is_read_to_its_end(parts: tuple[bytes, ...], keep_alive: bool) -> None:
    def answers_in_parts(peer: Peer) -> None:
        while peer.asked():
            peer.say(*parts)
            if parts[0] == HEAD + b"\r\n":
                return

    with serving(answers_in_parts) as server:
        figures = loaded(server.url, 3, keep_alive=keep_alive)
    assert figures.failed == []
    assert figures.versions == {"v1": len(figures.answers)}


def test_an_answer_of_another_kind_has_its_status_and_no_version() -> None:
    def is_busy(peer: Peer) -> None:
        peer.asked()
        peer.say(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")

    with serving(is_busy) as server:
        answer = loaded(server.url, 1).answers[0]
    assert (answer.status, answer.version, answer.error) == (503, "", "")


def test_a_redirect_is_no_good_answer_and_is_not_followed() -> None:
    def sends_elsewhere(peer: Peer) -> None:
        while peer.asked():
            peer.say(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    with serving(sends_elsewhere) as server:
        figures = loaded(server.url, 2, keep_alive=True)
    assert {answer.status for answer in figures.failed} == {302}
    assert len(figures.failed) == len(figures.answers) == len(server.requests)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "ServerDisconnectedError"),
        (HEAD, "ServerDisconnectedError"),
        (ANSWER[:-1], "ClientPayloadError"),
        (CHUNKED + b"10\r\n" + BODY, "ClientPayloadError"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "ClientResponseError"),
    ],
    ids=["nothing", "half a head", "half a body", "half of the chunks", "no HTTP"],
)
@pytest.mark.parametrize("keep_alive", [False, True])
def test_an_answer_that_is_none_is_one_lost_request(
    said: bytes, error: str, keep_alive: bool
) -> None:
    def breaks_off(peer: Peer) -> None:
        peer.asked()
        peer.say(said)

    with serving(breaks_off) as server:
        figures = loaded(server.url, 2, keep_alive=keep_alive)
    assert len(figures.failed) == len(figures.answers) == len(server.requests)
    assert {answer.status for answer in figures.answers} == {0}
    assert [a.error for a in figures.answers if error not in a.error] == []


def test_an_answer_that_is_not_the_json_it_claims_to_be_is_one_lost_request() -> None:
    def stammers(peer: Peer) -> None:
        while peer.asked():
            peer.say(HEAD + b"Content-Length: 4\r\n\r\noops")

    with serving(stammers) as server:
        figures = loaded(server.url, 2, keep_alive=True)
    assert len(figures.failed) == len(figures.answers) == len(server.requests)
    assert [a.error for a in figures.answers if "JSONDecodeError" not in a.error] == []


def test_a_reset_is_one_lost_request() -> None:
    def resets(peer: Peer) -> None:
        peer.asked()
        peer.reset()

    with serving(resets) as server:
        figures = loaded(server.url, 2)
    assert len(figures.failed) == len(server.requests)
    assert [a.error for a in figures.answers if "reset by peer" not in a.error] == []


def test_a_port_that_refuses_is_a_lost_request() -> None:
    figures = loaded(f"http://127.0.0.1:{free_port()}/", 2)
    assert len(figures.failed) == len(figures.answers)
    assert [a.error for a in figures.answers if "ClientConnectorError" not in a.error] == []


def test_a_request_that_fails_on_a_kept_connection_is_lost_and_never_sent_again() -> None:
    def ends_with_the_second(peer: Peer) -> None:
        peer.asked()
        peer.say(ANSWER)
        peer.asked()

    with serving(ends_with_the_second) as server:
        figures = loaded(server.url, 6, keep_alive=True)
    used_again = len(server.requests) - len(set(server.connections))
    assert len(server.requests) == len(figures.answers)
    assert len(figures.failed) == used_again >= 1
    assert all("ServerDisconnected" in answer.error for answer in figures.failed)


def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    def answers_and_closes(peer: Peer) -> None:
        peer.asked()
        peer.say_last(ANSWER)

    with serving(answers_and_closes) as server:
        figures = loaded(server.url, 6, keep_alive=True)
    assert figures.failed == []
    assert sorted(server.connections) == list(range(1, len(figures.answers) + 1))
