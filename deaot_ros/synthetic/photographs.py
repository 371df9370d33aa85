"""The photographs that scenes are made of: public-domain and CC0 images inside scikit-image.

All of them are files of the scikit-image wheel, so nothing is downloaded. Sources and licences
are stated in scikit-image's own documentation of each image (``skimage.data``).
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from deaot_ros.errors import DeaotError

#: name -> (what it shows, licence as scikit-image states it)
PHOTOGRAPHS: dict[str, tuple[str, str]] = {
    "astronaut": ("Eileen Collins, NASA", "public domain"),
    "brick": ("brick wall, CC0Textures", "CC0"),
    "camera": ("man with a camera, Lav Varshney", "CC0"),
    "chelsea": ("a cat, Stefan van der Walt", "CC0"),
    "clock": ("motion-blurred clock, Stefan van der Walt", "public domain"),
    "coffee": ("a cup of coffee, Rachel Michetti", "CC0"),
    "grass": ("grass, linolafett", "CC0"),
    "gravel": ("gravel, CC0Textures", "CC0"),
    "hubble_deep_field": ("galaxies, NASA", "public domain"),
    "retina": ("fundus of an eye, Haggstroem", "CC0 / public domain"),
    "rocket": ("Falcon 9 launch, SpaceX", "public domain"),
}

#: never used for training, only for the held-back validation clips
HELD_BACK: tuple[str, ...] = ("camera", "clock")

#: what training draws from
TRAINING: tuple[str, ...] = tuple(name for name in PHOTOGRAPHS if name not in HELD_BACK)

_LONG_SIDE = 800  # larger files are reduced once, which is enough for any scene


@cache
def photograph(name: str) -> np.ndarray:
    """Return one photograph of scikit-image as a read-only uint8 array [H, W, 3], RGB.

    Raises:
        ValueError: the name is not in `PHOTOGRAPHS`.
        DeaotError: scikit-image, which brings the files, is not installed.
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(
            f"unknown photograph {name!r}: expected one of {', '.join(PHOTOGRAPHS)}"
        )
    try:
        import skimage.data
    except ImportError as error:
        raise DeaotError(
            "synthetic scenes need the photographs inside scikit-image, which is not installed: "
            "pip install scikit-image"
        ) from error
    image = np.asarray(getattr(skimage.data, name)())
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    image = image[..., :3]
    factor = _LONG_SIDE / max(image.shape[:2])
    if factor < 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    image = np.ascontiguousarray(image, dtype=np.uint8)
    image.setflags(write=False)
    return image
