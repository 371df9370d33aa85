"""What the node adds to the network, and whether frames get lost on their way to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deaot_ros.demo.clip import Clip
from deaot_ros.demo.session import play

_PICTURES = 10  # different ones, played again and again


@dataclass(frozen=True, slots=True)
class NodeSpeed:
    """Result of :func:`measure_node`.

    Attributes:
        sent, received: images, and label maps that came back for them.
        stages: medians in ms of what the node does with an image: ``wait`` in the mailbox,
            ``decode`` to RGB, ``track``, ``publish``.
        end_to_end: p50 and p95 in ms from the camera's stamp to the arrival of the label map.
    """

    sent: int
    received: int
    stages: dict[str, float]
    end_to_end: tuple[float, float]

    @property
    def overhead(self) -> float:
        """What comes on top of the tracker, ms."""
        return sum(self.stages[name] for name in ("wait", "decode", "publish"))


def measure_node(
    folder: Path,
    parameters: dict[str, str],
    objects: int,
    rate: float,
    seconds: float,
    size: tuple[int, int] = (480, 640),
) -> NodeSpeed:
    """Play noise to the node and ask it how long it took.

    Args:
        folder: an empty one, for images and logs.
        parameters: of the node.
        objects: tracked ones; 0: only images pass through.
        rate: of the camera, Hz.
        seconds: to play.
        size: (height, width) of the images.

    Raises:
        DeaotError: the node did not start or did not answer.
    """
    height, width = size
    frames = folder / "frames"
    frames.mkdir()
    rng = np.random.default_rng(0)
    pictures = []
    for number in range(_PICTURES):
        # Not PNG: the camera process must not be busy with decoding.
        pictures.append(folder / f"{number}.bmp")
        cv2.imwrite(str(pictures[-1]), rng.integers(0, 256, (height, width, 3), np.uint8))
    count = max(2, round(rate * seconds))
    for number in range(count):
        (frames / f"{number:05d}.bmp").symlink_to(pictures[number % _PICTURES])
    mask = None
    if objects:
        columns = np.arange(width) * objects // width + 1
        mask = np.repeat(columns[None], height, 0).astype(np.uint8)
    clip = Clip(str(frames), None, mask, (), rate, count)
    outcome = play(clip, parameters, folder, lambda text: None, keep_pixels=False)
    running = [(s, outcome.masks.get(s)) for number, s in outcome.sent if number > 0]
    latencies = [1000 * mask.latency for _, mask in running if mask is not None]
    p50, p95 = np.percentile(latencies, (50, 95))
    return NodeSpeed(len(running), len(latencies), outcome.stages, (float(p50), float(p95)))
