"""A client that keeps a websocket open and talks all the time."""

import itertools
import threading
import time
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

_PAUSE_SECONDS = 0.2
_PATIENCE_SECONDS = 60


class Conversation:
    """Asks for the version at the other end until somebody closes the socket.

    ``versions`` and ``at`` have what came and when (seconds since the socket was opened);
    ``closed`` is the code of the close frame that the server sent, 1006 if it went away without
    one (RFC 6455, 7.4.1), None if the conversation was left first; ``end`` is its end in words.
    """

    def __init__(self, app_url: str) -> None:
        self.versions: list[str] = []
        self.at: list[float] = []
        self.closed: int | None = None
        self.end = "left"
        self._over = threading.Event()
        self._socket = connect(
            app_url.replace("http://", "ws://") + "/api/live",
            proxy=None,
            ping_interval=None,
            open_timeout=_PATIENCE_SECONDS,
        )
        self._began = time.perf_counter()
        self._hear()
        self._thread = threading.Thread(target=self._talk)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(_PATIENCE_SECONDS * 2)
        self._socket.close()

    @property
    def longest_silence_seconds(self) -> float:
        """The longest time between two answers."""
        return max((b - a for a, b in itertools.pairwise(self.at)), default=0.0)

    def _talk(self) -> None:
        try:
            while not self._over.wait(_PAUSE_SECONDS):
                self._socket.send("who is there?")
                self._hear()
        except ConnectionClosed as closed:
            self.closed = closed.rcvd.code if closed.rcvd else 1006
            self.end = repr(closed)
        except TimeoutError:
            self.end = f"no answer within {_PATIENCE_SECONDS} s"

    def _hear(self) -> None:
        self.versions.append(str(self._socket.recv(timeout=_PATIENCE_SECONDS)))
        self.at.append(time.perf_counter() - self._began)
