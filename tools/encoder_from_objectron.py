"""Make encoder weights for training: the MobileNet-V2 of Google's object detector.

The detector was trained on Open Images and is part of the npm package ``@mediapipe/objectron``
(Apache-2.0).

    npm pack @mediapipe/objectron@0.4.1675468480
    pip install tflite==2.18.0
    python tools/encoder_from_objectron.py mediapipe-objectron-*.tgz encoder.safetensors
    deaot train --encoder-weights encoder.safetensors ...

The detector is a TensorFlow Lite model with batch norm folded into half-precision weights and an
input of -1..1. The encoder computes the same: its constant norms carry the biases, and its first
convolution is rescaled to the ImageNet mean and deviation.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
from collections.abc import Iterator

import numpy as np
import tflite
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from deaot_ros.network.batch_norm import EPSILON, BatchNorm
from deaot_ros.network.encoders.mobilenet_v2 import MobileNetV2

_ASSETS = "package/objectron_solution_packed_assets.data"
_MODEL_START = 184  # behind the label map; objectron_solution_packed_assets_loader.js says so
_MEAN = torch.tensor([0.485, 0.456, 0.406])
_STD = torch.tensor([0.229, 0.224, 0.225])


def read_model(package: str) -> tflite.Model:
    """The detector inside the npm package."""
    with tarfile.open(package) as archive:
        assets = archive.extractfile(_ASSETS)
        if assets is None:
            raise FileNotFoundError(f"{package} has no {_ASSETS}")
        return tflite.Model.GetRootAsModel(assets.read()[_MODEL_START:], 0)


def convolutions(model: tflite.Model) -> Iterator[tuple[Tensor, Tensor]]:
    """Kernel [out, in, k, k] and bias [out] of every convolution, in the order of running."""
    graph = model.Subgraphs(0)
    half_precision: dict[int, int] = {}
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        inputs = [int(index) for index in operator.InputsAsNumpy()]
        code = model.OperatorCodes(operator.OpcodeIndex())
        kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if kind == tflite.BuiltinOperator.DEQUANTIZE:
            half_precision[int(operator.OutputsAsNumpy()[0])] = inputs[0]
        elif kind in (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D):
            kernel, bias = (_values(model, half_precision[index]) for index in inputs[1:3])
            depthwise = kind == tflite.BuiltinOperator.DEPTHWISE_CONV_2D
            yield kernel.permute((3, 0, 1, 2) if depthwise else (0, 3, 1, 2)), bias


def _values(model: tflite.Model, index: int) -> Tensor:
    tensor = model.Subgraphs(0).Tensors(index)
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy()
    return torch.from_numpy(raw.view(np.float16).reshape(tensor.ShapeAsNumpy()).astype(np.float32))


@torch.no_grad()
def fill(encoder: MobileNetV2, found: Iterator[tuple[Tensor, Tensor]]) -> None:
    """Copy the detector's weights; its own heads, which have other shapes, are skipped."""
    layers = [m for m in encoder.modules() if isinstance(m, nn.Conv2d | BatchNorm)]
    for number, (convolution, norm) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
        kernel, bias = next(pair for pair in found if pair[0].shape == convolution.weight.shape)
        if number == 0:  # from (x - mean) / std to 2 x - 1
            bias = bias + (kernel * (2 * _MEAN - 1).view(3, 1, 1)).sum((1, 2, 3))
            kernel = kernel * (2 * _STD).view(3, 1, 1)
        convolution.weight.copy_(kernel)
        norm.bias.copy_(bias)
        norm.running_var.fill_(1 - EPSILON)  # with weight 1 and mean 0: only the bias remains


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", help="the .tgz file of npm pack")
    parser.add_argument("output", help="the .safetensors file to write")
    arguments = parser.parse_args()
    encoder = MobileNetV2()
    fill(encoder, convolutions(read_model(arguments.package)))
    save_file({k: v.contiguous() for k, v in encoder.state_dict().items()}, arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
