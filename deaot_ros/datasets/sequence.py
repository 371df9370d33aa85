"""A video on disk: image files in order, masks for some or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deaot_ros.errors import DatasetError

from .files import check_size, load_image, load_labels


@dataclass(frozen=True, slots=True)
class VideoSequence:
    """One video of a data set. Files are read when asked for.

    Attributes:
        name: unique within its data set.
        frames: image files in order.
        masks: mask file of each frame, None where the frame is not annotated; as many as frames.
        single_object: masks tell the foreground only (DAVIS-2016): every id reads as 1.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path | None, ...]
    single_object: bool = False

    def __post_init__(self) -> None:
        """Refuse lists of different lengths (ValueError)."""
        if len(self.frames) != len(self.masks):
            raise ValueError(f"{self.name}: {len(self.frames)} frames, {len(self.masks)} masks")

    def image(self, index: int) -> np.ndarray:
        """One frame, uint8 RGB [H, W, 3].

        Raises:
            DatasetError: the file is missing or damaged.
        """
        return load_image(self.frames[index])

    def mask(self, index: int) -> np.ndarray:
        """Object ids of one frame, uint8 [H, W]: palette indices, not colours.

        Raises:
            DatasetError: the frame has no mask, or its mask is damaged or of another size.
        """
        file = self.masks[index]
        if file is None:
            raise DatasetError(
                f"frame {self.frames[index].name} of {self.name} has no mask; "
                "ask for an annotated frame"
            )
        labels = load_labels(file)
        check_size(file, labels.shape, self.frames[index])
        return (labels > 0).astype(np.uint8) if self.single_object else labels


def pair_masks(
    name: str, frames: tuple[Path, ...], masks: Mapping[str, Path]
) -> tuple[Path | None, ...]:
    """The mask of each frame by its stem.

    Args:
        masks: stem -> mask file.

    Raises:
        DatasetError: there are no frames, or a mask belongs to none of them.
    """
    if not frames:
        raise DatasetError(f"{name} has no frames; expected image files")
    stems = {f.stem for f in frames}
    for stem, file in masks.items():
        if stem not in stems:
            raise DatasetError(
                f"mask {file} has no image; expected {stem}{frames[0].suffix} "
                f"in {frames[0].parent}"
            )
    return tuple(masks.get(f.stem) for f in frames)
