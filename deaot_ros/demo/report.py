"""What the demo leaves behind: a table, summary.json, an overlay video, a contact sheet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from deaot_ros.video.colours import draw_overlay
from deaot_ros.video.results import OverlayVideo

_SHEET_COLUMNS, _SHEET_ROWS = 4, 3
_TILE_WIDTH = 320  # px


@dataclass(frozen=True, slots=True)
class Summary:
    """``summary.json``; lists no more than the table shows.

    Attributes:
        frames_sent: images that the camera published.
        frames_received: label maps that came back for them.
        frames_scored: those after the first mask that J and F were taken over.
        j_mean, f_mean: 0..1; None without ground truth.
        latency_ms_p50, latency_ms_p95: from the camera's stamp to the arrival of the label map.
        fps: label maps per second while the clip ran.
        camera_rate: Hz.
        weights, variant, backend, device: as the tracker reports them.
        max_long_side: asked of the tracker, in pixels.
    """

    frames_sent: int
    frames_received: int
    frames_scored: int
    j_mean: float | None
    f_mean: float | None
    latency_ms_p50: float
    latency_ms_p95: float
    fps: float
    camera_rate: float
    weights: str
    variant: str
    backend: str
    device: str
    max_long_side: int

    def write(self, folder: Path) -> None:
        """Write ``summary.json``."""
        text = json.dumps(asdict(self), indent=2)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")

    def table(self) -> str:
        """For people."""

        def score(value: float | None) -> str:
            if value is not None:
                return f"{value:.3f}   ({self.frames_scored} frames after the first mask)"
            return "-   (no ground truth: --truth DIR gives it)"

        rows = [
            ("frames sent", f"{self.frames_sent}"),
            ("frames received", f"{self.frames_received}"),
            ("J mean", score(self.j_mean)),
            ("F mean", score(self.f_mean)),
            ("latency p50", f"{self.latency_ms_p50:.0f} ms"),
            ("latency p95", f"{self.latency_ms_p95:.0f} ms"),
            ("fps", f"{self.fps:.1f}   (camera: {self.camera_rate:.1f} Hz)"),
            ("network", f"{self.variant}, long side {self.max_long_side} px"),
            ("runs on", f"{self.device}, {self.backend}"),
            ("weights", self.weights),
        ]
        return "\n".join(f"  {name:16} {text}" for name, text in rows)


@dataclass(frozen=True, slots=True)
class Shot:
    """An image as the camera sent it (JPEG) and the labels that came back for it."""

    number: int
    jpeg: np.ndarray
    labels: np.ndarray

    def overlay(self) -> np.ndarray:
        """The image with its objects, uint8 [H, W, 3] RGB."""
        image = cv2.imdecode(self.jpeg, cv2.IMREAD_COLOR)
        assert image is not None, "we encoded it"
        return draw_overlay(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), self.labels)


def write_overlay(shots: Sequence[Shot], file: Path, fps: float) -> None:
    """Write all shots as MP4."""
    video = OverlayVideo(file, fps)
    for shot in shots:
        video.write(shot.overlay())
    video.close()


def write_contact_sheet(shots: Sequence[Shot], file: Path) -> None:
    """Write twelve shots, evenly spread over the clip, as one PNG."""
    count = min(len(shots), _SHEET_COLUMNS * _SHEET_ROWS)
    chosen = [shots[i] for i in np.linspace(0, len(shots) - 1, count).round().astype(int)]
    tiles = [_tile(shot) for shot in chosen]
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % _SHEET_COLUMNS)
    rows = [
        np.concatenate(tiles[i : i + _SHEET_COLUMNS], 1)
        for i in range(0, len(tiles), _SHEET_COLUMNS)
    ]
    cv2.imwrite(str(file), np.concatenate(rows)[..., ::-1])


def _tile(shot: Shot) -> np.ndarray:
    image = shot.overlay()
    height = round(_TILE_WIDTH * image.shape[0] / image.shape[1])
    tile = cv2.resize(image, (_TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(
            tile, str(shot.number), (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, width,
            cv2.LINE_AA,
        )  # fmt: skip
    return tile
