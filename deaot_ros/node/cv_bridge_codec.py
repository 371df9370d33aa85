"""Rare image encodings by cv_bridge, where it is installed and works.

Our own codec reads what cameras send. cv_bridge is one more chance for the rest; that it is
missing, or was built for another numpy, costs nothing but that chance.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from deaot_ros.errors import ImageError


@cache
def unavailable() -> str:
    """Why cv_bridge cannot be used here; empty: it can."""
    try:
        _bridge()
    except Exception as error:  # a broken ABI fails in ways of its own
        return f"{type(error).__name__}: {error}"
    return ""


def decode_by_cv_bridge(message: Image) -> np.ndarray:
    """Image of any encoding that cv_bridge knows to uint8 RGB [H, W, 3].

    Raises:
        ImageError: cv_bridge cannot be used, or does not know the encoding either.
    """
    if reason := unavailable():
        raise ImageError(f"cv_bridge, which may know more, is not usable ({reason})")
    try:
        return np.asarray(_bridge().imgmsg_to_cv2(message, "rgb8"))
    except Exception as error:  # CvBridgeError, cv2.error, ValueError by version
        raise ImageError(f"cv_bridge cannot convert it either ({error})") from None


@cache
def _bridge() -> Any:
    from cv_bridge import CvBridge

    return CvBridge()
