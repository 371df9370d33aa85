"""Coverage-guided fuzzing of what strangers send, by atheris; by hand, see docs/faults.md.

    pip install atheris==3.0.0 && python tools/fuzz.py image -max_total_time=300
"""

from __future__ import annotations

import contextlib
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import atheris

with atheris.instrument_imports(include=["deaot_ros", "PIL", "safetensors"]):
    from deaot_ros.errors import CheckpointError, ImageError, MaskError
    from deaot_ros.network.checkpoint import read_tensors
    from deaot_ros.video.ros_image import (
        COLOUR_LAYOUTS,
        decode_compressed,
        decode_image,
        decode_labels,
    )

_FILE = Path(tempfile.mkdtemp()) / "w.safetensors"


def image(data: bytes) -> None:
    """Raw images and masks of any description, and compressed ones."""
    given = atheris.FuzzedDataProvider(data)
    message = SimpleNamespace(
        height=given.ConsumeIntInRange(0, 80),
        width=given.ConsumeIntInRange(0, 80),
        step=given.ConsumeIntInRange(0, 400),
        is_bigendian=given.ConsumeIntInRange(0, 255),
        encoding=given.PickValueInList([*COLOUR_LAYOUTS, "16SC1", "32SC1", "32FC1", ""]),
        format="jpeg",
        data=given.ConsumeBytes(2**14),
    )
    for decode in (decode_image, decode_labels, decode_compressed):
        with contextlib.suppress(ImageError, MaskError):
            decode(message)


def weights(data: bytes) -> None:
    """A safetensors file whose header is ``data``, and one that is ``data``."""
    for content in (struct.pack("<Q", len(data)) + data + bytes(256), data):
        _FILE.write_bytes(content)
        with contextlib.suppress(CheckpointError):
            read_tensors(_FILE)


if __name__ == "__main__":
    targets: dict[str, Callable[[bytes], None]] = {"image": image, "weights": weights}
    target = targets[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
