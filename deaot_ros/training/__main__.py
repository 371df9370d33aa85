"""``python -m deaot_ros.training``: train a network and write its weights."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import fields
from pathlib import Path

import cv2
import torch

from deaot_ros.errors import DeaotError

from .settings import TrainSettings
from .trainer import Trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every number of `TrainSettings` is an option, besides the files."""
    parser.add_argument("--out", type=Path, required=True, help="folder for state and weights")
    parser.add_argument("--weights", type=Path, help="start from the weights of a stage before")
    parser.add_argument("--encoder-weights", type=Path, help="start from an encoder trained before")
    parser.add_argument("--resume", action="store_true", help="continue from OUT/state.pt")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--save-every", type=float, default=300.0, metavar="SECONDS")
    for item in fields(TrainSettings):
        option = f"--{item.name.replace('_', '-')}"
        if isinstance(item.default, bool):
            parser.add_argument(
                option, action=argparse.BooleanOptionalAction, default=item.default
            )
        else:
            parser.add_argument(option, type=type(item.default), default=item.default)


def train(arguments: argparse.Namespace) -> int:
    """Run the stage that the arguments describe; the exit status of a command."""
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)  # scenes are small; the network needs the cores
    state = arguments.out / "state.pt"
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)  # not after minutes of work
        if arguments.resume:
            trainer = Trainer.resume(state)
        else:
            values = {f.name: getattr(arguments, f.name) for f in fields(TrainSettings)}
            trainer = Trainer(
                TrainSettings(**values), arguments.weights, arguments.encoder_weights
            )
        trainer.run(state, arguments.save_every)
        trainer.export(
            arguments.out / f"{trainer.settings.variant}.safetensors",
            {"training": str(trainer.settings.as_metadata())},
        )
    except (DeaotError, ValueError, OSError, FloatingPointError) as error:
        print(f"training stopped: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Entry point."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(prog="deaot train", description=__doc__)
    add_arguments(parser)
    return train(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
