"""A folder of clips, for users' own data: ``NAME/frames/*.jpg`` and ``NAME/masks/*.png``."""

from __future__ import annotations

from pathlib import Path

from deaot_ros.errors import DatasetError

from .files import list_files, list_folders
from .sequence import VideoSequence, pair_masks


def clip_sequences(root: str | Path) -> tuple[VideoSequence, ...]:
    """The clips below a folder, sorted by name.

    Args:
        root: holds a folder per clip with ``frames`` and ``masks`` in it, or is such a folder.
            A mask has the stem of its frame; frames may lack masks.

    Raises:
        DatasetError: there is no clip, or one without frames or masks.
    """
    root = Path(root).expanduser()
    if (root / "frames").is_dir():
        return (_sequence(root),)
    found = tuple(f for f in list_folders(root) if (f / "frames").is_dir())
    if not found:
        raise DatasetError(
            f"no clips in {root}; expected NAME/frames/*.jpg and NAME/masks/*.png, or frames/ and "
            "masks/ at once"
        )
    return tuple(map(_sequence, found))


def _sequence(folder: Path) -> VideoSequence:
    frames = list_files(folder / "frames")
    if not (folder / "masks").is_dir():
        raise DatasetError(f"clip {folder} has no folder masks; expected one PNG per mask in it")
    masks = {m.stem: m for m in list_files(folder / "masks")}
    return VideoSequence(folder.name, frames, pair_masks(folder.name, frames, masks))
