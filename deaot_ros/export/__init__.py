"""The network as ONNX graphs of static shape."""

from deaot_ros.export.graphs import FUNCTIONS, Shapes, exportable
from deaot_ros.export.onnx_files import PRECISIONS, RECIPE, export_graph, export_network

__all__ = [
    "FUNCTIONS",
    "PRECISIONS",
    "RECIPE",
    "Shapes",
    "export_graph",
    "export_network",
    "exportable",
]
