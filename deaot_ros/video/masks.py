"""Label maps as PNG files: pixel = object id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from deaot_ros.video.colours import davis_palette
from deaot_ros.video.frame import VideoError

_GREY_MODES = {"1", "L", "P", "I", "I;16", "I;16B"}


def read_mask(file: str | Path) -> np.ndarray:
    """Read an indexed or grey PNG as label map, uint8 or uint16 [H, W].

    A mask whose only non-zero value is 255 is one object: id 1.

    Raises:
        VideoError: no such file, or something else than an indexed or grey PNG.
    """
    file = Path(file).expanduser()
    try:
        with Image.open(file) as image:
            if image.format != "PNG":
                raise VideoError(
                    f"mask {file} is {image.format}, which may blur object ids; "
                    "expected an indexed or grey PNG"
                )
            if image.mode not in _GREY_MODES:
                raise VideoError(
                    f"mask {file} is a colour PNG ({image.mode}); expected an indexed or grey "
                    "PNG whose pixel values are object ids (0 background)"
                )
            labels = np.array(image)
    except FileNotFoundError:
        raise VideoError(f"no mask at {file}; expected an indexed or grey PNG") from None
    except UnidentifiedImageError:
        raise VideoError(f"mask {file} is no image; expected an indexed or grey PNG") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise VideoError(f"cannot read mask {file}: {error}; save it again as PNG") from None
    labels = labels.astype(np.uint8 if labels.max(initial=0) <= 255 else np.uint16)
    if set(np.unique(labels)) <= {0, 255}:
        labels = (labels != 0).astype(np.uint8)
    return labels


def write_mask(file: Path, labels: np.ndarray) -> None:
    """Write a label map: indexed PNG with the DAVIS palette, or 16-bit grey PNG for uint16.

    Args:
        file: its name ends in .png.
        labels: uint8 or uint16 [H, W].

    Raises:
        VideoError: the file cannot be written.
    """
    image = Image.fromarray(labels)
    if labels.dtype == np.uint8:
        image.putpalette(davis_palette().tobytes())
    try:
        image.save(file, compress_level=4)
    except OSError as error:
        raise VideoError(f"cannot write {file}: {error.strerror or error}") from None
