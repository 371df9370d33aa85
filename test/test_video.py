"""Sources and sinks: what is written is read back by other programs' readers."""

from __future__ import annotations

import json
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from deaot_ros.tracking import ObjectState, TrackedObject, TrackResult
from deaot_ros.video import (
    Frame,
    ResultWriter,
    VideoError,
    open_source,
    read_ahead,
    read_mask,
    write_mask,
)
from deaot_ros.video.colours import davis_palette, draw_overlay

# The first colours of DAVIS annotations, written down here on their own.
DAVIS = [
    (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128),
    (0, 128, 128), (128, 128, 128), (64, 0, 0), (191, 0, 0), (64, 128, 0), (191, 128, 0),
    (64, 0, 128), (191, 0, 128), (64, 128, 128), (191, 128, 128), (0, 64, 0), (128, 64, 0),
    (0, 191, 0), (128, 191, 0), (0, 64, 128), (128, 64, 128), (22, 22, 22), (23, 23, 23),
]  # fmt: skip


def picture(rng: np.random.Generator, height: int = 48, width: int = 64) -> np.ndarray:
    coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def write_png(file: Path, image: np.ndarray) -> None:
    assert cv2.imwrite(str(file), image[..., ::-1] if image.ndim == 3 else image)


def chunks(data: bytes) -> dict[bytes, bytes]:
    """Chunks of a PNG by name, equal ones joined: a reader of our own."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        found[name] = found.get(name, b"") + body
        at += 12 + length
    return found


class TestMasks:
    def test_indexed_png(self, tmp_path: Path) -> None:
        labels = np.random.default_rng(0).integers(0, 24, (33, 45), np.uint8)
        file = tmp_path / "m.png"
        write_mask(file, labels)
        parts = chunks(file.read_bytes())
        width, height, depth, colour_type = struct.unpack(">IIBB", parts[b"IHDR"][:10])
        assert (width, height, depth, colour_type) == (45, 33, 8, 3)  # 3: palette
        palette = list(struct.iter_unpack("BBB", parts[b"PLTE"]))
        assert palette[: len(DAVIS)] == DAVIS
        assert len(zlib.decompress(parts[b"IDAT"])) == 33 * (45 + 1)
        # OpenCV shows colours in place of indices, so it proves both.
        colours = cv2.imread(str(file), cv2.IMREAD_COLOR)[..., ::-1]
        np.testing.assert_array_equal(colours, np.array(DAVIS, np.uint8)[labels])
        np.testing.assert_array_equal(read_mask(file), labels)

    def test_sixteen_bits(self, tmp_path: Path) -> None:
        labels = np.random.default_rng(0).integers(0, 65535, (33, 45)).astype(np.uint16)
        write_mask(tmp_path / "m.png", labels)
        np.testing.assert_array_equal(
            cv2.imread(str(tmp_path / "m.png"), cv2.IMREAD_UNCHANGED), labels
        )
        np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), labels)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_only_255_is_object_one(self, tmp_path: Path, dtype: type) -> None:
        labels = np.zeros((8, 9), dtype)
        labels[2:4] = 255
        write_png(tmp_path / "m.png", labels)
        np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), labels // 255)

    def test_255_beside_others_stays(self, tmp_path: Path) -> None:
        labels = np.array([[0, 1, 255]], np.uint8)
        write_png(tmp_path / "m.png", labels)
        np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), labels)

    def test_refusals(self, tmp_path: Path) -> None:
        write_png(tmp_path / "colour.png", np.zeros((4, 4, 3), np.uint8))
        cv2.imwrite(str(tmp_path / "m.jpg"), np.zeros((4, 4), np.uint8))
        (tmp_path / "text.png").write_text("no image")
        write_mask(tmp_path / "whole.png", np.ones((64, 64), np.uint8))
        (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-30])
        for name, words in (
            ("none.png", "no mask at"),
            ("colour.png", "colour PNG"),
            ("m.jpg", "JPEG"),
            ("text.png", "no image"),
            ("cut.png", "cannot read mask"),
        ):
            with pytest.raises(VideoError, match=words):
                read_mask(tmp_path / name)

    def test_palette_has_256_colours(self) -> None:
        assert davis_palette().shape == (256, 3)
        assert tuple(davis_palette()[255]) == (255, 255, 255)


class TestFolder:
    def test_natural_order_and_content(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        images = {f"f{i}": picture(rng) for i in (1, 2, 10)}
        for name, image in images.items():
            write_png(tmp_path / f"{name}.png", image)
        (tmp_path / "notes.txt").write_text("not an image")
        (tmp_path / ".f0.png").write_text("hidden")
        source = open_source(str(tmp_path))
        frames = list(source)
        assert source.count == 3
        assert [f.stem for f in frames] == ["f1", "f2", "f10"]
        for frame in frames:
            np.testing.assert_array_equal(frame.image, images[frame.stem])
        assert np.all(np.diff([f.stamp for f in frames]) > 0)

    def test_grey_images(self, tmp_path: Path) -> None:
        grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
        write_png(tmp_path / "a.png", grey)
        write_png(tmp_path / "b.png", grey.astype(np.uint16) * 257)
        for frame in open_source(str(tmp_path)):
            np.testing.assert_array_equal(frame.image, np.repeat(grey[..., None], 3, 2))

    @pytest.mark.parametrize("kind", ["text", "cut"])
    @pytest.mark.parametrize("suffix", ["jpg", "png"])
    def test_damaged_frame_is_named(self, tmp_path: Path, kind: str, suffix: str) -> None:
        for i in range(3):
            write_png(tmp_path / f"{i}.{suffix}", picture(np.random.default_rng(i), 200, 300))
        damaged = tmp_path / f"1.{suffix}"
        data = damaged.read_bytes()
        damaged.write_bytes(b"text" if kind == "text" else data[: len(data) // 2])
        frames = iter(open_source(str(tmp_path)))
        assert next(frames).stem == "0"
        with pytest.raises(VideoError, match=f"1.{suffix}"):
            next(frames)

    def test_stems_that_collide(self, tmp_path: Path) -> None:
        for suffix in ("jpg", "png"):
            write_png(tmp_path / f"a.{suffix}", np.zeros((4, 4, 3), np.uint8))
        with pytest.raises(VideoError, match="share one mask"):
            open_source(str(tmp_path))

    def test_empty(self, tmp_path: Path) -> None:
        with pytest.raises(VideoError, match="no images in folder"):
            open_source(str(tmp_path))


class TestVideoFile:
    def test_round_trip(self, tmp_path: Path) -> None:
        file = tmp_path / "v.avi"
        rng = np.random.default_rng(2)
        images = [picture(rng) for _ in range(5)]
        writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"FFV1"), 12.5, (64, 48))
        for image in images:
            writer.write(image[..., ::-1])
        writer.release()
        source = open_source(str(file))
        frames = list(source)
        assert (source.count, source.fps) == (5, 12.5)
        assert [f.stem for f in frames] == ["00000", "00001", "00002", "00003", "00004"]
        assert frames[4].stamp == pytest.approx(4 / 12.5)
        for frame, image in zip(frames, images, strict=True):
            error = np.abs(frame.image.astype(int) - image)  # FFV1 keeps YUV exactly, not RGB
            assert error.max() <= 12 and error.mean() < 2

    def test_cut_off(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        whole, cut = tmp_path / "whole.avi", tmp_path / "cut.avi"
        rng = np.random.default_rng(5)
        writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
        for _ in range(40):
            writer.write(picture(rng))
        writer.release()
        data = whole.read_bytes()
        cut.write_bytes(data[: len(data) // 2])
        assert 5 < len(list(open_source(str(cut)))) < 35
        assert "announces 40 frames but only" in caplog.text

    def test_refusals(self, tmp_path: Path) -> None:
        (tmp_path / "v.mp4").write_bytes(b"no video" * 100)
        with pytest.raises(VideoError, match="not a video"):
            open_source(str(tmp_path / "v.mp4"))
        with pytest.raises(VideoError, match="no source at"):
            open_source(str(tmp_path / "none.mp4"))
        with pytest.raises(VideoError, match="camera:99"):
            open_source("camera:99")
        with pytest.raises(VideoError, match="camera:0"):
            open_source("camera:front")
        with pytest.raises(VideoError, match="--topic is for bags"):
            open_source(str(tmp_path), topic="/image")


class TestThreads:
    def test_reads_ahead_in_order(self) -> None:
        assert list(read_ahead(range(50), depth=3)) == list(range(50))

    def test_error_comes_after_the_items_before_it(self) -> None:
        def items() -> Iterator[int]:
            yield 1
            raise VideoError("broken")

        ahead = read_ahead(items())
        assert next(ahead) == 1
        with pytest.raises(VideoError, match="broken"):
            next(ahead)

    def test_closing_ends_the_thread_and_the_source(self) -> None:
        ended = threading.Event()

        def items() -> Iterator[int]:
            try:
                number = 0
                while True:
                    yield number
                    number += 1
            finally:
                ended.set()

        before = threading.active_count()
        source = items()
        ahead = read_ahead(source, depth=2)
        assert [next(ahead), next(ahead)] == [0, 1]
        ahead.close()
        source.close()
        assert ended.wait(2)
        assert threading.active_count() == before

    def test_is_really_ahead(self) -> None:
        read = []

        def items() -> Iterator[int]:
            for i in range(5):
                read.append(i)
                yield i

        ahead = read_ahead(items(), depth=2)
        next(ahead)
        deadline = time.monotonic() + 5
        while len(read) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(read) >= 3


class TestResults:
    @staticmethod
    def result(labels: np.ndarray, number: int) -> TrackResult:
        item = TrackedObject(7, ObjectState.TRACKED, (1, 2, 3, 4), 12, (2.0, 3.5), 0.75, 0.1)
        return TrackResult(labels, (item,), number / 30, number, 1)

    def test_files(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(3)
        labels = np.zeros((48, 64), np.uint8)
        labels[2:6, 1:4] = 7
        with ResultWriter(tmp_path / "new" / "out", 10, overlay=True) as writer:
            for i in range(4):
                writer.put(Frame(picture(rng), f"s{i}", i / 30), self.result(labels, i))
        out = tmp_path / "new" / "out"
        assert sorted(p.name for p in (out / "masks").iterdir()) == [f"s{i}.png" for i in range(4)]
        np.testing.assert_array_equal(read_mask(out / "masks" / "s3.png"), labels)
        lines = [json.loads(line) for line in (out / "objects.jsonl").read_text().splitlines()]
        assert [line["stem"] for line in lines] == ["s0", "s1", "s2", "s3"]
        assert lines[2]["objects"] == [
            {
                "id": 7,
                "state": "TRACKED",
                "box": [1, 2, 3, 4],
                "area": 12,
                "centroid": [2.0, 3.5],
                "score": 0.75,
            }
        ]
        video = cv2.VideoCapture(str(out / "overlay.mp4"))
        assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 4
        assert video.get(cv2.CAP_PROP_FPS) == 10

    def test_deep_masks_are_announced(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        labels = np.full((4, 4), 300, np.uint16)
        with ResultWriter(tmp_path, 10, overlay=False) as writer:
            for i in range(2):
                frame = Frame(np.zeros((4, 4, 3), np.uint8), f"{i}", 0)
                writer.put(frame, self.result(labels, i))
        assert [r.message for r in caplog.records].count(
            "ids above 254: masks are 16-bit grey PNGs, not indexed ones"
        ) == 1
        assert cv2.imread(str(tmp_path / "masks" / "1.png"), cv2.IMREAD_UNCHANGED)[0, 0] == 300

    def test_masks_of_an_earlier_run_are_announced(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "masks").mkdir()
        write_mask(tmp_path / "masks" / "old.png", np.zeros((4, 4), np.uint8))
        with ResultWriter(tmp_path, 10, overlay=False):
            pass
        assert "held 1 masks" in caplog.text

    def test_output_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(VideoError, match="cannot write to"):
            ResultWriter(tmp_path / "file" / "out", 10, overlay=False)

    def test_error_of_the_writing_thread_arrives(self, tmp_path: Path) -> None:
        labels = np.zeros((4, 4), np.uint8)
        writer = ResultWriter(tmp_path, 10, overlay=False)
        (tmp_path / "masks").rmdir()
        with pytest.raises(VideoError, match="cannot write"), writer:
            writer.put(Frame(np.zeros((4, 4, 3), np.uint8), "a", 0), self.result(labels, 0))

    def test_overlay_changes_objects_only(self) -> None:
        image = picture(np.random.default_rng(4))
        labels = np.zeros((48, 64), np.uint16)
        labels[10:20, 10:20] = 300
        drawn = draw_overlay(image, labels)
        outside = np.ones((48, 64), bool)
        outside[10:21, 10:21] = False
        np.testing.assert_array_equal(drawn[outside], image[outside])
        assert (drawn[12:18, 12:18] != image[12:18, 12:18]).any()
