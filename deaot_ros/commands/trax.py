"""Track for the VOT toolkit: answer its requests on standard input and output (TraX).

This is what a trackers.ini names; docs/evaluation.md has one. It needs the package vot-trax.
"""

from __future__ import annotations

import argparse

from deaot_ros.commands.options import add_tracker_options, find_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument(
        "--memory", choices=("published", "bounded"), default="published",
        help="the paper's (default) or this package's",
    )  # fmt: skip
    add_tracker_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve one client."""
    from deaot_ros.commands.options import tracker_settings
    from deaot_ros.evaluation.set_run import RunSettings
    from deaot_ros.evaluation.trax_session import serve

    settings = RunSettings(
        benchmark="trax",
        variant=arguments.variant,
        weights=str(find_weights(arguments)),
        weights_sha256="",
        resolution="",
        fps=0,
        scales=(1.0,),
        flip=False,
        memory=arguments.memory,
        max_long_side=tracker_settings(arguments).max_long_side,
        precision=arguments.precision,
        backend=arguments.backend,
    )
    serve(settings.load(arguments.device), arguments.variant)
    return 0
