"""Every backend answers like eager torch in fp32, and what cannot be had is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from deaot_ros.backends import BACKENDS, TorchBackend, load_backend
from deaot_ros.backends.artifacts import Artifacts
from deaot_ros.backends.graph_backend import GraphBackend
from deaot_ros.backends.graph_files import GraphFiles
from deaot_ros.backends.onnxruntime_graphs import OnnxRuntimeGraphs
from deaot_ros.backends.switching import SwitchingBackend
from deaot_ros.backends.torch_graphs import TorchGraphs
from deaot_ros.errors import DeviceError
from deaot_ros.export import Shapes
from deaot_ros.memory import MemorySettings
from deaot_ros.network import build_network, load_checkpoint, shipped_weights
from deaot_ros.synthetic.demo import demo_clip
from deaot_ros.tracking import Tracker, TrackerSettings

pytest.importorskip("onnx", reason="NOT CHECKED: the package onnx is not installed")
pytest.importorskip("onnxruntime", reason="NOT CHECKED: the package onnxruntime is not installed")

FRAMES = 101
SETTINGS = TrackerSettings(memory=MemorySettings(policy="fifo", slots=4, gap_frames=5))


@pytest.fixture(scope="module")
def clip() -> list[tuple[np.ndarray, np.ndarray]]:
    scene = demo_clip(97, 129, seconds=FRAMES / 30)
    return [scene.render(t) for t in range(FRAMES)]


def play(backend: str, cache: Path, clip: list, precision: str = "fp32") -> np.ndarray:
    """Labels of the clip, in whose course one object is removed."""
    torch.set_num_threads(1)
    network = build_network("deaot-t")
    weights = shipped_weights("deaot-t")
    assert weights is not None
    load_checkpoint(network, weights)
    tracker = Tracker(load_backend(network, "cpu", backend, precision, cache), SETTINGS)
    assert (tracker.backend, tracker.precision) == (backend, precision)
    labels = [tracker.start(*clip[0]).labels]
    for number, (image, _) in enumerate(clip[1:], 1):
        if number == 40:
            tracker.remove(2)
        labels.append(tracker.step(image).labels)
    return np.stack(labels)


def overlaps(found: np.ndarray, expected: np.ndarray) -> dict[int, float]:
    """IoU of each label over the whole stream."""
    return {
        int(label): float(
            ((found == label) & (expected == label)).sum()
            / ((found == label) | (expected == label)).sum()
        )
        for label in np.unique(expected)
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def eager(clip: list, cache: Path) -> np.ndarray:
    return play("torch", cache, clip)


def test_onnxruntime_tracks_a_hundred_frames_like_torch(
    clip: list, cache: Path, eager: np.ndarray
) -> None:
    found = overlaps(play("onnxruntime", cache, clip), eager)
    assert set(found) == {0, 1, 2, 3}
    assert min(found.values()) >= 0.999, found


def test_fp16_graphs_track_a_hundred_frames_like_torch_in_fp32(
    clip: list, cache: Path, eager: np.ndarray
) -> None:
    found = overlaps(play("onnxruntime", cache, clip, "fp16"), eager)
    assert set(found) == {0, 1, 2, 3}
    assert min(found.values()) >= 0.99, found


def test_groups_of_ten_and_objects_that_come_later(clip: list, cache: Path) -> None:
    """Eleven objects are two groups; before that there is one, whose memory is read on."""
    mask = np.zeros((97, 129), np.uint8)
    for i in range(10):
        mask[20 * (i // 5) : 20 * (i // 5) + 12, 24 * (i % 5) : 24 * (i % 5) + 16] = i + 1
    more = np.zeros_like(mask)
    more[60:90, 30:90] = 11
    answers = []
    for backend in ("torch", "onnxruntime"):
        torch.manual_seed(0)
        runner = load_backend(build_network("deaot-t"), "cpu", backend, "fp32", cache)
        tracker = Tracker(runner, SETTINGS)
        tracker.start(clip[0][0], mask)
        tracker.step(clip[1][0])
        tracker.add(more)
        answers.append([tracker.step(image).labels for image, _ in clip[2:5]])
    for ours, theirs in zip(*answers, strict=True):
        assert (ours == theirs).mean() >= 0.999


def test_graphs_are_exported_once_and_damage_is_repaired(
    tmp_path: Path, clip: list, eager: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path
    play("onnxruntime", cache, clip[:3])
    files = {path: path.stat().st_mtime_ns for path in (cache / "graphs").glob("*.onnx")}
    assert files
    play("onnxruntime", cache, clip[:3])
    assert files == {p: p.stat().st_mtime_ns for p in (cache / "graphs").glob("*.onnx")}
    victim = next(path for path in files if "_encode_" in path.name)
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    with caplog.at_level("WARNING"):
        labels = play("onnxruntime", cache, clip[:3])
    assert "it is damaged" in caplog.text
    assert (labels == eager[:3]).mean() >= 0.999
    assert victim.stat().st_size == len(whole)


def test_artifacts_of_another_key_are_left_out_of_account(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = {"gpu": "A", "recipe": 1}
    artifacts = Artifacts(tmp_path / "cache")
    assert artifacts.find("x", "plan", key) is None
    path = artifacts.put("x", "plan", key, b"content")
    assert artifacts.find("x", "plan", key) == path
    assert artifacts.find("x", "plan", {**key, "recipe": 2}) is None
    note = path.with_name(f"{path.name}.json")
    said = json.loads(note.read_text())
    assert (said["key"], said["bytes"]) == (key, 7)
    for broken, reason in (
        (json.dumps({**said, "key": {**key, "gpu": "B"}}), "belongs to something else"),
        ('{"key": ', "cannot be read"),
        ("[]", "cannot be read"),
    ):
        note.write_text(broken)
        caplog.clear()
        assert artifacts.find("x", "plan", key) is None
        assert reason in caplog.text
    note.unlink()
    assert artifacts.find("x", "plan", key) is None
    assert artifacts.put("x", "plan", key, b"again") == path
    assert artifacts.find("x", "plan", key) == path
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name, note.name]


def test_compiled_functions_answer_like_torch(clip: list) -> None:
    """The functions that torch compiles, traced whole; kernels stay eager: no C++ compiler."""
    answers = []
    torch._dynamo.reset()
    for compiled in (False, True):
        torch.manual_seed(0)
        network = build_network("deaot-t")
        runner = TorchBackend(network, torch.device("cpu"), "fp32")
        if compiled:
            graphs = TorchGraphs(network, torch.device("cpu"), "fp32", compiler="eager")
            runner = GraphBackend(graphs)
            assert runner.name == "torch-compile"
        tracker = Tracker(runner, SETTINGS)
        tracker.start(*clip[0])
        answers.append([tracker.step(image).labels for image, _ in clip[1:4]])
    for ours, theirs in zip(*answers, strict=True):
        assert (ours == theirs).mean() >= 0.999


def test_torch_until_graphs_are_adopted_and_no_track_is_lost(
    clip: list, cache: Path, eager: np.ndarray
) -> None:
    network = build_network("deaot-t")
    weights = shipped_weights("deaot-t")
    assert weights is not None
    load_checkpoint(network, weights)
    runner = load_backend(network, "cpu", "onnxruntime", "fp32", cache, in_background=True)
    assert isinstance(runner, SwitchingBackend)
    assert (runner.name, runner.target, runner.wanted) == ("torch", "onnxruntime", None)
    tracker = Tracker(runner, SETTINGS)
    labels = [tracker.start(*clip[0]).labels]
    names = []
    for number, (image, _) in enumerate(clip[1:38], 1):
        labels.append(tracker.step(image).labels)
        names.append(tracker.backend)
        if number == 5:
            assert runner.wanted == Shapes(97, 129, slots=4)
            runner.adopt(runner.wanted)
    assert tracker.session == 1
    found = overlaps(np.stack(labels), eager[: len(labels)])
    assert min(found.values()) >= 0.999, found
    assert names[:5] == ["torch"] * 5
    assert set(names[5:]) == {"onnxruntime"}, "memory grows from one slot to four meanwhile"


def test_graphs_that_answer_otherwise_are_not_adopted(cache: Path) -> None:
    torch.manual_seed(1)
    eager = TorchBackend(build_network("deaot-t"), torch.device("cpu"), "fp32")
    torch.manual_seed(2)
    files = GraphFiles(build_network("deaot-t"), "fp32", cache)
    graphs = GraphBackend(OnnxRuntimeGraphs(files, torch.device("cpu")))
    runner = SwitchingBackend(eager, graphs, "asked for")
    shapes = Shapes(97, 129, 1)
    with pytest.raises(DeviceError, match="answers unlike torch"):
        runner.adopt(shapes)
    assert not runner.adopted(shapes)


@pytest.mark.parametrize(
    ("backend", "precision", "said"),
    [
        ("torch-graph", "fp32", "cannot run on cpu"),
        ("torch-compile", "fp16", "fp16 needs a CUDA device"),
        ("onnxruntime", "bf16", "no bf16 convolutions"),
        ("tensorrt", "fp32", "deaot build-engine builds for a GPU that is elsewhere"),
        ("cudnn", "fp32", "unknown backend 'cudnn'; expected one of auto, torch,"),
    ],
)
def test_what_cannot_be_had_is_an_error(backend: str, precision: str, said: str) -> None:
    with pytest.raises(DeviceError, match=said):
        load_backend(build_network("deaot-t"), "cpu", backend, precision)


def test_what_runs_and_why_is_said() -> None:
    network = build_network("deaot-t")
    backend = load_backend(network, "cpu", "auto", "auto")
    assert backend.name in BACKENDS
    assert backend.reason.startswith("auto: ")
    assert load_backend(network, "cpu", "torch", "auto").reason == "asked for"


def test_a_provider_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    files = GraphFiles(build_network("deaot-t"), "fp32", tmp_path)
    with pytest.raises(DeviceError, match="has no CUDAExecutionProvider"):
        OnnxRuntimeGraphs(files, torch.device("cuda"))
