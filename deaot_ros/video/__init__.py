"""Frames from folders, video files, cameras and bags; masks, tables and overlays back to files."""

from deaot_ros.video.ahead import read_ahead
from deaot_ros.video.frame import Frame, Source, VideoError
from deaot_ros.video.masks import read_mask, write_mask
from deaot_ros.video.results import ResultWriter
from deaot_ros.video.sources import open_source

__all__ = [
    "Frame",
    "ResultWriter",
    "Source",
    "VideoError",
    "open_source",
    "read_ahead",
    "read_mask",
    "write_mask",
]
