"""``python mortal.py ADDRESS PORT SECONDS``: a release that answers for so long and then is dead.

It ends in mid-request and at once, as a JVM does that is killed: the kernel closes or resets its
connections, whatever was read of them and whatever was not. 0 seconds: it lives.
"""

import asyncio
import os
import random
import sys
import time

_ANSWER_SECONDS = (0.0, 0.002, 0.01, 0.05)
_STALL_SECONDS = (0.0, 0.005, 0.03, 0.1)
"""How long it stands still before its end, so that requests lie unread."""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of one connection after a moment."""
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(random.choice(_ANSWER_SECONDS))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve until the end."""
    address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    server = await asyncio.start_server(answer, address, port)
    if seconds:
        await asyncio.sleep(seconds)
        time.sleep(random.choice(_STALL_SECONDS))
        os._exit(1)
    await server.serve_forever()


asyncio.run(main())
