"""The scenes of the synthetic stage."""

from __future__ import annotations

from dataclasses import replace

from deaot_ros.synthetic import SceneSettings, find_pictures

from .settings import TrainSettings

_SHARED = (
    "photo_share", "cut_out_share", "look_alike", "same_photo", "speed", "thin_plate", "leave",
    "cover",
)


def scene_settings(settings: TrainSettings) -> SceneSettings:
    """The scenes that the settings ask for.

    Raises:
        DeaotError: a folder of pictures is missing or empty.
    """
    drawn = SceneSettings(**{name: getattr(settings, name) for name in _SHARED})
    photographs = find_pictures(settings.photographs)
    return replace(
        drawn,
        objects=(1, settings.most_objects),
        photographs=(*drawn.photographs, *photographs),
        cut_outs=find_pictures(settings.cut_outs),
    )
