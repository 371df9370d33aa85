"""A tracker that talks TraX, the protocol of the VOT toolkit (Čehovin, 2017).

The toolkit starts a process, gives it images and the masks of objects through standard input, and
takes a mask of every object back through standard output.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from deaot_ros.datasets.files import load_image
from deaot_ros.errors import DeaotError

try:
    import trax
    from trax import Image, Region
    from trax.region import Mask
    from trax.server import Request, Server
except ImportError as error:
    raise DeaotError(
        f"the package vot-trax cannot be imported ({error}); pip install vot-trax"
    ) from None


class Runner(Protocol):
    """What labels frames, see ``deaot_ros.evaluation.video_run``."""

    def start(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray: ...

    def step(
        self, image: np.ndarray, new: np.ndarray | None, size: tuple[int, int]
    ) -> np.ndarray: ...


def serve(runner: Runner, name: str) -> None:
    """Answer requests until the client is done.

    Raises:
        DeaotError: a request cannot be met; the client is told before.
    """
    server = Server([Region.MASK], [Image.PATH], tracker_name=name, tracker_family="DeAOT",
                    multiobject=True)  # fmt: skip
    session = TraxSession(runner)
    try:
        while True:
            request = server.wait()
            if request.type not in (trax.TraxStatus.INITIALIZE, trax.TraxStatus.FRAME):
                break
            server.status(session.answer(request))
    except DeaotError as error:
        server.quit(str(error))
        raise
    server.quit()


class TraxSession:
    """Numbers objects 1, 2, … as they come; their masks go back in that order."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._count = 0

    def answer(self, request: Request) -> list[tuple[Mask, dict[str, str]]]:
        """The mask of every object in the image of a request.

        Raises:
            DeaotError: no object to begin with, an image that cannot be read, a region that is no
                mask.
        """
        image = load_image(Path(next(iter(request.image.values())).path()))
        size = (image.shape[0], image.shape[1])
        begins = request.type == trax.TraxStatus.INITIALIZE
        if begins:
            self._count = 0
        new = self._drawn([region for region, _ in request.objects or ()], size)
        if begins:
            if new is None:
                raise DeaotError("no mask shows an object; a tracker needs one to begin with")
            labels = self._runner.start(image, new)
        else:
            labels = self._runner.step(image, new, size)
        return [(_region(labels == i), {}) for i in range(1, self._count + 1)]

    def _drawn(self, regions: Sequence[Region], size: tuple[int, int]) -> np.ndarray | None:
        """Label map of the regions, which get the next numbers; None where it would be empty."""
        labels = np.zeros(size, np.uint8)
        for region in regions:
            self._count += 1
            if not isinstance(region, Mask):
                raise DeaotError(f"a region of type {region.type} came; expected a mask")
            mask = region.array(normalize=True)[: size[0], : size[1]]
            labels[: mask.shape[0], : mask.shape[1]][mask != 0] = self._count
        return labels if labels.any() else None


def _region(mask: np.ndarray) -> Mask:
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return Mask.create(np.zeros((1, 1), np.uint8))
    part = np.ascontiguousarray(mask[y : y + height, x : x + width]).view(np.uint8)
    return Mask.create(part, x, y)
