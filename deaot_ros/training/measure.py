"""``python -m deaot_ros.training.measure``: J and F of weights on clips with exact masks.

Tracks the demo clip and held-back synthetic clips as ``deaot track`` would, first mask given.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import numpy as np
import torch

from deaot_ros.evaluation import sequence_scores
from deaot_ros.synthetic import Clip, demo_clip
from deaot_ros.tracking import Tracker

from .validate import validation_clips


def clip_scores(tracker: Tracker, clip: Clip) -> tuple[float, float]:
    """Mean J and F over the objects of a clip's first mask, by the rules of DAVIS."""
    tracker.start(clip.frames[0], clip.masks[0])
    labels = [tracker.step(frame).labels for frame in clip.frames[1:]]
    ids = [int(i) for i in np.unique(clip.masks[0]) if i]
    scores = sequence_scores(zip(labels[:-1], clip.masks[1:-1], strict=True), ids)
    return scores.j_mean, scores.f_mean


def whole_demo(height: int, width: int) -> Clip:
    """All frames of the demo clip."""
    scene = demo_clip(height, width)
    images, masks = zip(*(scene.render(t) for t in range(scene.frames)), strict=True)
    return Clip(np.stack(images), np.stack(masks))


def report(name: str, tracker: Tracker, clips: Iterable[Clip]) -> None:
    """Measure and print one line."""
    j, f = np.mean([clip_scores(tracker, clip) for clip in clips], axis=0)
    print(f"{name}: J {j:.3f} F {f:.3f}", flush=True)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", help="default: those that are shipped")
    parser.add_argument("--variant", default="deaot-t")
    parser.add_argument("--clips", type=int, default=50, help="held-back clips")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tracker = Tracker.load(arguments.variant, arguments.weights)
    report("demo clip, 480x640", tracker, [whole_demo(480, 640)])
    clips = validation_clips(arguments.clips, frames=10, size=481)
    report(f"{arguments.clips} held-back clips of 10 frames, 481x481", tracker, clips)


if __name__ == "__main__":
    main()
