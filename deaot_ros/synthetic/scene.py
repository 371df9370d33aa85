"""A scene: a background under a moving camera and sprites painted over it, back to front.

The label map is exact by construction: a pixel belongs to the last painted sprite that covers
at least half of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from .motion import Path
from .thin_plate import Bend


@dataclass(frozen=True)
class Sprite:
    """An object of a scene.

    Attributes:
        texture: uint8 [S, S, 3] RGB.
        alpha: float32 [S, S] in 0..1, the soft outline.
        path: motion of the sprite's centre in the world, px.
        label: value in the label map; 0 paints an unlabelled distractor.
        wobble: (amplitude px, waves per sprite, phase rad, rad per frame) of a mild deformation.
        shadow: (darkness 0..1, x offset px, y offset px); darkness 0 casts none.
        blur: length of the motion blur as a fraction of the way per frame.
        bend: a thin-plate deformation, or none.
    """

    texture: np.ndarray
    alpha: np.ndarray
    path: Path
    label: int
    wobble: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0)
    shadow: tuple[float, float, float] = (0.0, 0.0, 0.0)
    blur: float = 0.0
    bend: Bend | None = None


@dataclass(frozen=True)
class Look:
    """What the camera does to the picture.

    Attributes:
        drift: amplitude of the slow exposure change (0.1 = ±10 %).
        drift_rate: its speed, rad per frame.
        tint: amplitude of the same change per colour channel, [3].
        noise: standard deviation of the sensor noise, grey levels.
        shake: standard deviation of the camera's jitter, px.
        jpeg: JPEG quality 1..100, or 0 for none.
    """

    drift: float = 0.0
    drift_rate: float = 0.0
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise: float = 0.0
    shake: float = 0.0
    jpeg: int = 0


@dataclass(frozen=True)
class Scene:
    """A renderable clip. Frames can be rendered in any order and are always the same.

    Attributes:
        height, width: size of a frame, px.
        frames: number of frames.
        background: uint8 [Hb, Wb, 3], larger than the frame; its edges are mirrored.
        camera: motion of the world in the frame (origin: the frame's centre).
        sprites: back to front.
        look: exposure, noise and shake.
        tilt: growth of the perspective terms per frame, 1 / px.
        seed: of noise and shake.
    """

    height: int
    width: int
    frames: int
    background: np.ndarray
    camera: Path
    sprites: tuple[Sprite, ...]
    look: Look = field(default_factory=Look)
    tilt: tuple[float, float] = (0.0, 0.0)
    seed: int = 0

    def render(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Render one frame: image uint8 [H, W, 3] RGB and labels uint8 [H, W].

        Raises:
            IndexError: the frame number is not in 0..frames-1.
        """
        if not 0 <= frame < self.frames:
            raise IndexError(f"frame {frame} of a clip of {self.frames} frames")
        rng = np.random.default_rng([self.seed, frame])
        world = self._world_to_frame(frame, rng)
        image = self._render_background(world)
        labels = np.zeros((self.height, self.width), np.uint8)
        for sprite in self.sprites:
            _paint(image, labels, sprite, world @ sprite.path.matrix(frame), frame)
        return self._develop(image, frame, rng), labels

    def _world_to_frame(self, frame: int, rng: np.random.Generator) -> np.ndarray:
        world = self.camera.matrix(frame)
        world[:2, 2] += rng.normal(0, self.look.shake, 2) if self.look.shake else 0.0
        # The tilt of the image plane grows with time: a slow homography.
        tilted = np.eye(3)
        tilted[2, :2] = np.array(self.tilt) * frame
        centre = np.array(
            [[1, 0, (self.width - 1) / 2], [0, 1, (self.height - 1) / 2], [0, 0, 1.0]]
        )
        return centre @ tilted @ world

    def _render_background(self, world: np.ndarray) -> np.ndarray:
        rows, columns = self.background.shape[:2]
        to_world = np.array([[1, 0, -(columns - 1) / 2], [0, 1, -(rows - 1) / 2], [0, 0, 1.0]])
        return cv2.warpPerspective(
            self.background,
            world @ to_world,
            (self.width, self.height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def _develop(self, image: np.ndarray, frame: int, rng: np.random.Generator) -> np.ndarray:
        look = self.look
        if look.drift or any(look.tint):
            wave = np.sin(look.drift_rate * frame + self.seed % 7)
            gain = (1 + look.drift * wave) * (1 + np.array(look.tint) * wave)
            levels = np.arange(256, dtype=np.float64)[:, None] * gain
            table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
            image = cv2.LUT(image, table[None])
        if look.noise:
            noise = look.noise * rng.standard_normal(image.shape, np.float32)
            image = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
        if look.jpeg:
            _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, look.jpeg])
            image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
        return image


def _paint(
    image: np.ndarray, labels: np.ndarray, sprite: Sprite, to_frame: np.ndarray, frame: int
) -> None:
    """Blend a sprite into the image and write its label, both in place.

    Args:
        to_frame: maps sprite coordinates (origin at the sprite's centre) to pixels [3, 3].
    """
    size = sprite.alpha.shape[0]
    half = (size - 1) / 2
    corners = np.array([[-half, half, half, -half], [-half, -half, half, half], [1, 1, 1, 1]])
    x, y, w = to_frame @ corners
    if np.any(w <= 1e-6):
        return  # behind the camera
    reach = sprite.bend.reach if sprite.bend else 0.0
    margin = 2 + sprite.wobble[0] + reach * np.hypot(to_frame[0, 0], to_frame[1, 0])
    left, top = int(np.floor((x / w).min() - margin)), int(np.floor((y / w).min() - margin))
    right, bottom = int(np.ceil((x / w).max() + margin)), int(np.ceil((y / w).max() + margin))
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right + 1, labels.shape[1]), min(bottom + 1, labels.shape[0])
    if left >= right or top >= bottom:
        return
    map_x, map_y = _sprite_coordinates(
        sprite, np.linalg.inv(to_frame), (left, top, right, bottom), frame
    )
    alpha = cv2.remap(sprite.alpha, map_x, map_y, cv2.INTER_LINEAR, borderValue=0)
    colour = cv2.remap(
        sprite.texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    way = sprite.path.at(frame + 0.5)[:2] - sprite.path.at(frame - 0.5)[:2]
    alpha = _motion_blur(alpha, sprite.blur * way)
    colour = _motion_blur(colour, sprite.blur * way)
    if sprite.shadow[0]:
        _cast_shadow(image, alpha, (left, top), sprite.shadow)
    region = image[top:bottom, left:right]
    weight = alpha[..., None]
    region[...] = np.rint(region + (colour.astype(np.float32) - region) * weight)
    labels[top:bottom, left:right][alpha >= 0.5] = sprite.label


def _sprite_coordinates(
    sprite: Sprite, to_sprite: np.ndarray, box: tuple[int, int, int, int], frame: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sprite column and row seen by each pixel of a box, two float32 maps."""
    left, top, right, bottom = box
    x = np.arange(left, right, dtype=np.float32)[None]
    y = np.arange(top, bottom, dtype=np.float32)[:, None]
    m = to_sprite.astype(np.float32)
    u = m[0, 0] * x + m[0, 1] * y + m[0, 2]
    v = m[1, 0] * x + m[1, 1] * y + m[1, 2]
    if m[2, 0] or m[2, 1]:
        w = m[2, 0] * x + m[2, 1] * y + m[2, 2]
        u, v = u / w, v / w
    size = sprite.alpha.shape[0]
    amplitude, waves, phase, rate = sprite.wobble
    if amplitude:
        k = np.float32(2 * np.pi * waves / size)
        bent = u + np.float32(amplitude) * np.sin(k * v + np.float32(phase + rate * frame))
        v = v + np.float32(amplitude) * np.sin(k * u + np.float32(phase - rate * frame))
        u = bent
    centre = np.float32((size - 1) / 2)
    u, v = u + centre, v + centre
    return sprite.bend.apply(u, v, size, frame) if sprite.bend else (u, v)


def _motion_blur(picture: np.ndarray, way: np.ndarray) -> np.ndarray:
    """Average along a vector (x, y) in px; ways below 1.5 px leave the picture as it is."""
    length = float(np.hypot(*way))
    if length < 1.5:
        return picture
    reach = min(int(np.ceil(length / 2)), 15)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    step = [float(part) / length * min(length / 2, reach) * 16 for part in way]
    centre = reach * 16
    start = (round(centre - step[0]), round(centre - step[1]))
    end = (round(centre + step[0]), round(centre + step[1]))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_8, 4)
    return cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _cast_shadow(
    image: np.ndarray,
    alpha: np.ndarray,
    origin: tuple[int, int],
    shadow: tuple[float, float, float],
) -> None:
    """Darken the image where a soft, shifted copy of the alpha falls, in place."""
    darkness, shift_x, shift_y = shadow
    left, top = origin[0] + int(shift_x), origin[1] + int(shift_y)
    rows, columns = alpha.shape
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + rows, image.shape[0]), min(left + columns, image.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    soft = cv2.blur(alpha, (5, 5), borderType=cv2.BORDER_CONSTANT)
    light = 1 - darkness * soft[y0 - top : y1 - top, x0 - left : x1 - left, None]
    image[y0:y1, x0:x1] = image[y0:y1, x0:x1] * light
