"""How pages and server put a message and its bytes into one WebSocket frame.

Length of the header (uint32, little endian), header (JSON, UTF-8), then the parts one after the
other; the header's ``parts`` gives their lengths. A message without bytes is plain JSON text.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from deaot_ros.errors import DeaotError

_LENGTH = struct.Struct("<I")

Message = dict[str, Any]


class RequestError(DeaotError, ValueError):
    """A message of a page that cannot be understood or done."""


def pack(header: Message, *parts: bytes) -> bytes:
    """A header and its bytes as one binary frame."""
    text = json.dumps({**header, "parts": [len(part) for part in parts]}).encode()
    return b"".join((_LENGTH.pack(len(text)), text, *parts))


def unpack(frame: bytes) -> tuple[Message, list[bytes]]:
    """Undo :func:`pack`.

    Raises:
        RequestError: the frame is cut short, or its header is not a JSON object.
    """
    if len(frame) < _LENGTH.size:
        raise RequestError(f"a frame of {len(frame)} bytes; expected at least {_LENGTH.size}")
    (length,) = _LENGTH.unpack_from(frame)
    start = _LENGTH.size + length
    if start > len(frame):
        raise RequestError(f"a header of {length} bytes in a frame of {len(frame)} bytes")
    header = parse(frame[_LENGTH.size : start])
    sizes = header.pop("parts", [])
    whole = isinstance(sizes, list) and all(type(n) is int and n >= 0 for n in sizes)
    if not whole or start + sum(sizes) != len(frame):
        raise RequestError(f"parts {sizes!r} do not fill a frame of {len(frame)} bytes")
    parts = []
    for size in sizes:
        parts.append(frame[start : start + size])
        start += size
    return header, parts


def parse(text: str | bytes) -> Message:
    """A JSON object.

    Raises:
        RequestError: anything else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"a message that is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise RequestError(f"a message that is a {type(value).__name__}; expected an object")
    return value
