"""Options and course of ``deaot benchmark speed``."""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

from deaot_ros.commands.options import add_network_options, positive

SIZES = {"360p": (360, 640), "480p": (480, 854), "720p": (720, 1280)}


def add_speed_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "--size", default="480p", metavar="LIST",
        help="of the image: 360p, 480p, 720p or HEIGHTxWIDTH (480p)",
    )  # fmt: skip
    parser.add_argument("--objects", default="3", metavar="LIST", help="tracked objects (3)")
    parser.add_argument("--slots", default="1", metavar="LIST", help="full memory slots (1)")
    parser.add_argument("--frames", type=positive, default=10, help="timed frames a case (10)")
    parser.add_argument("--threads", type=positive, help="CPU threads; default: torch's choice")
    parser.add_argument(
        "--against", default="", metavar="COMMAND",
        help="another program that does the same frames in turn; docs/performance.md says how it "
        "is spoken to",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write speed.json, table.md and plots there"
    )
    add_network_options(parser)


def run_speed_benchmark(arguments: argparse.Namespace) -> int:
    """Time every combination of what the lists name, print the table, write the report."""
    import platform

    import torch

    from deaot_ros.evaluation.speed import Case, measure_speed
    from deaot_ros.evaluation.speed_report import table, write_report

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    cases = [
        Case(variant, backend, precision, *size, objects, slots)
        for variant, backend, precision, size, objects, slots in product(
            arguments.variant.split(","), arguments.backend.split(","),
            arguments.precision.split(","), map(_size, arguments.size.split(",")),
            _numbers("--objects", arguments.objects, 254), _numbers("--slots", arguments.slots),
        )
    ]  # fmt: skip
    speeds = []
    for number, case in enumerate(cases, 1):
        print(
            f"{number}/{len(cases)}: {case.variant} {case.backend} {case.precision}, image "
            f"{case.height}x{case.width}, {case.objects} objects, {case.slots} memory frames",
            flush=True,
        )
        speeds.append(measure_speed(
            case, arguments.device, arguments.frames, arguments.max_long_side, arguments.against
        ))  # fmt: skip
    print("\n" + table(speeds))
    if arguments.output:
        about = {
            "frames": arguments.frames, "threads": torch.get_num_threads(),
            "torch": torch.__version__, "machine": platform.machine(), "device": arguments.device,
            "against": arguments.against,
        }  # fmt: skip
        names = write_report(arguments.output, speeds, about)
        print(f"\n{arguments.output}: {', '.join(names)}")
    return 0


def _size(text: str) -> tuple[int, int]:
    from deaot_ros.errors import DeaotError

    height, cross, width = text.partition("x")
    if text in SIZES:
        return SIZES[text]
    if cross and height.isdigit() and width.isdigit() and min(int(height), int(width)) >= 32:
        return int(height), int(width)
    raise DeaotError(
        f"--size is '{text}'; expected {', '.join(SIZES)} or HEIGHTxWIDTH, at least 32x32"
    )


def _numbers(option: str, text: str, limit: int | None = None) -> list[int]:
    from deaot_ros.errors import DeaotError

    numbers = [int(part) if part.isdigit() else 0 for part in text.split(",")]
    if min(numbers) < 1 or (limit is not None and max(numbers) > limit):
        span = "of 1 and above" if limit is None else f"in 1..{limit}"
        raise DeaotError(f"{option} is '{text}'; expected integers {span} with commas between them")
    return numbers
