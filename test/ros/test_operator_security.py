"""The operator's page against those who mean harm: raw bytes to the socket of the real server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

from operator_site import PageServer

from deaot_ros.operator_ui.page import LARGEST_MESSAGE

TOKEN = "a-token-of-more-than-twenty-letters"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    running = PageServer(tmp_path_factory.mktemp("page") / "page.log")
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    running = PageServer(tmp_path_factory.mktemp("page") / "page.log", "--token", TOKEN)
    yield running
    assert running.stop() == 0


def say(server: PageServer, request: bytes) -> bytes:
    """Everything that the server answers to these bytes, up to a megabyte."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while len(answer) < 2**20 and (part := connection.recv(65536)):
            answer += part
    return answer


def get(server: PageServer, path: str, *headers: bytes) -> bytes:
    host = f"Host: 127.0.0.1:{server.port}".encode()
    lines = [f"GET {path} HTTP/1.1".encode(), host, b"Connection: close", *headers, b"", b""]
    return say(server, b"\r\n".join(lines))


def test_it_listens_on_this_machine_only(server: PageServer) -> None:
    listening = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, state = line.split()[1], line.split()[3]
        host, port = address.split(":")
        if state == "0A" and int(port, 16) == server.port:
            listening.add(host)
    assert listening == {"0100007F"}  # 127.0.0.1, in the machine's byte order
    assert f":{server.port:04X}" not in Path("/proc/net/tcp6").read_text()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../command.py", "/static/%2e%2e/command.py", "/static/..%2fcommand.py",
        "/static/....//command.py", "/static//etc/passwd", "/static/%2fetc/passwd",
        "/static/..\\command.py", "/static/%252e%252e/command.py", "/../../../../etc/passwd",
        "/static/", "/static/main.js%00.txt",
    ],
)  # fmt: skip
def test_no_path_leaves_the_folder(server: PageServer, path: str) -> None:
    answer = get(server, path)
    assert answer.split(b" ", 2)[1] in (b"400", b"403", b"404"), answer[:200]
    assert b"root:" not in answer and b"import argparse" not in answer


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/static/main.js", 200), ("/no", 404)])
def test_every_answer_carries_the_headers(server: PageServer, path: str, status: int) -> None:
    answer = get(server, path).partition(b"\r\n\r\n")[0].decode()
    assert f" {status} " in answer.splitlines()[0]
    assert "X-Content-Type-Options: nosniff" in answer
    assert "frame-ancestors 'none'" in answer
    assert "Referrer-Policy: no-referrer" in answer


@pytest.mark.parametrize("cookie", [b"", b"wrong", b"\xff\xfe", b"\xc3\xa9", TOKEN[:-1].encode()])
def test_without_the_token_nothing_is_answered(guarded: PageServer, cookie: bytes) -> None:
    for path in ("/", "/static/main.js", "/socket", "/no"):
        answer = get(guarded, path, b"Cookie: deaot_operator=" + cookie)
        assert answer.split(b" ", 2)[1] in (b"400", b"403"), answer[:200]
        assert TOKEN.encode() not in answer
    right = get(guarded, "/", b"Cookie: deaot_operator=" + TOKEN.encode())
    assert right.startswith(b"HTTP/1.1 200")


def test_sizes_are_limited(server: PageServer) -> None:
    long = get(server, "/" + "a" * 100_000)
    assert long.split(b" ", 2)[1] in (b"400", b"414"), long[:100]
    header = get(server, "/", b"X-Long: " + b"a" * 100_000)
    assert header.split(b" ", 2)[1] in (b"400", b"431"), header[:100]
    assert get(server, "/").startswith(b"HTTP/1.1 200")


def test_a_message_beyond_the_limit_ends_its_connection(server: PageServer) -> None:
    origin = f"Origin: http://127.0.0.1:{server.port}".encode()
    host = f"Host: 127.0.0.1:{server.port}".encode()
    upgrade = [
        b"GET /socket HTTP/1.1", host, origin, b"Upgrade: websocket", b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"", b"",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"\r\n".join(upgrade))
        assert connection.recv(4096).startswith(b"HTTP/1.1 101")
        length = (LARGEST_MESSAGE + 1).to_bytes(8, "big")
        frame = b"\x82\xff" + length + b"\0\0\0\0"  # binary, masked; its payload never comes
        connection.sendall(frame + bytes(1000))
        heard = b""
        while part := connection.recv(65536):
            heard += part
    assert b"\x03\xf1" in heard  # close code 1009: message too big
    assert get(server, "/").startswith(b"HTTP/1.1 200")
