"""The numbers of the stages: the paper's, where they come from, and what is said of wrong ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from deaot_ros.errors import ConfigError, VariantError
from deaot_ros.training import TrainSettings, stage_settings

PAPER = {
    "steps": 100_000,
    "batch": 16,
    "frames": 5,
    "size": 465,
    "encoder_rate": 0.1,
    "frozen_stages": 1,
    "live_batch_norm": False,
    "warm_up": 0.05,
    "hard_pixels": 0.15,
    "clip_norm": 5.0,
    "drop_path": 0.1,
    "channel_dropout": 0.1,
    "memory_gap": 2,
    "rollout": 0,
    "min_rate": 2e-5,
}


@pytest.mark.parametrize(
    ("stage", "own"),
    [
        (
            "static",
            {"rate": 4e-4, "decay": 0.03, "merge": 1.0, "self_fed_from": 1.0,
             "auxiliary_until": 0.1},
        ),
        (
            "video",
            {"rate": 2e-4, "decay": 0.07, "merge": 0.3, "self_fed_from": 0.5,
             "auxiliary_until": 1.0, "davis_repeat": 5, "davis_gap": 12, "youtube_vos_gap": 3},
        ),
    ],
)  # fmt: skip
def test_stages_have_the_papers_numbers(stage: str, own: dict[str, float]) -> None:
    settings = asdict(stage_settings(stage))
    wanted = PAPER | own | {"stage": stage}
    assert {name: settings[name] for name in wanted} == wanted


def test_large_encoders_have_their_own_numbers() -> None:
    assert stage_settings("video", given={"variant": "r50-deaot-l"}).min_rate == 1e-5
    swin = stage_settings("video", given={"variant": "swinb-deaot-l"})
    assert swin.min_rate == 1e-5 and swin.size == 464
    assert stage_settings("static", given={"variant": "swinb-deaot-l"}).size == 464
    assert stage_settings("static", given={"variant": "r50-deaot-l"}).min_rate == 2e-5
    mine = {"variant": "swinb-deaot-l", "size": 240}
    assert stage_settings("video", given=mine).size == 240


def test_the_synthetic_stage_is_the_default() -> None:
    assert stage_settings("synthetic") == TrainSettings()


def test_files_override_stages_and_options_override_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("rate: 1e-4\ndata: [a, b]\nsteps: 7\nby_encoder: {resnet50: {batch: 2}}\n")
    settings = stage_settings("video", file, {"steps": 9})
    assert (settings.rate, settings.steps, settings.data) == (1e-4, 9, ("a", "b"))
    assert settings.batch == 16
    assert stage_settings("video", file, {"variant": "r50-deaot-l"}).batch == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz: 3\nraet: 1", r"mine\.yaml: unknown setting stepz, raet; expected some of .*steps"),
        ("steps: many", r"mine\.yaml: steps is 'many'; expected int"),
        ("live_batch_norm: 1", "expected bool"),
        ("by_encoder: {resnet50: {stepz: 3}}", "unknown setting stepz"),
        ("by_encoder: [1]", "by_encoder in .*expected 'ENCODER"),
        ("- 1", "is no mapping"),
        ("a: [", "cannot read .*mine.yaml"),
        ("merge: 2.0", "merge 2.0: expected 0 to 1"),
        ("precision: fp8", "precision 'fp8': expected fp32, amp"),
        ("davis_gap: 0", "davis_gap 0: expected at least 1"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        stage_settings("video", file)


def test_missing_files_and_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        stage_settings("video", tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="unknown stage 'main'"):
        stage_settings("main")
    with pytest.raises(VariantError, match="unknown variant"):
        stage_settings("video", given={"variant": "deaot-x"})
