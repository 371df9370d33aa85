"""ONNX graphs against torch: the same answers, frame by frame and over a whole stream."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from golden import golden_state, vectors

from deaot_ros.cli import main
from deaot_ros.export import FUNCTIONS, RECIPE, Shapes, export_network
from deaot_ros.memory import Candidate, MemorySettings, RollingMemory
from deaot_ros.network import DeAOT, build_network, save_weights
from deaot_ros.network.layer import LayerMemory
from deaot_ros.network.preprocessing import normalise
from deaot_ros.network.variants import Variant

onnx = pytest.importorskip("onnx", reason="NOT CHECKED: the package onnx is not installed")
ort = pytest.importorskip(
    "onnxruntime", reason="NOT CHECKED: the package onnxruntime is not installed"
)

SHAPES = Shapes(97, 129, slots=3, groups=2)
FRAMES = torch.from_numpy(vectors("inputs")["frames_97x129"]).permute(0, 3, 1, 2).float()
MASK = torch.from_numpy(vectors("inputs")["mask_97x129_k3"]).to(torch.int32)
PLAIN_DOMAIN = ("", "ai.onnx")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """Weights of deaot-s, and its graphs by function."""
    folder = tmp_path_factory.mktemp("export")
    network = build_network("deaot-s")
    network.load_state_dict(golden_state(network))
    save_weights(network, folder / "weights.safetensors", {})
    return folder, export_network(network, folder / "weights.safetensors", SHAPES, folder)


class Torch:
    """The network as the graphs have it: names to tensors."""

    def __init__(self, network: DeAOT) -> None:
        self.network = network.requires_grad_(False)

    def encode(self, image: torch.Tensor) -> object:
        return self.network.encode(normalise(image))

    def reference(self, features: object, labels: torch.Tensor) -> list[LayerMemory]:
        return self.network.reference(features, labels)[1]  # type: ignore[arg-type]

    def read(self, features, long, short, bias):  # type: ignore[no-untyped-def]
        found = self.network.propagate(features, long, short, bias, with_mass=True)
        return self.network.decode(features, found.features), found.mass, found.contexts

    def memorise(self, contexts, labels):  # type: ignore[no-untyped-def]
        return self.network.memorise(contexts, labels)


class Graphs:
    """The same by onnxruntime alone."""

    def __init__(self, files: dict[str, Path]) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.sessions = {
            name: ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            for name, path in files.items()
        }

    def call(self, name: str, *arguments: torch.Tensor) -> dict[str, torch.Tensor]:
        session = self.sessions[name]
        inputs = [entry.name for entry in session.get_inputs()]
        outputs = [entry.name for entry in session.get_outputs()]
        feed = {n: np.ascontiguousarray(t.numpy()) for n, t in zip(inputs, arguments, strict=True)}
        return dict(zip(outputs, map(torch.from_numpy, session.run(None, feed))))

    def encode(self, image: torch.Tensor) -> list[torch.Tensor]:
        return list(self.call("encode", image).values())

    def reference(self, features: list[torch.Tensor], labels: torch.Tensor) -> list[LayerMemory]:
        found = list(self.call("reference", features[3], labels).values())
        return [LayerMemory(keys, values) for keys, values in zip(found[::2], found[1::2])]

    def read(self, features, long, short, bias):  # type: ignore[no-untyped-def]
        memory = [t for pair in zip(long, short) for entry in pair for t in entry]
        found = self.call("propagate", *features, bias, *memory)
        return found["logits"], found["mass"], found

    def memorise(self, contexts, labels):  # type: ignore[no-untyped-def]
        names = [entry.name for entry in self.sessions["memorise"].get_inputs()[1:]]
        found = self.call("memorise", labels, *(contexts[name] for name in names))
        return [
            LayerMemory(contexts[f"key_{i}"], values) for i, values in enumerate(found.values())
        ]


class Answer(NamedTuple):
    logits: torch.Tensor
    mass: torch.Tensor
    labels: torch.Tensor


@torch.no_grad()
def stream(
    runner: Torch | Graphs, variant: Variant, images: torch.Tensor, first: torch.Tensor, gap: int
) -> list[Answer]:
    """Answers to all images [N, 3, h, w] but the first, whose labels [G, h, w] are given.

    Each frame is remembered with the labels found in it, every ``gap``-th one for long.
    """
    memory = RollingMemory(
        MemorySettings(policy="fifo", slots=SHAPES.slots, gap_frames=gap, padded=True), variant
    )
    memory.pin(runner.reference(runner.encode(images[:1]), first), 0, 0.0, [1])
    found = []
    for t in range(1, len(images)):
        features = runner.encode(images[t : t + 1])
        long, bias = memory.long_term()
        logits, mass, contexts = runner.read(features, long, memory.short_term(float(t)), bias)
        big = torch.nn.functional.interpolate(
            logits[:, :4], images.shape[-2:], mode="bilinear", align_corners=True
        )
        labels = big.argmax(1).to(torch.int32)
        found.append(Answer(logits, mass, labels))
        entry = runner.memorise(contexts, labels)
        memory.follow(entry, float(t))
        memory.offer(entry, Candidate(t, float(t), frozenset({1})))
    return found


def assert_same_labels(found: list[Answer], expected: list[Answer]) -> None:
    """IoU of background and three objects over the whole stream."""
    ours_all, theirs_all = (torch.stack([a.labels for a in run]) for run in (found, expected))
    for label in range(4):
        ours, theirs = ours_all == label, theirs_all == label
        assert theirs.any()
        assert (ours & theirs).sum() >= 0.999 * (ours | theirs).sum(), label


def test_graphs_answer_like_torch_in_closed_loop(exported: tuple) -> None:
    network = build_network("deaot-s")
    network.load_state_dict(golden_state(network))
    # The second group has the same objects in another order: both must matter.
    first_labels = torch.stack((MASK, torch.where(MASK > 0, 4 - MASK, 0)))
    images = FRAMES[[t % len(FRAMES) for t in range(13)]]
    expected, found = (
        stream(runner, network.variant, images, first_labels, 1)
        for runner in (Torch(network), Graphs(exported[1]))
    )
    first, last = expected[0].logits, expected[-1].logits
    assert (first[0] - first[1]).abs().max() > 0.5 * first.std()  # the groups differ
    assert (last - first).abs().max() > 0.5 * first.std()  # the frames differ
    same = True  # until a pixel that is nearly a tie goes the other way
    for t, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if same:
            torch.testing.assert_close(ours.logits, theirs.logits, atol=3e-4, rtol=0)
            torch.testing.assert_close(ours.mass, theirs.mass, atol=1e-5, rtol=0)
        same = same and torch.equal(ours.labels, theirs.labels)
        assert same or t >= 2, "labels differ where rounding cannot have added up"
    assert_same_labels(found, expected)


def test_graphs_say_where_they_come_from(exported: tuple) -> None:
    folder, files = exported
    assert tuple(files) == FUNCTIONS
    for name, path in files.items():
        model = onnx.load(path)
        assert {entry.key: entry.value for entry in model.metadata_props} == {
            "variant": "deaot-s", "function": name, "precision": "fp32", "recipe": str(RECIPE),
            "height": "97", "width": "129", "slots": "3", "groups": "2",
            "weights_sha256": hashlib.sha256(
                (folder / "weights.safetensors").read_bytes()
            ).hexdigest(),
        }  # fmt: skip


def test_graphs_are_plain_and_static(exported: tuple) -> None:
    for path in exported[1].values():
        model = onnx.load(path, load_external_data=False)
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
        assert {node.domain for node in model.graph.node} <= set(PLAIN_DOMAIN)
        assert not model.functions
        for value in (*model.graph.input, *model.graph.output):
            assert all(d.dim_value > 0 for d in value.type.tensor_type.shape.dim), value.name
        assert all(t.data_location == onnx.TensorProto.DEFAULT for t in model.graph.initializer)


def test_command_writes_files_for_the_network_size(tmp_path: Path, capsys) -> None:
    network = build_network("deaot-t")
    save_weights(network, tmp_path / "w.safetensors", {})
    arguments = [
        "export", str(tmp_path / "out"), "--weights", str(tmp_path / "w.safetensors"),
        "--height", "100", "--width", "130", "--slots", "2",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "network input 97x129, 2 memory frames, 1 groups" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"deaot-t_97x129_s2_g1_fp32.{name}.onnx" for name in FUNCTIONS
    )
    image = ort.InferenceSession(
        tmp_path / "out" / "deaot-t_97x129_s2_g1_fp32.encode.onnx",
        providers=["CPUExecutionProvider"],
    ).get_inputs()[0]
    assert image.shape == [1, 3, 97, 129]
