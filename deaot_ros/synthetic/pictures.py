"""Pictures from folders: photographs for surfaces, cut-outs with an outline for objects."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from deaot_ros.errors import DeaotError

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_LONG_SIDE = 900  # larger pictures are reduced once, which is enough for any scene
_CUT_OUT_SIDE = 400
_KEPT = 1500  # reduced pictures held in memory, about a megabyte each


def find_pictures(folders: str) -> tuple[str, ...]:
    """All picture files below folders, sorted.

    Args:
        folders: paths joined by ``:``; empty: none.

    Raises:
        DeaotError: a folder is missing or holds no picture.
    """
    found: list[str] = []
    for folder in filter(None, folders.split(":")):
        files = sorted(
            str(f) for f in Path(folder).rglob("*") if f.suffix.lower() in _SUFFIXES and f.is_file()
        )
        if not files:
            raise DeaotError(
                f"no pictures in {folder}: expected a folder with "
                f"{', '.join(sorted(_SUFFIXES))} files"
            )
        found += files
    return tuple(found)


@lru_cache(_KEPT)
def read_picture(path: str) -> np.ndarray:
    """One picture, reduced to at most 900 px, read-only uint8 RGB [H, W, 3].

    Raises:
        DeaotError: the file cannot be read.
    """
    image = _read(path, cv2.IMREAD_COLOR)
    image = np.ascontiguousarray(_reduce(image, _LONG_SIDE)[..., ::-1])
    image.setflags(write=False)
    return image


@lru_cache(_KEPT)
def read_cut_out(path: str) -> tuple[np.ndarray, np.ndarray] | None:
    """One cut-out, trimmed to what is visible and padded to a square with a clear border.

    Returns:
        Texture uint8 RGB [S, S, 3] and alpha float32 [S, S] in 0..1; None when the file has no
        outline: no alpha channel, nothing visible, or nothing clear.

    Raises:
        DeaotError: the file cannot be read.
    """
    image = _read(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        return None
    solid = image[..., 3] >= 128
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    if len(rows) < 16 or len(columns) < 16:
        return None
    image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if not 0.15 < (image[..., 3] >= 128).mean() < 0.97:
        return None
    image = _reduce(image, _CUT_OUT_SIDE)
    side = max(image.shape[:2]) + 8
    top, left = (side - image.shape[0]) // 2, (side - image.shape[1]) // 2
    square = np.zeros((side, side, 4), np.uint8)
    square[top : top + image.shape[0], left : left + image.shape[1]] = image
    texture = np.ascontiguousarray(square[..., 2::-1])
    alpha = square[..., 3].astype(np.float32) / 255
    texture.setflags(write=False)
    alpha.setflags(write=False)
    return texture, alpha


def _read(path: str, mode: int) -> np.ndarray:
    image = cv2.imread(path, mode)
    if image is None:
        raise DeaotError(f"cannot read picture {path}: remove it from the folder or replace it")
    return image


def _reduce(image: np.ndarray, side: int) -> np.ndarray:
    factor = side / max(image.shape[:2])
    if factor >= 1:
        return image
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
