"""VOT 2020 as its toolkit downloads it: one run from every anchor of every sequence."""

from __future__ import annotations

from pathlib import Path

from deaot_ros.errors import DatasetError

from .encoded_mask import EncodedMask
from .evaluation import EvaluationVideo
from .files import image_size

_DEFAULT_FPS = 30.0


def vot_videos(root: Path, real_time: bool, problems: list[str]) -> list[EvaluationVideo]:
    """The multi-start runs (Kristan et al., VOT2020 challenge results, section 3).

    From an anchor with a positive value the tracker runs to the end of the sequence, from one with
    a negative value to its beginning. A run is named ``SEQUENCE_ANCHOR`` with the anchor's frame
    number from 0, in eight digits.

    Args:
        root: the toolkit's workspace or its folder ``sequences``: ``list.txt`` and folders with
            ``sequence``, ``groundtruth.txt``, ``anchor.value`` and images.
        real_time: give the camera's rate to the runs.
        problems: gets a line for everything that is missing.
    """
    folder = next((f for f in (root / "sequences", root) if (f / "list.txt").is_file()), None)
    if folder is None:
        problems.append(f"no list of sequences, {root / 'sequences' / 'list.txt'}")
        return []
    videos = []
    for name in filter(None, map(str.strip, (folder / "list.txt").read_text().splitlines())):
        try:
            videos += _runs(folder / name, real_time)
        except (DatasetError, OSError, ValueError) as error:
            problems.append(f"{name}: {error}")
    return videos


def sequence_of(run: str) -> str:
    """The sequence that a run belongs to."""
    return run.rpartition("_")[0]


def _runs(folder: Path, real_time: bool) -> list[EvaluationVideo]:
    meta = _properties(folder / "sequence")
    frames = _frames(folder, meta.get("channels.color", "color/%08d.jpg"))
    height, width = image_size(frames[0])
    file = folder / "groundtruth.txt"
    lines = file.read_text().splitlines()
    if len(lines) > len(frames):
        raise DatasetError(f"{file} has {len(lines)} lines for {len(frames)} images")
    lines += ["0"] * (len(frames) - len(lines))
    truth = {
        frame.stem: EncodedMask(file, number, text.strip(), height, width)
        for number, (frame, text) in enumerate(zip(frames, lines), 1)
    }
    for mask in truth.values():
        mask.labels()  # all of them now, not after an hour
    anchors = [float(v) for v in (folder / "anchor.value").read_text().split()]
    starts = [(i, a > 0) for i, a in enumerate(anchors[: len(frames)]) if a]
    if not starts:
        raise DatasetError(f"{folder / 'anchor.value'} marks no frame; every run starts at one")
    fps = float(meta.get("fps") or _DEFAULT_FPS) if real_time else None
    runs = []
    for start, forward in starts:
        part = frames[start:] if forward else frames[start::-1]
        first = part[0].stem
        if not truth[first].labels().any():
            raise DatasetError(f"{file}, line {start + 1}: an anchor, but it shows no object")
        stems = frozenset(f.stem for f in part)
        runs.append(
            EvaluationVideo(
                f"{folder.name}_{start:08d}",
                part,
                {first: truth[first]},
                {stem: truth[stem] for stem in stems},
                stems,
                camera_fps=fps,
                sequence_length=len(frames),
            )
        )
    return runs


def _properties(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    pairs = (line.partition("=") for line in file.read_text().splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _frames(folder: Path, pattern: str) -> tuple[Path, ...]:
    pattern = pattern.replace("\\", "/")
    if not pattern.lower().endswith((".jpg", ".jpeg", ".png")):
        pattern = f"{pattern.rstrip('/')}/%08d.jpg"
    try:
        count = 1
        while (folder / (pattern % count)).is_file():
            count += 1
    except TypeError:
        raise DatasetError(f"{folder / 'sequence'}: {pattern!r} is no pattern of images") from None
    if count == 1:
        raise DatasetError(f"no image {folder / (pattern % 1)}")
    return tuple(folder / (pattern % number) for number in range(1, count))
