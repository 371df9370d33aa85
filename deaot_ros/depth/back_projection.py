"""From the pixels of an object and their depth to points, position and size. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE_PERCENTILES = (2.0, 98.0)
"""Between these an object's size is measured; what lies beyond is left to stray points."""

_NORMAL = 1.4826
"""Median absolute deviation to standard deviation, for normally distributed depth."""


@dataclass(frozen=True, slots=True)
class Pinhole:
    """A camera without distortion, as CameraInfo's P describes a rectified image; pixels."""

    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True, slots=True)
class DepthSettings:
    """What depth is believed.

    Attributes:
        nearest, farthest: m; outside lies nothing that matters.
        edge_margin: px next to the outline whose depth is not used: sensors blur depth there
            between object and background. Objects too thin for it are used whole.
        outlier_sigmas: robust standard deviations from the median depth beyond which a point
            belongs to something else; 0: all are kept.
        outlier_floor: m that a point may lie off the median in any case; a flat object would
            lose points to quantisation otherwise.
    """

    nearest: float = 0.1
    farthest: float = 10.0
    edge_margin: int = 2
    outlier_sigmas: float = 4.0
    outlier_floor: float = 0.03


@dataclass(frozen=True, slots=True)
class ObjectPoints:
    """One object in the camera's optical frame.

    Attributes:
        points: float32 [N, 3], m; empty where there is no usable depth.
        position: (x, y, z) m, median of the points; zeros without points.
        size: extents (x, y, z) m between the percentiles; zeros without points.
        coverage: points per pixel of the object, 0..1.
    """

    points: np.ndarray
    position: tuple[float, float, float]
    size: tuple[float, float, float]
    coverage: float


def locate(
    mask: np.ndarray,
    depth: np.ndarray,
    corner: tuple[int, int],
    camera: Pinhole,
    settings: DepthSettings,
) -> ObjectPoints:
    """Where the object is whose pixels are given.

    Args:
        mask: bool [h, w], a crop of the image.
        depth: [h, w] m, the same crop; 0, NaN and infinity mean unknown.
        corner: (x, y) of the crop in the image, px.
        camera: of depth and mask, which are aligned.
        settings: what to believe.
    """
    area = int(np.count_nonzero(mask))
    z = depth.astype(np.float32, copy=False)
    with np.errstate(invalid="ignore"):
        usable = (z >= settings.nearest) & (z <= settings.farthest)  # False for NaN
    kept = usable & inner(mask, settings.edge_margin)
    if not kept.any():
        kept = usable & mask
    v, u = np.nonzero(kept)
    z = z[v, u]
    near = close_to_median(z, settings.outlier_sigmas, settings.outlier_floor)
    u, v, z = u[near] + corner[0], v[near] + corner[1], z[near]
    points = np.stack(
        ((u - camera.cx) * z / camera.fx, (v - camera.cy) * z / camera.fy, z), axis=1
    ).astype(np.float32)
    if not len(points):
        return ObjectPoints(points, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0)
    x, y, z = (float(value) for value in np.median(points, axis=0))
    low, high = np.percentile(points, SIZE_PERCENTILES, axis=0)
    width, height, length = (float(value) for value in high - low)
    return ObjectPoints(points, (x, y, z), (width, height, length), len(points) / area)


def inner(mask: np.ndarray, margin: int) -> np.ndarray:
    """The mask without what lies within ``margin`` px (city block) of its outline.

    The crop's border counts as outline: beyond it the object has no pixels.
    """
    for _ in range(margin):
        padded = np.pad(mask, 1)
        mask = (
            mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        )
    return mask


def close_to_median(z: np.ndarray, sigmas: float, floor: float) -> np.ndarray:
    """Bool [N]: which of the depths [N] lie within ``sigmas`` robust deviations of the median."""
    if sigmas <= 0 or not z.size:
        return np.ones(z.shape, bool)
    off = np.abs(z - np.median(z))
    return off <= max(floor, sigmas * _NORMAL * float(np.median(off)))
