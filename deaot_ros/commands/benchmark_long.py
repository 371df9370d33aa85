"""Options and course of ``deaot benchmark long``."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deaot_ros.commands.options import add_tracker_options, positive
from deaot_ros.commands.progress import Progress

if TYPE_CHECKING:
    from deaot_ros.evaluation.long_run import Frame

ABSENCES = "0.5,1,2,5,10"
ENTRANTS = "reference,fifo:9,ucb:9,similarity:9,log:9,unbounded"


def add_long_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "source", type=Path, nargs="?", metavar="SOURCE",
        help="folder with frames/ and masks/ (at least the first frame's); default: a synthetic "
        "scene with known absences",
    )  # fmt: skip
    parser.add_argument("--frames", type=positive, default=5000, help="length (5000)")
    parser.add_argument(
        "--size", default="161x129", metavar="WxH", help="of the synthetic scene in px (161x129)"
    )
    parser.add_argument("--objects", type=positive, default=3, help="in the synthetic scene (3)")
    parser.add_argument(
        "--object-size", type=float, default=0.36, metavar="PART",
        help="of an object, part of the picture's shorter side (0.36)",
    )  # fmt: skip
    parser.add_argument(
        "--absences", default=ABSENCES, metavar="LIST",
        help=f"s that its objects are out of sight, each as often as the others ({ABSENCES})",
    )  # fmt: skip
    parser.add_argument("--rate", type=float, default=10.0, help="of the camera in Hz (10)")
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic scene (1)")
    parser.add_argument(
        "--entrants", default=ENTRANTS, metavar="LIST",
        help=f"memories as POLICY, POLICY:SLOTS or POLICY:SLOTS:open, which remembers bad frames "
        f"too ({ENTRANTS})",
    )  # fmt: skip
    parser.add_argument("--gap", type=float, default=1.0, help="s between remembered frames (1)")
    parser.add_argument("--lag", type=float, default=0.0, help="s of short-term memory (0)")
    parser.add_argument(
        "--restart", type=float, default=0.0, metavar="SECONDS",
        help="give the true masks anew once an object was lost for so long; 0: never (0)",
    )  # fmt: skip
    parser.add_argument(
        "--anchors", type=float, default=0.0, metavar="SECONDS",
        help="give all of them the true masks anew every so often, lost or not, as the multi-start "
        "protocol of VOT does; 0: never (0)",
    )  # fmt: skip
    parser.add_argument("--threads", type=positive, help="CPU threads; default: torch's choice")
    parser.add_argument(
        "--untrained", action="store_true", help="random weights, for what it costs alone"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("benchmark_long"), metavar="DIR",
        help="for summary.json, table.md, run.npz and pictures (benchmark_long)",
    )  # fmt: skip
    parser.add_argument(
        "--join", type=Path, nargs="+", default=[], metavar="DIR",
        help="report the entrants of earlier runs of the same frames, too; DIR is their --output",
    )  # fmt: skip
    add_tracker_options(parser)


def run_long_benchmark(arguments: argparse.Namespace) -> int:
    """Run, print the table, write the report."""
    import torch

    from deaot_ros.backends import load_backend
    from deaot_ros.commands.options import find_weights, tracker_settings
    from deaot_ros.errors import DeaotError
    from deaot_ros.evaluation.long_files import join_runs, save_run
    from deaot_ros.evaluation.long_measures import summarise
    from deaot_ros.evaluation.long_report import table, write_report
    from deaot_ros.evaluation.long_run import Entrant, run_long
    from deaot_ros.network import build_network, load_checkpoint
    from deaot_ros.tracking.calibration import Calibration, load_calibration, weights_digest

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        entrants = [Entrant.parse(text) for text in arguments.entrants.split(",")]
        if arguments.gap <= 0 or arguments.rate <= 0:
            raise ValueError("--gap and --rate must be above 0")
        if arguments.restart and arguments.anchors:
            raise ValueError("--restart and --anchors exclude each other")
        entrants[0].settings(arguments.gap, arguments.lag)
    except ValueError as error:
        raise DeaotError(f"deaot benchmark long: {error}") from None
    network, calibration, weights = build_network(arguments.variant), Calibration(), "untrained"
    if not arguments.untrained:
        path = find_weights(arguments)
        load_checkpoint(network, path)
        calibration = load_calibration(path)
        weights = f"{path.name}, sha256 {weights_digest(path)[:12]}"
    backend = load_backend(network, arguments.device, arguments.backend, arguments.precision)
    # SIGTERM ends a run in the background as Ctrl-C would: it reports what was done.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Progress(arguments.frames) as progress:
            run = run_long(
                backend, calibration, entrants, _frames(arguments, progress), arguments.rate,
                arguments.gap, arguments.lag, arguments.restart, arguments.anchors,
                tracker_settings(arguments),
            )  # fmt: skip
    except ValueError as error:
        raise DeaotError(str(error)) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    for folder in arguments.join:
        run = join_runs(run, weights, folder)
    summaries = summarise(run)
    print(table(run, summaries))
    scene = (
        f"synthetic scene {arguments.seed}, {arguments.size}, {arguments.objects} objects of "
        f"{arguments.object_size:g} of its shorter side, absences of {arguments.absences} s"
    )
    about = {
        "source": str(arguments.source or scene),
        "variant": arguments.variant, "weights": weights, "device": str(backend.device),
        "precision": backend.precision, "frames": len(run.true_area), "rate": arguments.rate,
        "gap": arguments.gap, "lag": arguments.lag, "restart": arguments.restart,
        "anchors": arguments.anchors,
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    write_report(arguments.output, run, summaries, about)
    save_run(run, weights, arguments.output)
    print(f"\n{arguments.output}: summary.json, table.md, run.npz and pictures")
    return 0


def _frames(arguments: argparse.Namespace, progress: Progress) -> Iterator[Frame]:
    for frame in _folder(arguments) if arguments.source else _synthetic(arguments):
        yield frame
        progress.step()


def _synthetic(arguments: argparse.Namespace) -> Iterator[Frame]:
    from deaot_ros.errors import DeaotError
    from deaot_ros.synthetic.long_scene import long_scene

    width, cross, height = arguments.size.partition("x")
    if not (cross and width.isdigit() and height.isdigit() and min(int(width), int(height)) >= 32):
        raise DeaotError(f"--size is '{arguments.size}'; expected WIDTHxHEIGHT, at least 32x32")
    scene = long_scene(
        arguments.seed, arguments.frames, int(height), int(width), arguments.rate,
        arguments.objects, arguments.object_size, _seconds(arguments.absences),
    )  # fmt: skip
    for number in range(scene.frames):
        yield scene.render(number)


def _seconds(text: str) -> list[float]:
    from deaot_ros.errors import DeaotError

    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(0 < value <= 3600 for value in values):
        raise DeaotError(f"--absences is '{text}'; expected seconds above 0, such as {ABSENCES}")
    return values


def _folder(arguments: argparse.Namespace) -> Iterator[Frame]:
    """Real frames, forwards and backwards in turn until there are enough of them."""
    from deaot_ros.video import VideoError, read_mask
    from deaot_ros.video.folder import list_images, read_image

    images = list_images(arguments.source / "frames")
    masks = {f.stem: f for f in list_images(arguments.source / "masks")}
    if images[0].stem not in masks:
        raise VideoError(
            f"{arguments.source}/masks has no mask of the first frame; expected "
            f"{images[0].stem}.png"
        )
    order = list(range(len(images))) + list(range(len(images) - 2, 0, -1))
    for number in range(arguments.frames):
        file = images[order[number % len(order)]]
        mask = masks.get(file.stem)
        yield read_image(file), None if mask is None else read_mask(mask)
