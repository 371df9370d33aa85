"""The command ``deaot`` as a person meets it: in processes of its own, with good and bad input."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from golden import golden_state, vectors

from deaot_ros import cli
from deaot_ros.network import build_network, save_weights
from deaot_ros.tracking import Tracker
from deaot_ros.video import read_mask, write_mask

INPUTS = vectors("inputs")
FRAMES, MASK = INPUTS["frames_97x129"], INPUTS["mask_97x129_k3"].astype(np.uint8)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "deaot_ros.cli", *map(str, arguments)]


def deaot(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command(*arguments), capture_output=True, text=True, timeout=120, **options
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames, masks and weights, good ones and bad ones."""
    root = tmp_path_factory.mktemp("data")
    network = build_network("deaot-t")
    network.load_state_dict(golden_state(network))
    save_weights(network, root / "good.safetensors", {"variant": "deaot-t"})
    torch.save({"state_dict": {"nothing": torch.zeros(1)}}, root / "wrong.pth")
    for folder in ("clip", "broken"):
        (root / folder).mkdir()
        for number, frame in enumerate(FRAMES[:4]):
            cv2.imwrite(str(root / folder / f"img{number}.png"), frame[..., ::-1])
    (root / "broken" / "img2.png").write_bytes(b"no image")
    (root / "empty").mkdir()
    (root / "file").write_text("in the way")
    write_mask(root / "mask.png", MASK)
    write_mask(root / "large.png", np.ones((200, 300), np.uint8))
    write_mask(root / "nothing.png", np.zeros_like(MASK))
    return root


def track(data: Path, output: Path, **changes: object) -> list[str]:
    """Arguments of a good call, some of them changed."""
    values = {"source": "clip", "mask": "mask.png", "weights": "good.safetensors", **changes}
    arguments = ["track", str(data / str(values.pop("source"))), "--output", str(output)]
    for name in ("mask", "weights"):
        arguments += [f"--{name}", str(data / str(values.pop(name)))]
    for name, value in values.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments


class TestHelp:
    def test_is_quick_and_needs_neither_torch_nor_ros(self) -> None:
        code = (
            "import sys; from deaot_ros import cli\n"
            "try: cli.main(['--help'])\n"
            "except SystemExit as end: status = end.code\n"
            "print(status, sorted({'torch', 'rclpy', 'cv2', 'numpy'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "0 []"
        assert all(name in done.stdout for name in cli.COMMANDS)

    @pytest.mark.parametrize("name", cli.COMMANDS)
    def test_of_every_command(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as end:
            cli.main([name, "--help"])
        assert end.value.code == 0
        assert f"usage: deaot {name}" in capsys.readouterr().out


class TestTrack:
    def test_writes_what_the_tracker_says(self, data: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        done = deaot(*track(data, out), "--overlay")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""  # no progress bar where there is no terminal
        assert "4 frames" in done.stdout
        tracker = Tracker.load("deaot-t", data / "good.safetensors")
        lines = [json.loads(line) for line in (out / "objects.jsonl").read_text().splitlines()]
        assert len(lines) == 4
        for number, frame in enumerate(FRAMES[:4]):
            result = tracker.start(frame, MASK) if number == 0 else tracker.step(frame)
            written = read_mask(out / "masks" / f"img{number}.png")
            # The other process may use more threads, so sums may differ in the last bit.
            assert np.mean(written != result.labels) < 0.002
            assert lines[number]["stem"] == f"img{number}"
            assert [o["id"] for o in lines[number]["objects"]] == [o.id for o in result.objects]
        assert sorted(p.name for p in out.iterdir()) == ["masks", "objects.jsonl", "overlay.mp4"]

    def test_progress_on_a_terminal(self, data: Path, tmp_path: Path) -> None:
        mine, theirs = pty.openpty()
        done = subprocess.run(
            command(*track(data, tmp_path / "out")), stderr=theirs, stdout=subprocess.DEVNULL
        )
        shown = os.read(mine, 65536).decode()
        os.close(mine)
        os.close(theirs)
        assert done.returncode == 0
        assert "4/4" in shown and "#" in shown

    def test_interrupt_keeps_what_was_done(self, data: Path, tmp_path: Path) -> None:
        clip = tmp_path / "clip"
        clip.mkdir()
        for number in range(400):
            (clip / f"{number}.png").symlink_to(data / "clip" / f"img{number % 4}.png")
        out = tmp_path / "out"
        arguments = track(data, out, source=clip, max_long_side=64)
        with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 60
            while not (out / "masks" / "2.png").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "Traceback" not in said and "interrupted" in said
        masks = list((out / "masks").iterdir())
        lines = (out / "objects.jsonl").read_text().splitlines()
        assert 3 <= len(masks) == len(lines) < 400
        assert all(read_mask(m).shape == MASK.shape for m in masks)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"source": "none"}, "no source at"),
            ({"source": "empty"}, "no images in folder"),
            ({"source": "file"}, "not a video"),
            ({"mask": "none.png"}, "no mask at"),
            ({"mask": "clip/img0.png"}, "colour PNG"),
            ({"mask": "large.png"}, "300x200 but its image is 129x97"),
            ({"mask": "nothing.png"}, "marks no object"),
            ({"variant": "deaot-xxl"}, "unknown variant 'deaot-xxl'; expected one of deaot-t"),
            ({"weights": "none.pth"}, "no weights file"),
            ({"weights": "wrong.pth"}, "wrong.pth"),
            ({"weights": "file"}, "damaged, or holds more than plain tensors"),
            ({"device": "cuda:99"}, "cuda:99"),
            ({"backend": "abacus"}, "unknown backend"),
            ({"max_long_side": 3}, "max_long_side must be at least"),
            ({"max_long_side": -3}, "-3 is not above 0"),
            ({"topic": "/image"}, "--topic is for bags"),
        ],
    )
    def test_bad_input(
        self, data: Path, tmp_path: Path, changes: dict[str, object], words: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        arguments = track(data, tmp_path / "out", **changes)
        try:
            status = cli.main(arguments)
        except SystemExit as end:
            status = end.code  # type: ignore[assignment]
        said = capsys.readouterr().err
        assert status == 2
        assert words in said
        assert said.startswith("deaot track: error: ") and said.count("\n") == 1
        assert not (tmp_path / "out").exists()

    def test_bad_input_in_a_process(self, data: Path, tmp_path: Path) -> None:
        """Native libraries write to stderr, too: the whole process must say one line."""
        for changes in ({"source": "file"}, {"mask": "none.png"}):
            done = deaot(*track(data, tmp_path / "out", **changes))
            assert done.returncode == 2
            assert done.stderr.count("\n") == 1, done.stderr
        arguments = track(data, tmp_path / "out")
        arguments[1] = "camera:99"
        done = deaot(*arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1 and "camera:99 cannot be opened" in done.stderr

    def test_output_in_the_way(self, data: Path) -> None:
        done = deaot(*track(data, data / "file" / "out"))
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1 and "cannot write to" in done.stderr

    def test_broken_frame_in_the_middle(self, data: Path, tmp_path: Path) -> None:
        done = deaot(*track(data, tmp_path / "out", source="broken"))
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1 and "img2.png" in done.stderr
        assert sorted(p.name for p in (tmp_path / "out" / "masks").iterdir()) == [
            "img0.png",
            "img1.png",
        ]


class TestEvaluate:
    def test_scores(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for part in ("results/masks", "truth"):
            (tmp_path / part).mkdir(parents=True)
            for number in range(4):
                labels = MASK.copy()
                if part != "truth" and number == 1:
                    labels[labels == 2] = 0
                write_mask(tmp_path / part / f"{number}.png", labels)
        folders = [str(tmp_path / "results"), str(tmp_path / "truth")]
        assert cli.main(["evaluate", "scores", *folders]) == 0
        said = capsys.readouterr().out
        assert re.search(r"^ +1 +1\.000 +1\.000$", said, re.MULTILINE)
        assert re.search(r"^ +2 +0\.500 +0\.500$", said, re.MULTILINE)  # one of frames 1 and 2
        assert re.search(r"^ +mean +0\.833 +0\.833 +2 frames$", said, re.MULTILINE)

    def test_missing_mask(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for number in range(4):
            write_mask(tmp_path / f"{number}.png", MASK)
        (tmp_path / "other").mkdir()
        assert cli.main(["evaluate", "scores", str(tmp_path / "other"), str(tmp_path)]) == 2
        assert "lacks 2 of 2 masks, the first is 1.png" in capsys.readouterr().err


def test_doctor_survives_modules_that_kill_their_process(tmp_path: Path) -> None:
    for name in ("vision_msgs", "tensorrt", "rosbags"):
        (tmp_path / f"{name}.py").write_text("import os; os.abort()\n")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = deaot("doctor", env={**os.environ, "PYTHONPATH": paths})
    lines = done.stdout.splitlines()
    assert "Traceback" not in done.stderr
    findings = [line for line in lines[:-1] if not line.lstrip().startswith("fix:")]
    assert all(re.match(r"(OK   |WARN |FAIL ) \S", line) for line in findings)
    levels = {line[6:22].strip(): line[:5].strip() for line in findings}
    assert levels["rosbags"] == "WARN"
    assert levels["torch"] == "OK"
    assert {"GPU", "TensorRT", "weights", "ROS 2", "/dev/shm", "cameras"} <= set(levels)
    failed = "FAIL" in levels.values()
    assert done.returncode == (1 if failed else 0)
    assert lines[-1] == f"The tracker can{'not' if failed else ''} run here."
    # Every complaint comes with a remedy.
    for line, following in itertools.pairwise(lines):
        if line.startswith(("WARN", "FAIL")):
            assert following.lstrip().startswith("fix: ")
