"""Checks of images, target masks and memory entries before anything is changed by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from deaot_ros.errors import ImageError, MaskError, MaskErrorCode
from deaot_ros.network.layer import LayerMemory
from deaot_ros.tracking.identities import MAX_ID, UNLABELLED

AnnotationMode = Literal["merge", "add", "correct"]
"""What ids a mask may hold: any, only new ones, only known ones."""


def check_image(image: np.ndarray) -> np.ndarray:
    """Return ``image`` as contiguous, writable uint8 [H, W, 3].

    Raises:
        ImageError: it is something else.
    """
    shape, dtype = getattr(image, "shape", None), getattr(image, "dtype", None)
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(
            f"image has shape {shape}; expected height x width x 3 in RGB order. "
            "Convert grey or RGBA images first"
        )
    if dtype != np.uint8:
        raise ImageError(f"image has dtype {dtype}; expected uint8 in 0..255")
    if 0 in image.shape:
        raise ImageError(f"image of shape {shape} is empty; expected at least one pixel")
    return np.require(image, requirements=["C", "W"])


def check_mask(mask: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return ``mask`` as uint16 [H, W] and the ids in it, ascending.

    Args:
        mask: integer or bool label map; True is object 1.
        size: (height, width) of the image it was drawn on.

    Raises:
        MaskError: wrong shape or dtype, no object, or an id that cannot be.
    """
    if not isinstance(mask, np.ndarray) or mask.ndim != 2:
        raise MaskError(
            MaskErrorCode.BAD_SIZE,
            f"target mask has shape {getattr(mask, 'shape', None)}; expected height x width, "
            "one object id per pixel",
        )
    if mask.dtype != np.bool_ and not np.issubdtype(mask.dtype, np.integer):
        raise MaskError(
            MaskErrorCode.BAD_ENCODING,
            f"target mask has dtype {mask.dtype}; expected integers, pixel = object id",
        )
    if mask.shape != size:
        raise MaskError(
            MaskErrorCode.BAD_SIZE,
            f"target mask is {mask.shape[1]}x{mask.shape[0]} but its image is "
            f"{size[1]}x{size[0]}; draw it on the image at full size",
        )
    ids = tuple(int(i) for i in np.unique(mask) if i != 0)
    if not ids:
        raise MaskError(
            MaskErrorCode.EMPTY,
            "target mask marks no object, all pixels are 0; "
            "give each object's pixels its id, from 1 on",
        )
    bad = [i for i in ids if not 1 <= i <= MAX_ID or i == UNLABELLED]
    if bad:
        raise MaskError(
            MaskErrorCode.BAD_ID,
            f"target mask holds ids {bad[:5]} that cannot be; expected 1..{MAX_ID} without "
            f"{UNLABELLED}, which means unlabelled",
        )
    return mask.astype(np.uint16), ids


def check_ids(
    ids: Sequence[int], known: Sequence[int], mode: AnnotationMode, most: int
) -> None:
    """Check the ids of a mask that joins ``known`` objects, of which there may be ``most``.

    Raises:
        MaskError: ``mode`` does not allow them, or there would be too many.
    """
    old = [i for i in ids if i in known]
    new = [i for i in ids if i not in known]
    if mode == "add" and old:
        raise MaskError(
            MaskErrorCode.BAD_ID,
            f"ids {old} are tracked already; use new ids, or correct to change them",
        )
    if mode == "correct" and new:
        raise MaskError(
            MaskErrorCode.BAD_ID,
            f"ids {new} are not tracked, only {list(known)}; use add for new ids",
        )
    check_count(len(known) + len(new), most)


def check_count(count: int, most: int) -> None:
    """Check how many objects would be tracked.

    Raises:
        MaskError: too many.
    """
    if count > most:
        raise MaskError(
            MaskErrorCode.TOO_MANY_OBJECTS,
            f"{count} objects would be tracked, at most {most} may be; "
            "remove some, or raise max_objects",
        )


def zero_if_finite(entry: Sequence[LayerMemory]) -> Tensor:
    """Float32 [], 0, or NaN where a value of a frame in memory is NaN or infinite.

    Waits for nothing: added to what the host reads anyway, it tells without another transfer.
    """
    sums = [part.sum(dtype=torch.float32) for memory in entry for part in memory]
    return 0 * torch.stack(sums).sum()
