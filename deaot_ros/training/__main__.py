"""``python -m deaot_ros.training`` is ``deaot train``: a module for torchrun to start."""

import sys

from deaot_ros.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
