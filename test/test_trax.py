"""``deaot trax`` as the VOT toolkit starts it: a process, asked through the TraX library."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deaot_ros.evaluation.set_run import RunSettings
from deaot_ros.synthetic import stand_ins

trax = pytest.importorskip("trax", reason="NOT CHECKED: the package vot-trax is not installed")
client_module = pytest.importorskip("trax.client")
LIMIT_S = 120


class Talk:
    """A client and the process that it talks to."""

    def __init__(self, weights: Path) -> None:
        command = [sys.executable, "-m", "deaot_ros.cli", "trax", "--weights", str(weights),
                   "--device", "cpu"]  # fmt: skip
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin and self.process.stdout
        self.watchdog = threading.Timer(LIMIT_S, self.process.kill)
        self.watchdog.start()
        self.client = client_module.Client(
            stream=(self.process.stdin.fileno(), self.process.stdout.fileno()),
            log=lambda line: None,
        )

    def start(self, image: Path, masks: list[np.ndarray]) -> list[np.ndarray]:
        return self._masks(self.client.initialize(_image(image), _regions(masks), {}), masks)

    def step(self, image: Path, like: np.ndarray, new: list[np.ndarray]) -> list[np.ndarray]:
        return self._masks(self.client.frame(_image(image), {}, _regions(new)), [like])

    @staticmethod
    def _masks(answer: tuple, like: list[np.ndarray]) -> list[np.ndarray]:
        found = []
        for region, _ in answer[0]:
            mask = np.zeros(like[0].shape, bool)
            part = region.array(normalize=True)
            mask[: part.shape[0], : part.shape[1]] = part
            found.append(mask)
        return found

    def close(self) -> None:
        self.watchdog.cancel()
        self.process.kill()
        self.process.communicate()


def _image(file: Path) -> dict:
    return {"color": trax.image.FileImage.create(str(file))}


def _regions(masks: list[np.ndarray]) -> list:
    return [(trax.region.Mask.create(m.astype(np.uint8)), {}) for m in masks]


@pytest.fixture
def talk(weights: Path) -> Iterator[Talk]:
    talk = Talk(weights)
    yield talk
    talk.close()


def test_it_answers_what_the_runner_finds(talk: Talk, tmp_path: Path, weights: Path) -> None:
    """Two objects, the second one later; then another video in the same process."""
    clip = stand_ins.make_clip(21)
    stand_ins.write_images(clip, tmp_path / "images", stand_ins.stems_of(len(clip.frames)))
    files = sorted((tmp_path / "images").iterdir())
    settings = RunSettings("", "deaot-t", str(weights), "", "", 0, (1.0,), False, "published",
                           1040, "auto", "auto")  # fmt: skip
    runner = settings.load("cpu")
    from deaot_ros.datasets.files import load_image

    first, second = clip.masks[0] == 1, clip.masks[2] == 2
    assert talk.client.tracker_name == "deaot-t"
    for _ in range(2):
        (found,) = talk.start(files[0], [first])
        np.testing.assert_array_equal(found, first)
        runner.start(load_image(files[0]), first.astype(np.uint8))
        for t in (1, 2, 3):
            new = [second] if t == 2 else []
            masks = talk.step(files[t], first, new)
            given = np.where(second, 2, 0).astype(np.uint8) if new else None
            labels = runner.step(load_image(files[t]), given, first.shape)
            assert len(masks) == (1 if t < 2 else 2)
            for i, mask in enumerate(masks, 1):
                np.testing.assert_array_equal(mask, labels == i)
    talk.client.quit()
    assert talk.process.wait(30) == 0


def test_an_image_that_is_not_there_ends_it_with_a_reason(talk: Talk, tmp_path: Path) -> None:
    with pytest.raises(trax.TraxException):
        talk.start(tmp_path / "none.jpg", [np.ones((65, 97), bool)])
    assert talk.process.wait(30) == 2
