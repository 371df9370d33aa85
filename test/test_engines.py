"""TensorRT engines are built for real, by TensorRT for RTX and without a GPU; nothing is run."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from deaot_ros.backends import engine_builder
from deaot_ros.backends.engine_builder import build_engine
from deaot_ros.backends.engine_files import EngineFiles, Target
from deaot_ros.backends.graph_files import GraphFiles
from deaot_ros.backends.tensorrt_library import HOW_TO_GET, Library, find_library
from deaot_ros.cli import main
from deaot_ros.errors import DeviceError, ExportError
from deaot_ros.export import FUNCTIONS, Shapes
from deaot_ros.network import build_network, save_weights

pytest.importorskip("onnx", reason="NOT CHECKED: the package onnx is not installed")

SHAPES = Shapes(97, 129, slots=2)
MODERN = [(8, 0), (8, 6), (8, 9), (12, 0)]
TURING = [(7, 5)]


@pytest.fixture(scope="module")
def library() -> Library:
    try:
        found = find_library()
    except DeviceError as error:
        pytest.skip(f"NOT CHECKED, no engine was built: {error} (make tensorrt-rtx installs it)")
    if not found.rtx:
        pytest.skip(f"NOT CHECKED: {found.name} builds for the GPU that is there only")
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def graphs(folder: Path, precision: str) -> GraphFiles:
    torch.manual_seed(0)
    return GraphFiles(build_network("deaot-t"), precision, folder)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("precision", "capabilities"),
    [("fp32", MODERN), ("fp16", MODERN), ("bf16", MODERN), ("fp16", TURING)],
)
def test_every_graph_builds(
    library: Library, folder: Path, function: str, precision: str, capabilities: list
) -> None:
    graph = graphs(folder, precision).get(function, SHAPES).read_bytes()
    built = build_engine(library, graph, precision, capabilities, what=function)
    assert len(built.engine) > len(graph) / 3


def test_what_a_gpu_cannot_do_is_an_error_with_the_reason(library: Library, folder: Path) -> None:
    graph = graphs(folder, "fp32").get("memorise", SHAPES).read_bytes()
    with pytest.raises(ExportError, match=r"cannot build memorise: .*FP32 GEMM is not supported"):
        build_engine(library, graph, "fp32", TURING, what="memorise")
    with pytest.raises(ExportError, match="cannot read nonsense"):
        build_engine(library, b"not a graph", "fp32", MODERN, what="nonsense")
    with pytest.raises(DeviceError, match="does not know sm_11"):
        build_engine(library, graph, "fp32", [(1, 1)])


def test_a_long_build_gives_signs_of_life(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(engine_builder, "PROGRESS_PERIOD", 0.005)
    graph = graphs(folder, "fp32").get("memorise", SHAPES).read_bytes()
    with caplog.at_level(logging.INFO, logger=engine_builder.logger.name):
        build_engine(library, graph, "fp32", [(8, 6)], what="memorise")
    assert "building memorise: 0 s" in caplog.text


def test_engines_are_kept_and_remade_when_they_do_not_fit(
    library: Library, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def files(target: Target, version: str = "") -> EngineFiles:
        named = Library(library.module, True, library.name + version)
        return EngineFiles(graphs(folder, "fp16"), named, target, folder)

    ampere = files(Target((8, 6)))
    assert ampere.find("memorise", SHAPES) is None
    path = ampere.get("memorise", SHAPES)
    first = path.stat().st_mtime_ns
    note = json.loads(path.with_name(f"{path.name}.json").read_text())
    assert set(note["key"]) >= {
        "graph_sha256", "library", "gpu", "capability", "cuda", "precision", "recipe",
        "height", "width", "slots", "groups", "function",
    }  # fmt: skip
    # The same for another process, and for slots that memorise does not depend on.
    assert files(Target((8, 6))).get("memorise", Shapes(97, 129, slots=9)) == path
    assert path.stat().st_mtime_ns == first
    for other in (
        files(Target((8, 9))),
        files(Target((8, 6), "NVIDIA A40")),
        files(Target((8, 6)), " of another day"),
    ):
        assert other.find("memorise", SHAPES) is None
    assert ampere.find("memorise", Shapes(97, 129, slots=2, groups=2)) is None

    path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        assert ampere.get("memorise", SHAPES) == path
    assert "it is damaged" in caplog.text
    assert ampere.find("memorise", SHAPES) == path
    assert not list(folder.glob("engines/.*"))  # no temporary file is left


def test_command_builds_for_a_gpu_that_is_not_here(
    library: Library, tmp_path: Path, capsys
) -> None:
    torch.manual_seed(0)
    save_weights(build_network("deaot-t"), tmp_path / "w.safetensors", {})
    arguments = [
        "build-engine", "--weights", str(tmp_path / "w.safetensors"), "--height", "65", "--width",
        "65", "--slots", "1", "--capability", "sm_86", "--cache", str(tmp_path / "cache"),
    ]  # fmt: skip
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "network input 65x65, up to 1 memory frames" in said
    plans = sorted((tmp_path / "cache" / "engines").glob("*.plan"))
    assert len(plans) == len(FUNCTIONS)
    assert all(str(plan) in said for plan in plans)


def test_command_without_gpu_or_capability(
    library: Library, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    torch.manual_seed(0)
    save_weights(build_network("deaot-t"), tmp_path / "w.safetensors", {})
    weights = ["--weights", str(tmp_path / "w.safetensors"), "--cache", str(tmp_path)]
    assert main(["build-engine", *weights]) == 2
    assert "give --capability sm_86" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["build-engine", *weights, "--capability", "ampere"])
    assert "no compute capability such as sm_86" in capsys.readouterr().err


def test_without_any_tensorrt_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    real = importlib.import_module

    def absent(name: str, *rest: str) -> object:
        if "tensorrt" in name:
            raise ImportError(f"No module named '{name}'")
        return real(name, *rest)

    monkeypatch.setattr("deaot_ros.backends.tensorrt_library.importlib.import_module", absent)
    find_library.cache_clear()
    try:
        with pytest.raises(DeviceError, match="there is no TensorRT here") as failure:
            find_library()
        assert HOW_TO_GET in str(failure.value)
    finally:
        find_library.cache_clear()
