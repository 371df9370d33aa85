"""Carry a first mask through frames by dense optical flow (OpenCV's DIS): what a tracker must beat.

    python tools/flow_baseline.py FRAMES MASK.png OUT
    deaot evaluate scores OUT TRUTH
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from deaot_ros.video import read_mask
from deaot_ros.video.folder import list_images


def carry(mask: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The labels uint8 [H, W] of `after`, looked up where its backward flow points to in `before`.

    Args:
        mask: labels of `before`, uint8 [H, W].
        before, after: grey frames, uint8 [H, W].
    """
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(after, before, None)
    rows, columns = mask.shape
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    return cv2.remap(mask, x + flow[..., 0], y + flow[..., 1], cv2.INTER_NEAREST)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("frames", type=Path, help="folder of images")
    parser.add_argument("mask", type=Path, help="mask of the first one")
    parser.add_argument("output", type=Path, help="folder for the masks")
    arguments = parser.parse_args()
    files = list_images(arguments.frames)
    mask = read_mask(arguments.mask).astype(np.uint8)
    arguments.output.mkdir(parents=True, exist_ok=True)
    before = None
    for file in files:
        frame = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if before is not None:
            mask = carry(mask, before, frame)
        cv2.imwrite(str(arguments.output / f"{file.stem}.png"), mask)
        before = frame


if __name__ == "__main__":
    main()
