"""Image messages of ROS as arrays, whoever made the message objects."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

# encoding: (channels, what OpenCV calls the way to RGB; None: they are RGB)
_EIGHT_BIT = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "8UC3": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "8UC4": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
}


def decode_image(message: Any) -> np.ndarray:
    """sensor_msgs/Image to uint8 [H, W, 3] RGB.

    Raises:
        ValueError: an encoding that is no colour or grey image of 8 bits, or too little data.
    """
    if message.encoding not in _EIGHT_BIT:
        raise ValueError(
            f"encoding '{message.encoding}' is not supported; expected one of "
            f"{', '.join(_EIGHT_BIT)}"
        )
    channels, conversion = _EIGHT_BIT[message.encoding]
    height, width, step = message.height, message.width, message.step
    data = np.frombuffer(message.data, np.uint8)
    if not height or step < width * channels or data.size < height * step:
        raise ValueError(
            f"{data.size} bytes do not make {width}x{height} pixels of {message.encoding} in rows "
            f"of {step} bytes"
        )
    rows = data[: height * step].reshape(height, step)[:, : width * channels]
    image = np.ascontiguousarray(rows).reshape(height, width, channels)
    return image if conversion is None else cv2.cvtColor(image, conversion)


def decode_compressed(message: Any) -> np.ndarray:
    """sensor_msgs/CompressedImage to uint8 [H, W, 3] RGB.

    Raises:
        ValueError: not a picture that OpenCV can read.
    """
    image = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"data of format '{message.format}' are no JPEG or PNG image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
