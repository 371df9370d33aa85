"""How the network runs on a machine."""

from deaot_ros.backends.torch_backend import BACKENDS, PRECISIONS, TorchBackend, load_backend

__all__ = ["BACKENDS", "PRECISIONS", "TorchBackend", "load_backend"]
