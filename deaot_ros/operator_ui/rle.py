"""Label maps as runs of equal ids: exact, small, and quick to read in a browser.

N run lengths (uint32), then N ids (uint16), little endian, row after row.
"""

from __future__ import annotations

import numpy as np

from deaot_ros.operator_ui.wire import RequestError

_RUN_BYTES = 6


def encode_runs(labels: np.ndarray) -> bytes:
    """Integers [H, W] from 0 to 65535 as runs."""
    flat = labels.reshape(-1)
    starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
    lengths = np.diff(starts, append=flat.size)
    return lengths.astype("<u4").tobytes() + flat[starts].astype("<u2").tobytes()


def decode_runs(data: bytes, height: int, width: int) -> np.ndarray:
    """Runs as uint16 [H, W].

    Raises:
        RequestError: the runs do not fill the size.
    """
    count, rest = divmod(len(data), _RUN_BYTES)
    lengths = np.frombuffer(data, "<u4", count)
    # 64 bits: a page could send lengths whose sum overflows to the right number.
    filled = int(lengths.sum(dtype=np.uint64))
    if rest or filled != height * width:
        raise RequestError(
            f"a mask of {width}x{height} whose runs fill {filled} of {height * width} pixels"
        )
    ids = np.frombuffer(data, "<u2", count, offset=4 * count)
    return np.repeat(ids, lengths).astype(np.uint16, copy=False).reshape(height, width)
