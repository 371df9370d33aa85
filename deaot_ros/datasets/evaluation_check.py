"""Everything that would spoil an evaluation, found before it starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from deaot_ros.errors import DatasetError

from .encoded_mask import EncodedMask
from .evaluation import EvaluationVideo
from .files import image_size, load_labels

VOID = 255
_MASK_MODES = {"1", "L", "P"}


def check_video(
    video: EvaluationVideo, same_size: bool = True, checked: set[Path] | None = None
) -> Iterator[str]:
    """Problems of a video, one line each.

    Given masks are read; of frames and true masks only the headers, which is quick.

    Args:
        same_size: masks have the size of their frames; else (frames of another resolution) all
            masks have one size.
        checked: frames of earlier videos, which are not looked at again; grows.
    """
    checked = set() if checked is None else checked
    try:
        first = image_size(video.frames[0])
    except DatasetError as error:
        yield f"{video.name}: {error}"
        return
    unchecked = [f for f in video.frames[1:] if f not in checked]
    checked.update(video.frames)
    for frame in unchecked:
        yield from _check_header(video, frame, first, None)
    start = next((f.stem for f in video.frames if f.stem in video.given), None)
    if start is None:
        yield f"{video.name}: no mask to start from"
        return
    size = first
    if not same_size:
        try:
            size = image_size(video.given[start])
        except DatasetError as error:
            yield f"{video.name}: {error}"
            return
    for stem, file in sorted({**video.truth, **video.given}.items()):
        if isinstance(file, EncodedMask):
            continue  # decoded when they were found
        yield from _check_header(video, file, size, _MASK_MODES)
        if stem == start or (stem in video.given and stem not in video.truth):
            yield from _check_ids(video, file, stem == start)


def _check_header(
    video: EvaluationVideo, file: Path, size: tuple[int, int], modes: set[str] | None
) -> Iterator[str]:
    try:
        found = image_size(file)
        if modes is not None:
            with Image.open(file) as image:
                mode = image.mode
                if mode not in modes:
                    yield (
                        f"{video.name}: mask {file} holds {mode} pixels, not ids; expected a PNG "
                        "with a palette, or an 8-bit grey one"
                    )
    except (DatasetError, OSError) as error:
        yield f"{video.name}: {error}"
        return
    if found != size:
        yield (
            f"{video.name}: {file} is {found[0]}x{found[1]}; expected {size[0]}x{size[1]} "
            "(height x width)"
        )


def _check_ids(video: EvaluationVideo, file: Path, is_first: bool) -> Iterator[str]:
    try:
        labels = load_labels(file)
    except DatasetError:
        return  # the header was found wanting already
    ids = [int(i) for i in np.unique(labels) if i not in (0, VOID)]
    if not ids:
        if is_first:
            yield f"{video.name}: mask {file} shows no object"
        return
    if is_first and video.consecutive and ids != list(range(1, len(ids) + 1)):
        yield (
            f"{video.name}: ids of {file} are {_short(ids)}; expected 1 to {len(ids)} without "
            "gaps: values of another palette?"
        )


def _short(ids: list[int]) -> str:
    text = ", ".join(str(i) for i in ids[:8])
    return f"{text}, … ({len(ids)} in all)" if len(ids) > 8 else text
