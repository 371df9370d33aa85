"""Turns a fp32 ONNX model into a typed fp16 or bf16 one: every tensor says what it is.

TensorRT 11 has no other way to ask for half precision, and the older ones choose by themselves
otherwise. Norms, softmax and the normalisation of the image stay in fp32: sums over many values
overflow fp16 or lose too much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from deaot_ros.errors import ExportError

FP32_OPERATORS = ("LayerNormalization", "InstanceNormalization", "Softmax")

FP32_NAMES = ("image", "logits", "mass")
"""Inputs and outputs of graphs that are float32 always."""

_FP16_MAX = 65504.0


def to_precision(model: Any, precision: str) -> Any:
    """Convert a model whose floats are all fp32.

    Args:
        model: onnx.ModelProto with every tensor's type known; it is changed.
        precision: ``fp32`` changes nothing; ``fp16``; ``bf16``, which needs opset 22 for
            convolutions.

    Returns:
        The converted model, without types of inner tensors.

    Raises:
        ExportError: a weight does not fit into fp16.
    """
    if precision == "fp32":
        return model
    return _Converter(model, precision).run()


class _Converter:
    def __init__(self, model: Any, precision: str) -> None:
        import onnx

        self._onnx = onnx
        self._model = model
        self._graph = model.graph
        kinds = onnx.TensorProto
        self._half = {"fp16": kinds.FLOAT16, "bf16": kinds.BFLOAT16}[precision]
        self._full = kinds.FLOAT
        values = (*self._graph.value_info, *self._graph.input, *self._graph.output)
        self._floats = {v.name for v in values if v.type.tensor_type.elem_type == self._full}
        self._floats |= {t.name for t in self._graph.initializer if t.data_type == self._full}

    def run(self) -> Any:
        in_full = self._names_in_full()
        nodes: list[Any] = []
        for node in self._graph.node:
            keep = node.op_type in FP32_OPERATORS or node.output[0] in in_full
            nodes.extend(self._kept(node, in_full) if keep else self._halved(node, in_full))
        for value in self._graph.output:
            if value.name in FP32_NAMES and value.name not in in_full:
                nodes = self._cast_output(nodes, value.name)
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        self._convert_constants(nodes)
        for value in (*self._graph.input, *self._graph.output):
            if value.name in self._floats and value.name not in FP32_NAMES:
                value.type.tensor_type.elem_type = self._half
        del self._graph.value_info[:]
        if self._half == self._onnx.TensorProto.BFLOAT16:
            self._model = self._onnx.version_converter.convert_version(self._model, 22)
        return self._model

    def _names_in_full(self) -> set[str]:
        """The image and what is computed from it before the first convolution."""
        names = {"image"}
        for node in self._graph.node:
            if node.op_type != "Conv" and names.intersection(node.input):
                names.update(node.output)
        return names

    def _kept(self, node: Any, in_full: set[str]) -> Iterator[Any]:
        """A node of fp32 between casts; its constants stay fp32 under a name of their own."""
        for i, name in enumerate(node.input):
            if name in self._floats and name not in in_full:
                node.input[i] = f"{name}_fp32"
                if not self._constant(name, node.input[i]):
                    label = f"{node.output[0]}_in{i}"
                    node.input[i] = label
                    yield self._cast(name, label, self._full)
        outputs = [o for o in node.output if o not in in_full]
        for i, name in enumerate(node.output):
            if name in outputs:
                node.output[i] = f"{name}_fp32"
        yield node
        for name in outputs:
            yield self._cast(f"{name}_fp32", name, self._half)

    def _halved(self, node: Any, in_full: set[str]) -> Iterator[Any]:
        for i, name in enumerate(node.input):
            if name in in_full:
                node.input[i] = f"{node.output[0]}_in{i}"
                yield self._cast(name, node.input[i], self._half)
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == self._full:
                attribute.i = self._half
            elif attribute.HasField("t") and attribute.t.data_type == self._full:
                attribute.t.CopyFrom(self._tensor(attribute.t, attribute.t.name))
        yield node

    def _constant(self, name: str, copy: str) -> bool:
        """Whether ``name`` is an initialiser; then a fp32 ``copy`` of it is there, too."""
        found = [t for t in self._graph.initializer if t.name == name]
        if found and not any(t.name == copy for t in self._graph.initializer):
            self._graph.initializer.add().CopyFrom(found[0])
            self._graph.initializer[-1].name = copy
        return bool(found)

    def _cast_output(self, nodes: list[Any], name: str) -> list[Any]:
        """Give output ``name`` in fp32; whatever else reads it goes on with the half."""
        inner = f"{name}_half"
        for node in nodes:
            for names in (node.input, node.output):
                for i, given in enumerate(names):
                    if given == name:
                        names[i] = inner
        return [*nodes, self._cast(inner, name, self._full)]

    def _convert_constants(self, nodes: Iterable[Any]) -> None:
        used = {name for node in nodes for name in node.input}
        kept = []
        for tensor in self._graph.initializer:
            if tensor.name not in used:
                continue
            float_one = tensor.data_type == self._full and not tensor.name.endswith("_fp32")
            kept.append(self._tensor(tensor, tensor.name) if float_one else tensor)
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)

    def _tensor(self, tensor: Any, name: str) -> Any:
        values = self._onnx.numpy_helper.to_array(tensor)
        finite = np.abs(values[np.isfinite(values)])
        if self._half == self._onnx.TensorProto.FLOAT16 and finite.max(initial=0) > _FP16_MAX:
            raise ExportError(
                f"constant '{name}' reaches {finite.max():g}, beyond fp16's {_FP16_MAX:g}; "
                "use precision bf16 or fp32"
            )
        kind = self._onnx.helper.tensor_dtype_to_np_dtype(self._half)
        return self._onnx.numpy_helper.from_array(values.astype(kind), name)

    def _cast(self, source: str, target: str, kind: int) -> Any:
        return self._onnx.helper.make_node("Cast", [source], [target], name=target, to=kind)
