"""Scenes with exact ground truth: training clips, validation clips and the demo's clip."""

from .clips import Clip, referenced_clip, render_clip, training_clips
from .demo import DEMO_OBJECTS, demo_clip
from .photographs import HELD_BACK, PHOTOGRAPHS, TRAINING
from .pictures import find_pictures
from .random_scene import SceneSettings, random_scene
from .scene import Look, Scene, Sprite

__all__ = [
    "DEMO_OBJECTS",
    "HELD_BACK",
    "PHOTOGRAPHS",
    "TRAINING",
    "Clip",
    "Look",
    "Scene",
    "SceneSettings",
    "Sprite",
    "demo_clip",
    "find_pictures",
    "random_scene",
    "referenced_clip",
    "render_clip",
    "training_clips",
]
