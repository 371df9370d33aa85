"""Track the objects of a first mask through a video and write a mask for every frame.

SOURCE is a folder of images, a video file, camera:N or a ROS 2 bag. MASK is an indexed or grey PNG
of the first frame's size, pixel = object id; where 255 is the only other value than 0 it means
object 1. Writes OUTPUT/masks/STEM.png (indexed, DAVIS palette, pixel = object id; 16-bit grey
where ids go beyond 254) and OUTPUT/objects.jsonl (a line per frame: boxes, states, scores).
Of a bag it also makes one, OUTPUT/bag: /deaot/mask and /deaot/objects with the headers and times
of the images.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from deaot_ros.commands.options import add_tracker_options, load_tracker
from deaot_ros.commands.progress import Progress

if TYPE_CHECKING:
    from deaot_ros.video import Source
    from deaot_ros.video.bag_results import BagResults


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("source", metavar="SOURCE", help="folder, video file, camera:N or bag")
    parser.add_argument("--mask", required=True, metavar="MASK", help="first frame's mask (PNG)")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="results")
    parser.add_argument("--topic", help="image topic of a bag")
    parser.add_argument(
        "--bag-storage",
        choices=("sqlite3", "mcap"),
        help="of the bag that is written; default: as the one that is read",
    )
    parser.add_argument("--overlay", action="store_true", help="also write OUTPUT/overlay.mp4")
    add_tracker_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Track; Ctrl-C ends it early with everything so far written."""
    from deaot_ros.video import ResultWriter, VideoError, open_source, read_ahead, read_mask
    from deaot_ros.video.sources import is_bag

    source = open_source(arguments.source, arguments.topic)
    of_bag = is_bag(Path(arguments.source).expanduser())
    if arguments.bag_storage and not of_bag:
        raise VideoError(f"--bag-storage is for bags, but {arguments.source} is none; leave it out")
    mask = read_mask(arguments.mask)
    with closing(read_ahead(source, depth=1 if source.live else 4)) as frames:
        first = next(frames, None)
        if first is None:
            raise VideoError(f"{arguments.source} has no frames")
        from deaot_ros.tracking.checks import check_mask

        check_mask(mask, first.image.shape[:2])  # before weights are loaded
        tracker = load_tracker(arguments)
        result = tracker.start(first.image, mask, first.stamp)
        interrupted = False
        bag = _bag_results(arguments, source) if of_bag else None
        with (
            ResultWriter(arguments.output, source.fps, arguments.overlay, bag) as writer,
            Progress(source.count) as progress,
        ):
            try:
                writer.put(first, result)
                progress.step()
                for frame in frames:
                    writer.put(frame, tracker.step(frame.image, frame.stamp))
                    progress.step()
            except KeyboardInterrupt:
                interrupted = True
            done, seconds = progress.done, progress.seconds
    ids = ", ".join(str(i) for i in tracker.object_ids)
    rate = f" ({(done - 1) / seconds:.1f} per second)" if done > 1 else ""
    print(f"{done} frames in {seconds:.1f} s{rate}, objects {ids}: {arguments.output / 'masks'}")
    if interrupted and not source.live:
        print("deaot track: interrupted: later frames have no masks", file=sys.stderr)
        return 130
    return 0


def _bag_results(arguments: argparse.Namespace, source: Source) -> BagResults:
    from deaot_ros.video.bag import BagSource
    from deaot_ros.video.bag_results import BagResults

    assert isinstance(source, BagSource)
    return BagResults(arguments.output / "bag", arguments.bag_storage or source.storage)
