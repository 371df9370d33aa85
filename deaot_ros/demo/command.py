"""Play a clip to the real ROS node and score what comes back.

The node runs as its own process; another one plays the clip into its image topic at camera rate;
this one sends the first mask as an operator would, on the image that it was drawn on, and receives
the label maps over DDS. Without SOURCE the clip is made of photographs that move over each other,
with exact ground truth. Writes OUTPUT/overlay.mp4, contact_sheet.png and summary.json.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deaot_ros.commands.options import add_tracker_options, load_tracker, positive
from deaot_ros.errors import DeaotError

if TYPE_CHECKING:
    from deaot_ros.demo.clip import Clip, UsersClip
    from deaot_ros.demo.pace import Pace
    from deaot_ros.demo.report import Shot, Summary
    from deaot_ros.demo.session import Outcome

_OWN_SIZE = (480, 640)  # height, width of the package's clip
_OWN_RATE = 30.0  # Hz


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "source", nargs="?", metavar="SOURCE", help="folder, video file, camera:N or bag"
    )
    parser.add_argument("--mask", metavar="MASK", help="mask of SOURCE's first frame (PNG)")
    parser.add_argument("--truth", type=Path, metavar="DIR", help="masks of all frames, to score")
    parser.add_argument("--topic", help="image topic of a bag")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), metavar="DIR")
    parser.add_argument("--frames", type=positive, metavar="N", help="play at most N frames")
    parser.add_argument("--rate", type=_rate, metavar="HZ", help="camera rate; default: measured")
    add_tracker_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Play, score, report."""
    # Before anything of ROS is imported, which reads the environment.
    from deaot_ros.demo.environment import enter_private_ros

    enter_private_ros()

    from deaot_ros.demo.clip import render_demo_clip, users_clip
    from deaot_ros.demo.session import node_parameters, play
    from deaot_ros.video import VideoError

    own = None
    if arguments.source is not None:
        own = users_clip(arguments.source, arguments.topic, arguments.mask, arguments.truth)
    output: Path = arguments.output
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VideoError(
            f"cannot write to {output}: {error.strerror}; choose a folder you may write to"
        ) from None
    pace = _pace(arguments, own)
    clip = (
        own.at(pace.rate, arguments.frames)
        if own
        else render_demo_clip(output / "clip", pace.rate, arguments.frames)
    )
    outcome = play(
        clip,
        {**node_parameters(arguments), "max_long_side": str(pace.long_side)},
        output.absolute(),
        _tell,
    )
    _tell("writing the results")
    summary = _report(clip, outcome, pace, output)
    print(f"\n{summary.table()}\n")
    print(f"{output}: overlay.mp4, contact_sheet.png, summary.json")
    return 0


def _pace(arguments: argparse.Namespace, own: UsersClip | None) -> Pace:
    """Measure the network, unless the user decides everything."""
    from deaot_ros.demo.pace import LONG_SIDES, MIN_RATE, Pace, choose_pace, network_timer

    if arguments.rate and arguments.max_long_side:
        return Pace(arguments.max_long_side, arguments.rate)
    _tell("measuring what this machine can follow")
    size = own.mask.shape if own else _OWN_SIZE
    tracker = load_tracker(arguments)
    if arguments.max_long_side:
        sides: tuple[int, ...] = (arguments.max_long_side,)
    else:
        sides = (max(size),) if tracker.device.startswith("cuda") else LONG_SIDES
    enough = arguments.rate or (own.fps if own else _OWN_RATE)
    least = arguments.rate or min(MIN_RATE, enough)
    pace, step = choose_pace(network_timer(tracker, size), sides, max(size), least, enough)
    if arguments.rate:
        pace = replace(pace, rate=arguments.rate)
    _tell(
        f"{1000 * step:.0f} ms per frame on {tracker.device} with a network input of up to "
        f"{pace.long_side} px: the camera runs at {pace.rate:.1f} Hz"
    )
    return pace


def _report(clip: Clip, outcome: Outcome, pace: Pace, output: Path) -> Summary:
    """Score and write everything but the table."""
    import numpy as np

    from deaot_ros.demo.report import Summary, write_contact_sheet, write_overlay
    from deaot_ros.evaluation import sequence_scores
    from deaot_ros.video import read_mask

    received = [(n, s, outcome.masks[s]) for n, s in outcome.sent if s in outcome.masks]
    shots = _shots(outcome)
    pairs = [
        (shot.labels, read_mask(clip.truth[shot.number]))
        for shot in shots
        if 0 < shot.number < len(clip.truth)
    ]
    assert clip.mask is not None, "the demo always has one"
    ids = [int(i) for i in np.unique(clip.mask) if i]
    try:
        scores = sequence_scores(pairs, ids) if pairs else None
    except ValueError as error:
        raise DeaotError(f"ground truth does not fit: {error}") from None
    running = [mask for _, _, mask in received if mask.arrival >= outcome.started]
    if not running:
        raise DeaotError(f"no mask came back while the clip ran; {output / 'node.log'} may say why")
    latencies = 1000 * np.array([mask.latency for mask in running])
    span = max(mask.arrival for mask in running) - min(mask.arrival for mask in running)
    summary = Summary(
        frames_sent=len(outcome.sent),
        frames_received=len(received),
        frames_scored=scores.frames if scores else 0,
        j_mean=scores.j_mean if scores else None,
        f_mean=scores.f_mean if scores else None,
        latency_ms_p50=float(np.percentile(latencies, 50)),
        latency_ms_p95=float(np.percentile(latencies, 95)),
        fps=(len(running) - 1) / span if span else 0.0,
        camera_rate=clip.rate,
        weights=outcome.status.weights,
        variant=outcome.status.variant,
        backend=outcome.status.backend,
        device=outcome.status.device,
        max_long_side=pace.long_side,
    )
    summary.write(output)
    write_overlay(shots, output / "overlay.mp4", clip.rate)
    write_contact_sheet(shots, output / "contact_sheet.png")
    return summary


def _shots(outcome: Outcome) -> list[Shot]:
    """Every frame of the source since the mask was drawn, with the newest answer to it."""
    from deaot_ros.demo.report import Shot

    shots = {
        number: Shot(number, outcome.images[stamp], outcome.masks[stamp].labels)
        for number, stamp in outcome.sent
        if stamp >= outcome.accepted and stamp in outcome.masks and stamp in outcome.images
    }
    return list(shots.values())


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1000 Hz")
    return value


def _tell(text: str) -> None:
    print(text, flush=True)
