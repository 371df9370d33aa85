"""Reading of the files of data sets; every error names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from deaot_ros.errors import DatasetError
from deaot_ros.video import VideoError, read_mask
from deaot_ros.video.folder import list_images, read_image

from .encoded_mask import EncodedMask

_ORIENTATION = 0x0112  # the EXIF tag
_TURNED = range(5, 9)  # its values that swap height and width


def list_files(folder: Path) -> tuple[Path, ...]:
    """Image files of a folder in natural order of their names.

    Raises:
        DatasetError: the folder cannot be listed.
    """
    try:
        return tuple(list_images(folder))
    except VideoError as error:
        raise DatasetError(str(error)) from None


def list_folders(folder: Path) -> tuple[Path, ...]:
    """Folders inside a folder, sorted, hidden ones left out.

    Raises:
        DatasetError: the folder cannot be listed.
    """
    try:
        return tuple(
            sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
        )
    except OSError as error:
        raise DatasetError(f"cannot list folder {folder}: {error.strerror}") from None


def load_image(file: Path) -> np.ndarray:
    """uint8 RGB [H, W, 3], upright.

    Raises:
        DatasetError: the file is missing or damaged.
    """
    try:
        return read_image(file)
    except VideoError as error:
        raise DatasetError(str(error)) from None


def load_labels(file: Path | EncodedMask) -> np.ndarray:
    """Palette indices or grey values of a PNG, uint8 [H, W]; 0 and 255 alone: one object, 1.

    Raises:
        DatasetError: the file is missing, damaged, no indexed or grey PNG, or has ids above 255.
    """
    if isinstance(file, EncodedMask):
        return file.labels()
    try:
        labels = read_mask(file)
    except VideoError as error:
        raise DatasetError(str(error)) from None
    if labels.dtype != np.uint8:
        raise DatasetError(
            f"mask {file} has ids up to {labels.max()}; expected object ids 1 to 254"
        )
    return labels


def image_size(file: Path) -> tuple[int, int]:
    """Height and width of an image, upright, from its header alone.

    Raises:
        DatasetError: the file is missing or no image.
    """
    try:
        with Image.open(file) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DatasetError(f"cannot read {file}: {reason}; restore or remove the file") from None
    return (width, height) if turned else (height, width)


def check_size(mask_file: Path, shape: tuple[int, ...], image_file: Path) -> None:
    """Refuse a mask that has another size than its image.

    Raises:
        DatasetError: it has.
    """
    height, width = image_size(image_file)
    if shape != (height, width):
        raise DatasetError(
            f"mask {mask_file} is {shape[0]}x{shape[1]}, its image {image_file} is "
            f"{height}x{width} (height x width); expected the same size"
        )
