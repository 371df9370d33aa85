"""Data sets in their published folder layouts: videos and still images with object masks."""

from .clips import clip_sequences
from .davis import davis_sequences
from .sequence import VideoSequence
from .still_images import StillImage, still_image_sets, still_images
from .youtube_vos import ObjectRecord, YouTubeVosSequence, youtube_vos_sequences

__all__ = [
    "ObjectRecord",
    "StillImage",
    "VideoSequence",
    "YouTubeVosSequence",
    "clip_sequences",
    "davis_sequences",
    "still_image_sets",
    "still_images",
    "youtube_vos_sequences",
]
