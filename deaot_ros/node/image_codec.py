"""Arrays as ROS image messages, and back; rare encodings by cv_bridge, where that works."""

from __future__ import annotations

import array

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from deaot_ros.errors import ImageError
from deaot_ros.node.cv_bridge_codec import decode_by_cv_bridge
from deaot_ros.video import ros_image
from deaot_ros.video.ros_image import (
    COLOUR_LAYOUTS,
    LABEL_LAYOUTS,
    decode_compressed,
    decode_labels,
)

__all__ = [
    "COLOUR_LAYOUTS",
    "LABEL_LAYOUTS",
    "decode_compressed",
    "decode_image",
    "decode_labels",
    "encode_image",
    "encode_jpeg",
    "encode_labels",
    "to_array",
]


def decode_image(message: Image) -> np.ndarray:
    """Camera image to uint8 RGB [H, W, 3]; a view on the message where it is rgb8 already.

    Raises:
        ImageError: data that do not fit, or an encoding that cv_bridge does not know either.
    """
    if message.encoding in COLOUR_LAYOUTS:
        return ros_image.decode_image(message)
    try:
        return decode_by_cv_bridge(message)
    except ImageError as error:
        raise ImageError(
            f"image encoding '{message.encoding}' is not supported; expected one of "
            f"{', '.join(COLOUR_LAYOUTS)}. {error}"
        ) from None


def encode_image(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    """Array [H, W] or [H, W, C] to a message that carries ``header`` as it is."""
    pixels = np.ascontiguousarray(pixels)
    message = Image()
    message.header = header
    message.height, message.width = pixels.shape[0], pixels.shape[1]
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = pixels.strides[0] if pixels.size else 0
    message.data = to_array(pixels)
    return message


def encode_labels(labels: np.ndarray, header: Header) -> Image:
    """Label map to mono8, or 16UC1 where it is uint16."""
    return encode_image(labels, "mono8" if labels.dtype == np.uint8 else "16UC1", header)


def encode_jpeg(rgb: np.ndarray, header: Header) -> CompressedImage:
    """RGB [H, W, 3] to a JPEG message."""
    message = CompressedImage()
    message.header = header
    message.format = "rgb8; jpeg compressed bgr8"
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    message.data = to_array(data)
    return message


def to_array(pixels: np.ndarray) -> array.array[int]:
    """Contiguous pixels as the type that message setters take without looking at every byte."""
    data = array.array("B")
    if pixels.size:
        data.frombytes(memoryview(pixels).cast("B"))
    return data
