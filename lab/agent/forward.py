#!/usr/bin/env python3
"""Joins a lab instance to the services on the machine around it: standard library only.

    forward.py LISTEN=TARGET...     each an address: unix:PATH or tcp:HOST:PORT

It runs on both sides. Outside it listens on Unix sockets in a directory that the
instance has mounted, and connects to the services' loopback ports; inside it listens on
the same ports and connects to the sockets. So `localhost:5000` means the same on both
sides, and no address of a bridge is known to anyone.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

CHUNK = 256 * 1024
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def connect(address: str) -> Streams:
    """Open a connection to an address."""
    kind, _, rest = address.partition(":")
    if kind == "unix":
        return await asyncio.open_unix_connection(rest, limit=CHUNK)
    host, _, port = rest.rpartition(":")
    return await asyncio.open_connection(host, int(port), limit=CHUNK)


async def listen(address: str, handler: Handler) -> asyncio.Server:
    """Listen on an address; a socket that an earlier run left behind makes way."""
    kind, _, rest = address.partition(":")
    if kind == "unix":
        Path(rest).unlink(missing_ok=True)
        return await asyncio.start_unix_server(handler, rest, limit=CHUNK)
    host, _, port = rest.rpartition(":")
    return await asyncio.start_server(handler, host, int(port), limit=CHUNK)


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass everything on, then the end of it."""
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()
    target.write_eof()


def forwarder(target: str) -> Handler:
    """A handler that joins each connection to a new one to `target`.

    When either side breaks off, the other is cut at once, as a caller of the real
    service would see it.
    """

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await connect(target)
        except OSError:
            writer.transport.abort()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(copy(reader, far_writer))
                both.create_task(copy(far_reader, writer))
        except* (OSError, RuntimeError):
            writer.transport.abort()
            far_writer.transport.abort()
        finally:
            writer.close()
            far_writer.close()

    return forward


async def serve(pairs: list[tuple[str, str]]) -> None:
    """Forward every pair of addresses until cancelled."""
    async with contextlib.AsyncExitStack() as stack:
        for address, target in pairs:
            await stack.enter_async_context(await listen(address, forwarder(target)))
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve([(pair.partition("=")[0], pair.partition("=")[2]) for pair in sys.argv[1:]]))
