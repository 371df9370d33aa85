"""A folder of images as a source of frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from deaot_ros.video.frame import DEFAULT_FPS, Frame, VideoError

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


class FolderSource:
    """Images of a folder in the order of their names, numbers in names taken as numbers."""

    live = False

    def __init__(self, folder: Path) -> None:
        """List the folder.

        Raises:
            VideoError: no images, or two images with one stem.
        """
        self._files = list_images(folder)
        if not self._files:
            raise VideoError(
                f"no images in folder {folder}; expected files that end in "
                f"{', '.join(sorted(SUFFIXES))}"
            )
        stems: dict[str, Path] = {}
        for file in self._files:
            other = stems.setdefault(file.stem, file)
            if other is not file:
                raise VideoError(
                    f"{other.name} and {file.name} in {folder} would share one mask, "
                    f"{file.stem}.png; rename one of them"
                )
        self.count: int | None = len(self._files)
        self.fps = DEFAULT_FPS

    def __iter__(self) -> Iterator[Frame]:
        for number, file in enumerate(self._files):
            yield Frame(read_image(file), file.stem, number / self.fps)


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder, hidden ones left out, in natural order."""
    try:
        names = list(folder.iterdir())
    except OSError as error:
        raise VideoError(f"cannot list folder {folder}: {error.strerror}") from None
    files = [
        f
        for f in names
        if f.suffix.lower() in SUFFIXES and not f.name.startswith(".") and f.is_file()
    ]
    return sorted(files, key=lambda f: (_natural(f.stem), f.name))


def read_image(file: Path) -> np.ndarray:
    """Read an image as uint8 [H, W, 3] RGB, turned upright.

    Damaged files are refused as a whole: Pillow notices truncation, where OpenCV fills in grey.

    Raises:
        VideoError: not a readable image.
    """
    try:
        with Image.open(file) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):
                grey = (np.asarray(upright) >> 8).astype(np.uint8)
                return np.repeat(grey[..., None], 3, 2)
            return np.array(upright.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise VideoError(
            f"cannot read frame {file}: {reason}; restore or remove the file"
        ) from None


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", name)
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts]
