"""Score masks against ground truth: region similarity J and boundary accuracy F, as DAVIS does.

RESULTS and TRUTH are folders of mask PNGs with the same stems (an output folder of deaot track
will do as RESULTS). Objects are those of the first mask of TRUTH. As in DAVIS, the first frame,
whose mask was given, and the last one do not count.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="folder of masks")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="folder of true masks")


def run(arguments: argparse.Namespace) -> int:
    """Score and print a table."""
    import numpy as np

    from deaot_ros.evaluation import sequence_scores
    from deaot_ros.video import VideoError, read_mask
    from deaot_ros.video.folder import list_images

    results = arguments.results
    if (results / "masks").is_dir():
        results = results / "masks"
    truth = [f for f in list_images(arguments.truth) if f.suffix.lower() == ".png"]
    if len(truth) < 3:
        raise VideoError(f"{arguments.truth} has {len(truth)} masks; expected at least 3")
    missing = [f.stem for f in truth[1:-1] if not (results / f"{f.stem}.png").is_file()]
    if missing:
        raise VideoError(
            f"{results} lacks {len(missing)} of {len(truth) - 2} masks, the first is "
            f"{missing[0]}.png; stems must be those of {arguments.truth}"
        )
    ids = [int(i) for i in np.unique(read_mask(truth[0])) if i not in (0, 255)]
    pairs = ((read_mask(results / f"{f.stem}.png"), read_mask(f)) for f in truth[1:-1])
    try:
        scores = sequence_scores(pairs, ids)
    except ValueError as error:
        raise VideoError(str(error)) from None
    print(f"{'object':>8}  {'J':>6}  {'F':>6}")
    for object_id, (j, f) in scores.objects.items():
        print(f"{object_id:>8}  {j:6.3f}  {f:6.3f}")
    print(f"{'mean':>8}  {scores.j_mean:6.3f}  {scores.f_mean:6.3f}   {scores.frames} frames")
    return 0
