"""What happens to the cache of graphs and engines."""

from __future__ import annotations

import hashlib
import json
import logging
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from bench import NODE, Bench

pytest.importorskip("onnx", reason="NOT CHECKED: the package onnx is not installed")
pytest.importorskip("onnxruntime", reason="NOT CHECKED: the package onnxruntime is not installed")

from deaot_ros.backends.engine_files import EngineFiles, Target
from deaot_ros.backends.graph_files import GraphFiles
from deaot_ros.backends.tensorrt_library import find_library
from deaot_ros.demo.environment import child_environment
from deaot_ros.errors import DeviceError
from deaot_ros.export import Shapes
from deaot_ros.network import build_network
from deaot_ros.soak.scene import SIZE

ADOPTED = "onnxruntime runs from now on"

fault = partial(pytest.mark.fault, "system")


def build(folder: Path, most_bytes: int = -1) -> subprocess.CompletedProcess[str]:
    """What the node starts to make graphs; files may have ``most_bytes``, -1: any number."""
    command = [
        sys.executable, "-m", "deaot_ros.cli", "build-engine", "--backend", "onnxruntime",
        "--device", "cpu", "--weights", str(NODE["weights"]), "--height", str(SIZE[0]),
        "--width", str(SIZE[1]), "--slots", "1", "--groups", "1", "--cache", str(folder),
    ]  # fmt: skip
    limit = (most_bytes, most_bytes)
    return subprocess.run(
        command, check=False, timeout=120, capture_output=True, text=True,
        env={**child_environment(), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with all graphs of the scene's size."""
    folder = tmp_path_factory.mktemp("cache")
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def cache(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "cache"))


def start(make_bench: Callable[..., Bench], cache: Path) -> Bench:
    """A node that uses this cache."""
    bench = make_bench(backend="onnxruntime", memory__slots=1, engine_cache_dir=cache)
    bench.robot.meet()
    bench.mark()
    bench.session = bench.newest().session
    return bench


def adopt(bench: Bench) -> None:
    """Track by torch until the graphs are there, then by them."""
    while bench.robot.status.backend != "onnxruntime":
        bench.follow()
        assert len(bench.truth) < 2000, bench.process.output
    bench.recover()
    bench.check()
    bench.observe("tracked by torch, then by onnxruntime")


def graph(cache: Path, function: str) -> Path:
    (file,) = cache.glob(f"graphs/*_{function}_*.onnx")
    return file


def make_valid(file: Path) -> None:
    """Let the side-car of a file vouch for what is in it now."""
    note = file.with_name(f"{file.name}.json")
    said = json.loads(note.read_text())
    note.write_text(json.dumps({**said, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}))


@fault("damaged graphs in the cache", "one is cut short, one has a broken side-car, one is garbage "
       "that its side-car vouches for", "told; made anew while torch tracks; no track is lost")
def test_damaged_graphs(make_bench: Callable[..., Bench], cache: Path) -> None:  # fmt: skip
    cut, garbage = graph(cache, "encode"), graph(cache, "propagate")
    cut.write_bytes(cut.read_bytes()[:-1])
    side_car = graph(cache, "memorise").with_name(f"{graph(cache, 'memorise').name}.json")
    side_car.write_text('{"key": [')
    garbage.write_bytes(b"not a graph")
    make_valid(garbage)
    bench = start(make_bench, cache)
    adopt(bench)
    bench.said(f"{cut.name} is made anew: it is damaged")
    bench.said("is made anew: .*_memorise_.*json cannot be read")
    assert all(graph(cache, f).stat().st_size > 10**6 for f in ("encode", "propagate"))


@fault("graphs are damaged under a running node", "all files are overwritten after they were "
       "loaded", "tracked on by what was loaded; no track is lost")
def test_graphs_damaged_while_in_use(make_bench: Callable[..., Bench], cache: Path) -> None:
    bench = start(make_bench, cache)
    adopt(bench)
    for file in cache.glob("graphs/*"):
        file.write_bytes(b"x" * 1000)
    bench.follow(5)
    bench.recover()
    assert bench.robot.status.backend == "onnxruntime"
    bench.check()


@fault("cache that cannot be written", "engine_cache_dir lies below a file",
       "told with the reason; torch tracks; no track is lost")  # fmt: skip
def test_cache_that_cannot_be_written(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bench = start(make_bench, tmp_path / "file" / "cache")
    bench.said("no onnxruntime: .*cannot be written.*engine_cache_dir")
    bench.film(1.5, 5, bench.show)
    assert any("no onnxruntime: " in s.message for s in bench.robot.statuses)
    bench.observe("`status`")
    bench.diagnosed("engine", "no onnxruntime: ")
    bench.recover()
    assert bench.robot.status.backend == "torch"
    assert bench.process.running and bench.watch.violations == []


@fault("disk full for the cache", "what makes graphs for the node may write no file above 1 MB",
       "ends with 2 and one line with the remedy; no half file is left")  # fmt: skip
def test_disk_full_for_cache(tmp_path: Path, observe: Callable[[str], None]) -> None:
    done = build(tmp_path, 2**20)
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert f"the cache {tmp_path} cannot be written (File too large); free space" in last
    assert "Traceback" not in done.stderr
    assert [f for f in tmp_path.rglob("*") if f.is_file() and f.suffix != ".lock"] == []
    observe(f'"{last.replace(str(tmp_path), "...")[:80]}"')


@fault("damaged engine and timing cache", "TensorRT for RTX builds, without a GPU; the engine is "
       "cut short, the timing cache is garbage, then garbage that its side-car vouches for",
       "told; built anew each time")
def test_damaged_engine_and_timing_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, observe: Callable[[str], None]
) -> None:  # fmt: skip
    try:
        library = find_library()
    except DeviceError as error:
        pytest.skip(f"NOT CHECKED, no engine was built: {error} (make tensorrt-rtx installs it)")
    torch.manual_seed(0)
    shapes = Shapes(*SIZE, slots=1)
    graphs = GraphFiles(build_network("deaot-t"), "fp16", tmp_path)
    engines = EngineFiles(graphs, library, Target((8, 6)), tmp_path)
    path = engines.get("memorise", shapes)
    timings = list(tmp_path.glob("engines/timing_*.cache"))
    for vouched in (False, True):
        for file in (path, *timings):
            file.write_bytes(b"garbage")
        for file in timings if vouched else ():
            make_valid(file)
        with caplog.at_level(logging.WARNING):
            assert engines.get("memorise", shapes) == path
        assert f"{path.name} is made anew: it is damaged" in caplog.text
        assert path.stat().st_size > 10**5
    kept = "with" if timings else "without"
    observe(f"{library.name}, {kept} a timing cache, built anew each time")
