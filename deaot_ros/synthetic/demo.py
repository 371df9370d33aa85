"""The demo's clip: three photographs move over a fourth, with an occlusion, an exit and a return.

A cup of coffee (1) passes behind a cat (2); an astronaut (3) leaves the picture and comes back.
"""

from __future__ import annotations

import cv2
import numpy as np

from .motion import Path
from .photographs import photograph
from .scene import Look, Scene, Sprite

#: label -> what the object is
DEMO_OBJECTS: dict[int, str] = {1: "cup", 2: "cat", 3: "astronaut"}

# Cut-outs as unions of ellipses (x, y, half width, half height, degrees) in photograph pixels.
_OUTLINES: dict[str, tuple[tuple[int, int, int, int, int], ...]] = {
    "coffee": ((279, 200, 198, 180, 15),),
    "chelsea": ((236, 148, 172, 138, 0),),
    "astronaut": ((226, 85, 74, 76, 0), (206, 222, 98, 78, 12)),
}

# Key poses at fractions of the clip: (fraction, x, y, degrees, scale); x and y are fractions of
# the frame's width and height from its centre.
_Poses = tuple[tuple[float, float, float, float, float], ...]
_CUP: _Poses = (
    (0.0, -0.30, 0.14, -8, 1.0),
    (0.25, -0.17, 0.15, 0, 1.05),
    (0.5, 0.0, 0.14, 8, 1.0),
    (0.75, 0.17, 0.12, 4, 0.95),
    (1.0, 0.28, 0.15, -4, 1.0),
)
_CAT: _Poses = (
    (0.0, 0.05, -0.20, 0, 1.0),
    (0.3, 0.03, 0.0, 5, 1.05),
    (0.5, 0.0, 0.13, 0, 1.1),
    (0.75, -0.10, 0.0, -6, 1.0),
    (1.0, -0.16, -0.18, 0, 0.95),
)
_ASTRONAUT: _Poses = (
    (0.0, 0.34, 0.05, 0, 1.0),
    (0.2, 0.42, -0.08, 4, 1.0),
    (0.38, 0.78, -0.14, 10, 1.0),
    (0.55, 0.80, -0.16, 10, 1.0),
    (0.75, 0.40, -0.18, -4, 1.0),
    (1.0, 0.30, -0.16, 0, 1.0),
)
_CAMERA: _Poses = (
    (0.0, 0.0, 0.0, 0, 1.0),
    (0.35, 0.02, -0.01, 1, 1.03),
    (0.7, -0.015, 0.01, -1, 1.05),
    (1.0, 0.0, 0.0, 0, 1.0),
)


def demo_clip(
    height: int = 480, width: int = 640, seconds: float = 8.0, fps: float = 30.0
) -> Scene:
    """The demo's scene; ``scene.render(t)`` gives frame `t` and its exact labels.

    The story is the same at any rate and length: more seconds or more frames per second make the
    motion per frame smaller.

    Raises:
        ValueError: the clip would have fewer than two frames.
    """
    frames = round(seconds * fps)
    if frames < 2:
        raise ValueError(f"{seconds} s at {fps} Hz is below two frames: ask for a longer clip")
    unit = min(height, width * 3 / 4) / 480  # objects are sized for a frame of 480 x 640 px
    last = frames - 1

    def path(poses: _Poses) -> Path:
        keys = np.array(poses)
        values = np.stack(
            [keys[:, 1] * width, keys[:, 2] * height, np.radians(keys[:, 3]), np.log(keys[:, 4])],
            axis=1,
        )
        return Path(keys[:, 0] * last, values)

    sprites = []
    for label, name, size, poses in (
        (1, "coffee", 185, _CUP),
        (3, "astronaut", 200, _ASTRONAUT),
        (2, "chelsea", 190, _CAT),
    ):
        texture, alpha = _cut_out(name, max(16, round(size * unit)))
        shadow = (0.35, 8 * unit, 10 * unit)
        wobble = (1.5 * unit, 1.0, 0.0, 6.0 / frames)
        sprites.append(Sprite(texture, alpha, path(poses), label, wobble, shadow))
    background = cv2.resize(
        photograph("rocket"), (round(width * 1.15), round(height * 1.15)),
        interpolation=cv2.INTER_AREA,
    )
    look = Look(drift=0.05, drift_rate=12.0 / frames, noise=2.0, shake=0.4 * unit)
    return Scene(
        height, width, frames, background, path(_CAMERA), tuple(sprites), look, seed=2024
    )


def _cut_out(name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Square texture and alpha of a photograph's object, its longer side filling `size`."""
    image = photograph(name)
    mask = np.zeros(image.shape[:2], np.uint8)
    for x, y, half_width, half_height, degrees in _OUTLINES[name]:
        cv2.ellipse(mask, (x, y), (half_width, half_height), degrees, 0, 360, 255, -1, cv2.LINE_AA)
    left, top, box_width, box_height = cv2.boundingRect(mask)
    side = max(box_width, box_height)
    factor = (size - 8) / side  # four pixels of air keep the soft edge whole
    centre_x, centre_y = left + (box_width - 1) / 2, top + (box_height - 1) / 2
    to_square = np.array(
        [
            [factor, 0, (size - 1) / 2 - factor * centre_x],
            [0, factor, (size - 1) / 2 - factor * centre_y],
        ]
    )
    # Reducing by a warp alone would alias; blur to the target's resolution first.
    sigma = max(0.0, 0.5 / factor - 0.5)
    smooth = cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.1 else image
    outline = cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.5 / factor))
    texture = cv2.warpAffine(
        smooth, to_square, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = cv2.warpAffine(outline, to_square, (size, size), flags=cv2.INTER_LINEAR)
    return texture, alpha.astype(np.float32) / 255
