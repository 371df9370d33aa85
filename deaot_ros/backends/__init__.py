"""How the network runs on a machine."""

from deaot_ros.backends.choice import BACKENDS, PRECISIONS, load_backend
from deaot_ros.backends.protocol import Backend
from deaot_ros.backends.switching import SwitchingBackend
from deaot_ros.backends.torch_backend import TorchBackend

__all__ = [
    "BACKENDS",
    "PRECISIONS",
    "Backend",
    "SwitchingBackend",
    "TorchBackend",
    "load_backend",
]
