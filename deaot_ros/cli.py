"""The command ``deaot``: finds the sub-command, runs it, turns errors into one line."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from deaot_ros.errors import DeaotError


@dataclass(frozen=True, slots=True)
class Command:
    """A sub-command: ``module`` has ``add_arguments(parser)`` and the function ``run``.

    Modules are imported when their command is used, so that help needs neither torch nor ROS.
    """

    module: str
    summary: str
    run: str = "run"


COMMANDS = {
    "track": Command("deaot_ros.commands.track", "track objects through a video, write masks"),
    "demo": Command("deaot_ros.demo.command", "play a clip to the ROS node and score what it says"),
    "train": Command("deaot_ros.commands.train", "train a network on images, videos or scenes"),
    "evaluate": Command("deaot_ros.commands.evaluate", "run benchmarks, score masks (J, F)"),
    "trax": Command("deaot_ros.commands.trax", "track for the VOT toolkit"),
    "export": Command("deaot_ros.commands.export", "write the network as ONNX graphs"),
    "build-engine": Command("deaot_ros.commands.build_engine", "make graphs and engines ready"),
    "benchmark": Command("deaot_ros.commands.benchmark", "measure the speed of the network"),
    "operator": Command("deaot_ros.operator_ui.command", "serve the page to draw and watch on"),
    "soak": Command("deaot_ros.soak.command", "let the ROS node suffer faults, for hours"),
    "doctor": Command("deaot_ros.doctor", "say what this machine can do and what to fix"),
}

USAGE_ERROR = 2
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        self.exit(USAGE_ERROR, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console command.

    Args:
        arguments: without the name of the program; None: those of the process.

    Returns:
        Exit code: 0 done, 2 for what the user can put right, 130 after Ctrl-C, else the
        command's own.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = _overview().parse_args(given[:1]).command
    command = COMMANDS[name]
    # Threads of torch that wait by spinning fight with every other program for the cores; on a busy
    # machine that made frames ten times as slow. To be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    program = f"deaot {name}"
    try:
        module = importlib.import_module(command.module)
        parser = Parser(prog=program, description=module.__doc__)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(parser)
        return int(getattr(module, command.run)(parser.parse_args(given[1:])))
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (DeaotError, OSError) as error:
        print(f"{program}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE_ERROR
    except ImportError as error:
        missing = f"{error}; install it, or run deaot doctor to see what this machine lacks"
        print(f"{program}: error: {missing}", file=sys.stderr)
        return USAGE_ERROR


def _overview() -> Parser:
    listing = "\n".join(f"  {name:12} {command.summary}" for name, command in COMMANDS.items())
    parser = Parser(
        prog="deaot",
        description="Video object segmentation with DeAOT: from one mask to tracked objects.",
        epilog=f"commands:\n{listing}\n\ndeaot COMMAND --help says more about each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    return parser


if __name__ == "__main__":
    sys.exit(main())
