"""Options that several commands share: which network, on what."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deaot_ros.export import Shapes
    from deaot_ros.tracking import Tracker, TrackerSettings


def add_tracker_options(parser: argparse.ArgumentParser) -> None:
    """Options that say which network runs, with which weights and where."""
    parser.add_argument("--weights", metavar="FILE", help=".safetensors or .pth; default: shipped")
    add_network_options(parser)


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Options that say which network runs and where."""
    parser.add_argument(
        "--variant",
        default="deaot-t",
        metavar="NAME",
        help="deaot-t (default), -s, -b, -l, r50-deaot-l, swinb-deaot-l; aot-t to swinb-aot-l; "
        "or an ablation, see docs/evaluation.md",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument(
        "--backend", default="auto", help="what runs it: auto (default), torch or onnxruntime"
    )
    parser.add_argument("--precision", default="auto", help="auto (default), fp32 or fp16")
    parser.add_argument(
        "--max-long-side",
        type=positive,
        metavar="N",
        help="limit of the network input's long side in pixels; smaller is faster",
    )


def add_shape_options(parser: argparse.ArgumentParser) -> None:
    """Options that say which shapes graphs have."""
    parser.add_argument("--height", type=positive, default=480, help="of the image (480)")
    parser.add_argument("--width", type=positive, default=854, help="of the image (854)")
    parser.add_argument("--slots", type=positive, default=9, help="memory frames (9)")
    parser.add_argument("--groups", type=positive, default=1, help="groups of ten objects (1)")
    parser.add_argument(
        "--max-long-side", type=positive, metavar="N", default=1040,
        help="limit of the network input's long side in pixels (1040)",
    )  # fmt: skip


def shapes_of(arguments: argparse.Namespace, align_corners: bool) -> Shapes:
    """The shapes that the options ask for, of a variant with such corners."""
    from deaot_ros.export import Shapes
    from deaot_ros.tracking.resizing import network_size

    height, width = network_size(
        arguments.height, arguments.width, align_corners=align_corners,
        max_long_side=arguments.max_long_side,
    )  # fmt: skip
    return Shapes(height, width, arguments.slots, arguments.groups)


def positive(text: str) -> int:
    """An integer above 0, for argparse."""
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def tracker_settings(arguments: argparse.Namespace) -> TrackerSettings:
    """The settings that the options ask for.

    Raises:
        DeaotError: a value out of range.
    """
    from deaot_ros.errors import DeaotError
    from deaot_ros.tracking import TrackerSettings

    limit = arguments.max_long_side
    try:
        return TrackerSettings(max_long_side=limit) if limit else TrackerSettings()
    except ValueError as error:
        raise DeaotError(f"--max-long-side: {error}") from None


def find_weights(arguments: argparse.Namespace) -> Path:
    """The weights file that the options ask for.

    Raises:
        CheckpointError: none is named, and none comes with the package.
    """
    from deaot_ros.tracking.tracker import find_weights

    return find_weights(arguments.variant, arguments.weights)


def load_tracker(arguments: argparse.Namespace) -> Tracker:
    """The tracker that the options ask for.

    Raises:
        DeaotError: it cannot be had.
    """
    from deaot_ros.tracking import Tracker

    return Tracker.load(
        arguments.variant,
        arguments.weights,
        device=arguments.device,
        backend=arguments.backend,
        precision=arguments.precision,
        settings=tracker_settings(arguments),
    )
