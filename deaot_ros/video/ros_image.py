"""ROS image messages as arrays, without ROS, without cv_bridge and without needless copies.

Takes the messages of rclpy and of rosbags alike. Honours ``step`` padding and byte order; refuses
data that do not fit their description with one clear message.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from PIL import Image as PictureFile

from deaot_ros.errors import ImageError, MaskError, MaskErrorCode

if TYPE_CHECKING:
    from sensor_msgs.msg import CompressedImage, Image


MOST_PIXELS = 2**26
"""Pixels that a compressed image may have: two of 8K. A few kilobytes can ask for gigabytes."""


class Layout(NamedTuple):
    """How an encoding lies in memory, and OpenCV's code that makes RGB of it (None: as it is)."""

    dtype: str
    channels: int
    to_rgb: int | None


# OpenCV names Bayer patterns by the second row's second and third pixel, hence rggb = "BG".
COLOUR_LAYOUTS: dict[str, Layout] = {
    "rgb8": Layout("u1", 3, None),
    "bgr8": Layout("u1", 3, cv2.COLOR_BGR2RGB),
    "8UC3": Layout("u1", 3, cv2.COLOR_BGR2RGB),
    "rgba8": Layout("u1", 4, cv2.COLOR_RGBA2RGB),
    "bgra8": Layout("u1", 4, cv2.COLOR_BGRA2RGB),
    "8UC4": Layout("u1", 4, cv2.COLOR_BGRA2RGB),
    "rgb16": Layout("u2", 3, None),
    "bgr16": Layout("u2", 3, cv2.COLOR_BGR2RGB),
    "mono8": Layout("u1", 1, cv2.COLOR_GRAY2RGB),
    "8UC1": Layout("u1", 1, cv2.COLOR_GRAY2RGB),
    "mono16": Layout("u2", 1, cv2.COLOR_GRAY2RGB),
    "16UC1": Layout("u2", 1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb8": Layout("u1", 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": Layout("u1", 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": Layout("u1", 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": Layout("u1", 1, cv2.COLOR_BayerGB2RGB),
    "yuv422": Layout("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": Layout("u1", 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": Layout("u1", 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": Layout("u1", 2, cv2.COLOR_YUV2RGB_YUY2),
    "nv12": Layout("u1", 1, cv2.COLOR_YUV2RGB_NV12),
    "nv21": Layout("u1", 1, cv2.COLOR_YUV2RGB_NV21),
}
PLANAR = {"nv12", "nv21"}
"""Half a plane of interleaved colour follows the plane of brightness."""

LABEL_LAYOUTS: dict[str, str] = {
    "mono8": "u1",
    "8UC1": "u1",
    "16UC1": "u2",
    "16SC1": "i2",
    "32SC1": "i4",
}


def decode_image(message: Image) -> np.ndarray:
    """Camera image to uint8 RGB [H, W, 3]; a view on the message where it is rgb8 already.

    Raises:
        ImageError: unknown encoding, or data that do not fit.
    """
    layout = COLOUR_LAYOUTS.get(message.encoding)
    if layout is None:
        raise ImageError(
            f"image encoding '{message.encoding}' is not supported; expected one of "
            f"{', '.join(COLOUR_LAYOUTS)}"
        )
    planar = message.encoding in PLANAR
    if planar and (message.height % 2 or message.width % 2):
        raise ImageError(
            f"{message.encoding} image of {message.width}x{message.height}; expected even sides"
        )
    rows = message.height * 3 // 2 if planar else message.height
    try:
        pixels = _pixels(message, rows, layout.dtype, layout.channels)
    except ValueError as error:
        raise ImageError(f"image {error}") from None
    if pixels.dtype.itemsize == 2:
        pixels = (pixels >> 8).astype(np.uint8)
    if layout.to_rgb is None:
        return pixels
    try:
        return cv2.cvtColor(pixels, layout.to_rgb)
    except cv2.error as error:  # 4:2:2 of an odd width, a Bayer pattern of one pixel
        raise ImageError(
            f"image of {message.width}x{message.height} cannot be {message.encoding}: {error.err}; "
            "expected the even sides that this encoding has"
        ) from None


def decode_compressed(message: CompressedImage) -> np.ndarray:
    """Compressed camera image (JPEG, PNG and what else OpenCV reads) to uint8 RGB [H, W, 3].

    Raises:
        ImageError: the data are no image, or one of more than ``MOST_PIXELS``.
        cv2.error: there is no memory for it.
    """
    data = np.frombuffer(message.data, np.uint8)
    pixels = _announced_pixels(data)
    if pixels > MOST_PIXELS:
        raise ImageError(
            f"compressed image of {data.size} bytes would have {pixels >> 20} million pixels; "
            f"expected at most {MOST_PIXELS >> 20} million. Send smaller images"
        )
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error as error:  # OpenCV refuses absurd sizes by an exception
        if error.code == cv2.Error.StsNoMem:
            raise
        image = None
    if image is None:
        memory = f", and memory for its {pixels / 1e6:.1f} million pixels" if pixels else ""
        raise ImageError(
            f"compressed image of format '{message.format}' and {data.size} bytes cannot be "
            f"decoded; expected jpeg or png from image_transport's compressed plugin{memory}"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _announced_pixels(data: np.ndarray) -> int:
    """Pixels that compressed data say they have; 0 where that cannot be told."""
    try:
        with PictureFile.open(io.BytesIO(data)) as picture:
            return picture.size[0] * picture.size[1]
    except PictureFile.DecompressionBombError as error:
        return int(re.findall(r"\d+", f"{error} {2**62}")[0])
    except Exception:  # not a picture, or damaged: decoding will tell
        return 0


def decode_labels(message: Image) -> np.ndarray:
    """Target mask to an integer label map [H, W]; a view on the message.

    Raises:
        MaskError: an encoding that holds no labels, or data that do not fit.
    """
    dtype = LABEL_LAYOUTS.get(message.encoding)
    if dtype is None:
        raise MaskError(
            MaskErrorCode.BAD_ENCODING,
            f"target mask encoding '{message.encoding}' holds no object ids; expected one of "
            f"{', '.join(LABEL_LAYOUTS)} with 0 for background and the object's id elsewhere",
        )
    try:
        return _pixels(message, message.height, dtype, 1)
    except ValueError as error:
        raise MaskError(MaskErrorCode.BAD_ENCODING, f"target mask {error}") from None


def _pixels(message: Image, rows: int, dtype: str, channels: int) -> np.ndarray:
    """View [rows, W] or [rows, W, channels] on the data, padding cut off, in native byte order.

    Raises:
        ValueError: empty, or too few bytes; the text goes on after "image ".
    """
    size = f"of {message.width}x{message.height} {message.encoding}"
    if not message.width or not message.height:
        raise ValueError(f"{size} is empty; expected at least one pixel")
    native = np.dtype(dtype)
    row_bytes = message.width * channels * native.itemsize
    # Some publishers leave step at 0 for rows without padding.
    step = message.step or row_bytes
    if step < row_bytes:
        raise ValueError(f"{size} has step {step}; expected at least {row_bytes} bytes per row")
    data = np.frombuffer(message.data, np.uint8)
    needed = step * (rows - 1) + row_bytes
    if data.size < needed:
        raise ValueError(f"{size} is cut short: {data.size} bytes, expected {step * rows}")
    table = np.lib.stride_tricks.as_strided(data, (rows, row_bytes), (step, 1))
    pixels = table.view(native.newbyteorder(">" if message.is_bigendian else "<"))
    if not pixels.dtype.isnative:
        pixels = pixels.astype(native)
    return pixels if channels == 1 else pixels.reshape(rows, message.width, channels)
