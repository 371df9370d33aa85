"""DeAOT and AOT as torch modules: pure functions of tensors, no state between frames."""

from deaot_ros.network.checkpoint import load_checkpoint, save_weights, shipped_weights
from deaot_ros.network.model import DeAOT, build_network
from deaot_ros.network.variants import ABLATIONS, VARIANTS, Variant, get_variant

__all__ = [
    "ABLATIONS",
    "VARIANTS",
    "DeAOT",
    "Variant",
    "build_network",
    "get_variant",
    "load_checkpoint",
    "save_weights",
    "shipped_weights",
]
