"""Masks as the VOT toolkit writes them: a box and run lengths in one line of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deaot_ros.errors import DatasetError


@dataclass(frozen=True, slots=True)
class EncodedMask:
    """A line ``mX,Y,W,H,R0,R1,…`` of a file of regions; decoded when it is wanted.

    The runs alternate between background and object, row by row through the box, and begin with
    background. A line that is one number says that nothing is known; its mask is empty.

    Attributes:
        file, line: where it stands, from line 1; for messages.
        text: the line.
        height, width: of the image.
    """

    file: Path
    line: int
    text: str
    height: int
    width: int

    @property
    def stem(self) -> str:
        """Of the file of regions."""
        return self.file.stem

    def labels(self) -> np.ndarray:
        """The mask, uint8 [H, W]: 1 where the object is. What lies outside of the image is cut.

        Raises:
            DatasetError: the line is no mask.
        """
        labels = np.zeros((self.height, self.width), np.uint8)
        if not self.text.startswith("m"):
            if "," in self.text or not self.text:
                raise self._error("is no mask")
            return labels
        try:
            x, y, width, height, *runs = map(int, self.text[1:].split(","))
        except ValueError:
            raise self._error("is no mask") from None
        if not width or not height:
            return labels
        if min(width, height, *runs) < 0 or sum(runs) > width * height:
            raise self._error(f"has runs that do not fit a box of {width}x{height} px")
        flat = np.zeros(width * height, np.uint8)
        filled = np.repeat(np.arange(len(runs)) % 2, runs)
        flat[: len(filled)] = filled
        top, left = max(y, 0), max(x, 0)
        part = flat.reshape(height, width)[top - y : self.height - y, left - x : self.width - x]
        if part.size:
            labels[top : top + part.shape[0], left : left + part.shape[1]] = part
        return labels

    def _error(self, what: str) -> DatasetError:
        return DatasetError(
            f"{self.file}, line {self.line}, {what}: {self.text[:40]!r}; expected mX,Y,W,H and "
            "run lengths (VOT 2020 gives masks, not boxes)"
        )


def encode_mask(mask: np.ndarray) -> str:
    """A mask [H, W], non-zero = object, as such a line; "m0,0,0,0" where it is empty."""
    mask = np.ascontiguousarray(mask != 0)
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return "m0,0,0,0"
    flat = mask[y : y + height, x : x + width].ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist()
    if flat[0]:
        runs.insert(0, 0)
    return "m" + ",".join(str(int(n)) for n in (x, y, width, height, *runs))
