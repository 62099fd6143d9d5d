import asyncio
from pathlib import Path

from lab.agent.forward import forwarder, listen


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with everything that came, once the caller has said all."""
    writer.write(await reader.read())
    writer.close()


async def ask(path: Path, question: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def test_megabytes_arrive_whole_in_both_directions_and_so_does_their_end(tmp_path: Path) -> None:
    question = bytes(range(256)) * 16_384

    async def through() -> bytes:
        far = await listen(f"unix:{tmp_path}/far", echo)
        near = await listen(f"unix:{tmp_path}/near", forwarder(f"unix:{tmp_path}/far"))
        async with far, near:
            return await ask(tmp_path / "near", question)

    assert asyncio.run(through()) == question


def test_a_service_that_is_down_cuts_the_caller_off_and_is_found_when_it_is_back(
    tmp_path: Path,
) -> None:
    async def through() -> tuple[bytes, bytes]:
        near = await listen(f"unix:{tmp_path}/near", forwarder(f"unix:{tmp_path}/far"))
        async with near:
            try:
                before = await ask(tmp_path / "near", b"anyone?")
            except OSError:
                before = b""
            async with await listen(f"unix:{tmp_path}/far", echo):
                return before, await ask(tmp_path / "near", b"anyone?")

    assert asyncio.run(through()) == (b"", b"anyone?")


def test_a_socket_left_behind_by_an_earlier_run_makes_way(tmp_path: Path) -> None:
    async def twice() -> bytes:
        first = await listen(f"unix:{tmp_path}/near", echo)
        first.close()
        (tmp_path / "near").touch()
        async with await listen(f"unix:{tmp_path}/near", echo):
            return await ask(tmp_path / "near", b"still there?")

    assert asyncio.run(twice()) == b"still there?"
