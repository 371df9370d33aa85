"""Ctrl-C ends the operator's page at once, whatever its visitors do. No node runs here."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

from operator_site import PageServer

LIMIT = 2.0
"""Seconds."""

TRIES = 3
"""A busy machine may be slow once, a server that waits for somebody is slow always."""


async def visit(port: int) -> asyncio.StreamWriter:
    """Open a WebSocket that never says goodbye."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = (
        "GET /socket HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Origin: http://127.0.0.1:{port}",
        "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", "", "",
    )  # fmt: skip
    writer.write("\r\n".join(lines).encode())
    assert b"101" in await reader.readline()
    return writer


def request(text: str) -> bytes:
    """A WebSocket frame, masked by zeros."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text.encode()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_server_ends_although_pages_are_silent_and_wait(tmp_path: Path, by: signal.Signals) -> None:
    async def operate() -> float:
        server = PageServer(tmp_path / "page.log")
        writers = [await visit(server.port) for _ in range(2)]
        # There is no node that could answer this one.
        writers[0].write(request('{"type": "reset", "request": "1"}'))
        await asyncio.sleep(0.5)
        start = time.monotonic()
        code = await asyncio.to_thread(server.stop, by)
        took = time.monotonic() - start
        for writer in writers:
            writer.close()
        said = server.log.read_text()
        assert code == 0 and "Traceback" not in said and "never retrieved" not in said, said
        return took

    taken = []
    while not taken or taken[-1] > LIMIT:
        assert len(taken) < TRIES, f"the server took {taken} s to end"
        taken.append(asyncio.run(operate()))
