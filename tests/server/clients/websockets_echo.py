"""Python's websockets against the echo on the port given; the last line is "ok"."""
import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL = f"ws://127.0.0.1:{sys.argv[1]}/ws"


async def messages(number):
    async with connect(URL, max_size=None, compression=None) as socket:
        for message in ["", "a", "\u00e4\u20ac\U0001d11e" * number, b"", bytes(range(256)) * (number + 1)]:
            await socket.send(message)
            assert await socket.recv() == message
        # Many before the first comes back.
        for index in range(200):
            await socket.send(f"{number} {index}")
        for index in range(200):
            assert await socket.recv() == f"{number} {index}"


async def main():
    # It offers permessage-deflate, which is declined.
    async with connect(URL, max_size=None) as socket:
        assert socket.protocol.extensions == []
        big = "0123456789abcdef" * (1 << 20)
        await socket.send(big)
        assert await socket.recv() == big
        await socket.send(["frag", "", "ments"])
        assert await socket.recv() == "fragments"
        await (await socket.ping(b"are you there"))
        await socket.close(4321, "enough")
        assert socket.close_code == 4321, socket.close_code

    async with connect(URL) as socket:
        socket.transport.write(b"\xff\xff")
        try:
            await socket.recv()
            raise AssertionError("a frame of no kind got an answer")
        except ConnectionClosed as closed:
            assert closed.rcvd.code == 1002, closed

    await asyncio.gather(*(messages(number) for number in range(50)))
    print("ok")


asyncio.run(asyncio.wait_for(main(), 60))
