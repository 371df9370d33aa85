"""Options and course of ``deaot benchmark scores``."""

from __future__ import annotations

import argparse
from pathlib import Path

from deaot_ros.commands.options import add_tracker_options, positive


def add_scores_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "--clips", type=positive, default=60, help="one half to fit, the other to check (60)"
    )
    parser.add_argument("--height", type=positive, default=193, help="of the frames (193)")
    parser.add_argument("--width", type=positive, default=257, help="of the frames (257)")
    parser.add_argument("--threads", type=positive, help="CPU threads; default: torch's choice")
    parser.add_argument(
        "--write", action="store_true", help="write the calibration next to the weights"
    )
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw the curve")
    add_tracker_options(parser)


def run_scores_benchmark(arguments: argparse.Namespace) -> int:
    """Fit a calibration on one half of the clips and check it on the other."""
    import torch

    from deaot_ros.backends import load_backend
    from deaot_ros.commands.options import find_weights, tracker_settings
    from deaot_ros.evaluation.chart import line_chart, save_picture
    from deaot_ros.evaluation.reliability import (
        Outcome,
        calibration_error,
        collect,
        held_back_clips,
        reliability,
    )
    from deaot_ros.network import build_network, load_checkpoint
    from deaot_ros.tracking import Tracker
    from deaot_ros.tracking.calibration import (
        fit_calibration,
        save_calibration,
        weights_digest,
    )

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    path = find_weights(arguments)
    network = build_network(arguments.variant)
    load_checkpoint(network, path)
    backend = load_backend(network, arguments.device, arguments.backend, arguments.precision)
    tracker = Tracker(backend, tracker_settings(arguments))
    half, size = max(1, arguments.clips // 2), (arguments.height, arguments.width)
    fitted = collect(tracker, held_back_clips(0, half, *size))
    checked = collect(tracker, held_back_clips(half, half, *size))
    calibration = fit_calibration(fitted.scores, fitted.likeness, fitted.good)
    scores = tuple(map(calibration, checked.scores, checked.likeness))
    after = Outcome(scores, checked.likeness, checked.good)
    curves = {"mean probability": reliability(checked), "score": reliability(after)}
    print(
        f"{path.name}, sha256 {weights_digest(path)[:12]}: {len(checked.scores)} masks of {half} "
        f"clips that the fit did not see; trust in likeness {calibration.trust:.2f}"
    )
    for name, bins in curves.items():
        print(f"\n{name}: mean distance from the diagonal {calibration_error(bins):.3f}")
        print("| masks | mean score | J > 0.5 |\n| --- | --- | --- |")
        for part in bins:
            print(f"| {part.count} | {part.score:.2f} | {part.right:.2f} |")
    if arguments.picture:
        places = [0.05 + 0.1 * i for i in range(10)]
        lines: dict[str, list[float | None]] = {"ideal": list(places)}
        for name, bins in curves.items():
            found = {min(int(10 * b.score), 9): b.right for b in bins}
            lines[name] = [found.get(i) for i in range(10)]
        picture = line_chart(
            "Reliability on clips that the fit did not see", "score", "part with J > 0.5",
            places, lines, (0, 1), size=(400, 640),
        )  # fmt: skip
        save_picture(picture, str(arguments.picture))
    if arguments.write:
        print(f"\n{save_calibration(calibration, path)} is written")
    return 0
