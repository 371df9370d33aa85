"""Link the pictures that the default weights were trained on into two folders.

They come from Debian 12's packages; ``docs/training.md`` names them and their licences. Another
release may hold other files; what is missing is said.

    python tools/training_pictures.py data/pictures
    deaot train --photographs data/pictures/photographs --cut-outs data/pictures/cut_outs ...
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

_SHARE = Path("/usr/share")
_PHOTOGRAPHS = Path(__file__).with_name("training_photographs.txt")
_STAMPS = _SHARE / "tuxpaint/stamps"
_CLIP_ART = _SHARE / "openclipart/png"
_CLIP_ART_COUNT = 1500
_SEED = 1


def photographs() -> list[Path]:
    """The listed files: photographs, renderings and textures, chosen by eye."""
    return [_SHARE / line for line in _PHOTOGRAPHS.read_text().splitlines()]


def cut_outs() -> list[Path]:
    """Stamps that show things, and a random part of the clip art."""
    stamps = [f for f in sorted(_STAMPS.rglob("*.png")) if "symbols" not in f.parts]
    art = sorted(_CLIP_ART.rglob("*.png"))
    random.Random(_SEED).shuffle(art)
    return stamps + sorted(art[:_CLIP_ART_COUNT])


def link(files: list[Path], folder: Path) -> int:
    """Link files under numbered names; gives how many are there."""
    folder.mkdir(parents=True, exist_ok=True)
    present = [f for f in files if f.is_file()]
    for number, file in enumerate(present):
        name = folder / f"{number:04d}{file.suffix.lower()}"
        name.unlink(missing_ok=True)
        name.symlink_to(file)
    return len(present)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for photographs/ and cut_outs/")
    out = parser.parse_args().out
    complete = True
    for name, files, expected in (
        ("photographs", photographs(), len(photographs())),
        ("cut_outs", cut_outs(), _CLIP_ART_COUNT),
    ):
        count = link(files, out / name)
        complete &= count >= expected
        print(f"{out / name}: {count} pictures")
    if not complete:
        print("Install the packages that docs/training.md names.", file=sys.stderr)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
