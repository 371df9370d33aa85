"""Training: losses against slow oracles, the paper's numbers, safe files, exact resume."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from deaot_ros.cli import main
from deaot_ros.errors import CheckpointError, VariantError
from deaot_ros.network import build_network, load_checkpoint
from deaot_ros.network.batch_norm import BatchNorm
from deaot_ros.synthetic import Clip, referenced_clip
from deaot_ros.training import Trainer, TrainSettings
from deaot_ros.training.average import WeightAverage
from deaot_ros.training.batch import draw_shuffles, make_batch
from deaot_ros.training.clip_step import StepPlan, clip_loss, normalise
from deaot_ros.training.freezing import freeze_stages
from deaot_ros.training.loss import (
    UNUSED,
    bootstrapped_cross_entropy,
    mask_loss,
    mask_unused,
    soft_jaccard,
)
from deaot_ros.training.schedule import (
    auxiliary_weight,
    average_decay,
    encoder_learning_rate,
    hard_pixel_fraction,
    is_self_fed,
    learning_rate,
)
from deaot_ros.training.state_file import read_state, write_state
from deaot_ros.training.validate import region_similarity, track_clip

TINY = TrainSettings(
    steps=6,
    size=65,
    batch=2,
    frames=3,
    self_fed_from=0.5,
    warm_up=0.2,
    seed=4,
    calibration=2,
    calibration_size=65,
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def random_case(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 4, 5, 6, generator=generator)
    target = torch.randint(0, 3, (2, 5, 6), generator=generator)
    target[0, 0, :3] = 255
    return logits, target


def slow_probabilities(logits: torch.Tensor) -> np.ndarray:
    values = np.exp(logits.double().numpy())
    return values / values.sum(1, keepdims=True)


def test_cross_entropy_against_a_slow_oracle() -> None:
    logits, target = random_case()
    p = slow_probabilities(logits)
    for keep in (1.0, 0.4):
        for b, loss in enumerate(bootstrapped_cross_entropy(logits, target, keep)):
            each = []
            for y in range(5):
                for x in range(6):
                    label = int(target[b, y, x])
                    each.append(0.0 if label == 255 else -math.log(p[b, label, y, x]))
            hardest = sorted(each, reverse=True)[: int(keep * 30)]
            assert float(loss) == pytest.approx(sum(hardest) / len(hardest), rel=1e-5)


def test_soft_jaccard_against_a_slow_oracle() -> None:
    logits, target = random_case(1)
    p = slow_probabilities(logits)
    for b, loss in enumerate(soft_jaccard(logits, target)):
        each = []
        for label in range(4):
            common = missed = extra = 0.0
            for y in range(5):
                for x in range(6):
                    if target[b, y, x] == 255:
                        continue
                    inside = int(target[b, y, x]) == label
                    common += p[b, label, y, x] * inside
                    missed += (1 - p[b, label, y, x]) * inside
                    extra += p[b, label, y, x] * (not inside)
            if (target[b] == label).any():
                each.append(1 - common / (common + missed + extra + 1e-6))
        assert float(loss) == pytest.approx(sum(each) / len(each), rel=1e-5)


def test_loss_of_a_perfect_and_of_a_wrong_answer() -> None:
    target = torch.zeros(1, 8, 8, dtype=torch.long)
    target[:, 2:6, 2:6] = 1
    right = 20 * torch.nn.functional.one_hot(target, 11).permute(0, 3, 1, 2).float()
    objects = torch.tensor([1])
    assert float(mask_loss(right, target, objects, 0.15)) < 1e-3
    assert float(mask_loss(-right, target, objects, 0.15)) > 5


def test_unused_identities_get_no_probability() -> None:
    logits = mask_unused(torch.zeros(2, 5, 1, 1), torch.tensor([1, 3]))
    assert (logits[0, 2:] == UNUSED).all() and (logits[1, 4:] == UNUSED).all()
    assert logits.softmax(1)[0, :2].sum() == 1


def test_schedule_has_the_papers_numbers() -> None:
    s = TrainSettings(steps=100_000, rate=4e-4, min_rate=2e-5, encoder_rate=0.1)
    assert learning_rate(0, s) == pytest.approx(2e-5)
    assert learning_rate(2_500, s) == pytest.approx((2e-5 + 4e-4) / 2)
    assert learning_rate(5_000, s) == pytest.approx(4e-4)
    halfway = 2e-5 + 3.8e-4 * (1 - 47_500 / 95_001) ** 0.9
    assert learning_rate(52_500, s) == pytest.approx(halfway)
    assert 2e-5 < learning_rate(99_999, s) < 2.01e-5
    assert encoder_learning_rate(5_000, s) == pytest.approx(2e-5 + 0.1 * 3.8e-4)
    assert hard_pixel_fraction(0, s) == 1
    assert hard_pixel_fraction(25_000, s) == pytest.approx(0.575)
    assert hard_pixel_fraction(80_000, s) == pytest.approx(0.15)
    assert auxiliary_weight(0, s) == 1 and auxiliary_weight(5_000, s) == pytest.approx(0.5)
    assert auxiliary_weight(10_000, s) == 0
    assert not is_self_fed(49_999, s) and is_self_fed(50_000, s)
    assert average_decay(0, s) == pytest.approx(0.1)
    assert average_decay(99_999, s) == pytest.approx(0.9999)


def test_optimiser_groups_and_exemptions() -> None:
    trainer = Trainer(TINY)
    decay = {
        name: (group["weight_decay"], group["encoder"])
        for group in trainer.optimiser.param_groups
        for name in group["names"]
    }
    assert set(decay) == {name for name, _ in trainer.network.named_parameters()}
    for name, parameter in trainer.network.named_parameters():
        exempt = parameter.ndim == 1 or name.startswith("decoder.conv_out")
        assert decay[name] == (0.0 if exempt else TINY.decay, name.startswith("encoder."))


def test_relative_term_is_held_at_zero_then_learns() -> None:
    trainer = Trainer(replace(TINY, relative_from=0.4))
    held = trainer.network.LSTT.layers[0].short_term_attn.relative_emb_k
    sizes = []
    for _ in range(4):
        trainer.train_step()
        sizes.append(float(held.weight.detach().abs().max()))
    assert sizes[:3] == [0, 0, 0] and sizes[3] > 0


def test_every_second_step_may_use_larger_frames() -> None:
    trainer = Trainer(replace(TINY, batch=5, alternate_size=97))
    assert trainer.batch(0).images.shape[1:] == (5, 3, 65, 65)
    assert trainer.batch(1).images.shape[1:] == (2, 3, 97, 97)


def test_average_follows_the_weights() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(module.weight, 0.0)
    average = WeightAverage(module)
    torch.nn.init.constant_(module.weight, 1.0)
    expected = 0.0
    for decay in (0.9, 0.5, 0.99):
        average.update(module, decay)
        expected = decay * expected + (1 - decay)
    assert average.values["weight"].item() == pytest.approx(expected)


def test_identity_shuffle_is_undone() -> None:
    """With equal identities in the bank and the last layer, the shuffle cannot show."""
    trainer = Trainer(TINY)
    bank, out = trainer.network.patch_wise_id_bank, trainer.network.decoder.conv_out
    with torch.no_grad():
        for values in (bank.weight.transpose(0, 1), out.weight, out.bias):
            values[1:] = values[1:2].clone()
    clips = [referenced_clip((9, i), 3, 65, 65) for i in range(2)]
    trainer.network.eval()
    losses = []
    for seed in (0, 1):
        batch = make_batch(clips, draw_shuffles(2, np.random.default_rng(seed)))
        assert (batch.shuffle[:, 0] == 0).all()
        assert (batch.shuffle.sort(1).values == torch.arange(11)).all()
        with torch.no_grad():
            losses.append(float(clip_loss(trainer.network, batch, StepPlan(auxiliary=1.0))))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_rollout_frames_carry_no_gradient_but_count() -> None:
    trainer = Trainer(TINY)
    clips = [referenced_clip((9, i), 4, 65, 65) for i in range(2)]
    batch = make_batch(clips)
    trainer.network.train()
    with_rollout = clip_loss(trainer.network, batch, StepPlan(rollout=2, self_fed=True))
    with_rollout.backward()
    assert all(p.grad is not None for n, p in trainer.network.named_parameters() if "LSTT" in n)
    without = clip_loss(trainer.network, batch, StepPlan(self_fed=True))
    assert with_rollout.item() != pytest.approx(without.item(), rel=1e-4)


def test_a_few_steps_reduce_the_loss() -> None:
    settings = TrainSettings(
        steps=1000, size=65, batch=2, frames=2, warm_up=0.0, auxiliary_until=0.0, rate=1e-3
    )
    trainer = Trainer(settings)
    fixed = trainer.batch(0)
    trainer.batch = lambda step: fixed  # type: ignore[method-assign]
    losses = [trainer.train_step() for _ in range(15)]
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])


def test_resume_is_bit_identical(tmp_path: Path) -> None:
    straight = Trainer(TINY)
    losses = [straight.train_step() for _ in range(6)]
    broken = Trainer(TINY)
    for _ in range(3):
        broken.train_step()
    broken.save(tmp_path / "state.pt")
    resumed = Trainer.resume(tmp_path / "state.pt")
    assert [resumed.train_step() for _ in range(3)] == losses[3:]
    ours, theirs = resumed.network.state_dict(), straight.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert all(
        torch.equal(resumed.average.values[n], v) for n, v in straight.average.values.items()
    )


def test_failed_write_leaves_the_old_state(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    trainer = Trainer(TINY)
    trainer.save(path)
    before = path.read_bytes()
    with pytest.raises(Exception):  # noqa: B017 - whatever pickle says of a function
        write_state({"step": lambda: None}, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]


def test_bad_states_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="start without --resume"):
        read_state(tmp_path / "none.pt")
    (tmp_path / "half.pt").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(CheckpointError, match="resume from a copy"):
        read_state(tmp_path / "half.pt")
    torch.save({"weights": 1}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a training state"):
        read_state(tmp_path / "other.pt")


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="16 k \\+ 1"):
        TrainSettings(size=128)
    with pytest.raises(ValueError, match="16 k \\+ 1"):
        TrainSettings(alternate_size=200)
    with pytest.raises(ValueError, match="at least 2"):
        TrainSettings(frames=1)
    with pytest.raises(VariantError):
        Trainer(TrainSettings(variant="deaot-x"))


def test_export_is_frozen_and_loads(tmp_path: Path) -> None:
    trainer = Trainer(TINY)
    trainer.train_step()
    path = tmp_path / "deaot-t.safetensors"
    trainer.export(path, {"licence": "BSD-3-Clause"})
    network = build_network("deaot-t")
    metadata = load_checkpoint(network, path)
    assert metadata["variant"] == "deaot-t" and metadata["licence"] == "BSD-3-Clause"
    clip = referenced_clip(3, 2, 65, 65)
    trained = trainer.averaged_network()
    agreement = (track_clip(network, clip) == track_clip(trained, clip)).mean()
    assert agreement > 0.995, "half-precision storage must not show"
    for name, value in trained.state_dict().items():
        stored = network.state_dict()[name]
        assert torch.allclose(stored, value, rtol=1e-3 if value.ndim > 1 else 0, atol=1e-6)
    assert all(m.frozen for m in trained.modules() if isinstance(m, BatchNorm))
    assert not any(m.frozen for m in trainer.network.modules() if isinstance(m, BatchNorm))


def test_calibrated_statistics_are_the_mean_over_the_batches() -> None:
    trainer = Trainer(TINY)
    network = trainer.averaged_network()
    first = next(m for m in network.modules() if isinstance(m, BatchNorm))
    convolution = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    with torch.no_grad():
        maps = [convolution(images) for images in trainer._calibration_images()]
    mean = torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0)
    variance = torch.stack([m.var((0, 2, 3)) for m in maps]).mean(0)
    assert torch.allclose(first.running_mean, mean, atol=1e-4)
    assert torch.allclose(first.running_var, variance, rtol=1e-3)


def test_region_similarity_by_hand() -> None:
    truth = np.zeros((3, 2, 4), np.uint8)
    truth[:, 0, :2] = 1
    truth[:2, 1, :2] = 2
    predicted = truth.copy()
    predicted[1, 0, 2:] = 1  # twice too large: J 0.5, then 1 -> 0.75
    predicted[2, 1, 0] = 2  # object 2: 1, then something where nothing is -> 0.5
    assert region_similarity(predicted, truth) == pytest.approx((0.75 + 0.5) / 2)
    assert region_similarity(truth, truth) == 1


def test_command_trains_writes_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    numbers = {"steps": 2, "size": 65, "batch": 1, "frames": 2, "calibration": 1}
    (tmp_path / "mine.yaml").write_text("".join(f"{k}: {v}\n" for k, v in numbers.items()))
    command = ["train", "--out", str(tmp_path / "run"), "--threads", "1", "--device", "cpu"]
    first = [*command, "--config", str(tmp_path / "mine.yaml"), "--calibration-size", "65"]
    assert main(first) == 0
    load_checkpoint(build_network("deaot-t"), tmp_path / "run/deaot-t.safetensors")
    assert read_state(tmp_path / "run/state.pt")["step"] == 2
    assert "step 2/2 loss" in caplog.text
    assert main(first) == 2
    assert "continue it with --resume" in capsys.readouterr().err
    assert main([*command, "--resume", "--steps", "3"]) == 0
    state = read_state(tmp_path / "run/state.pt")
    assert state["step"] == 3 and state["settings"]["batch"] == 1
    assert main([*command, "--resume", "--size", "64"]) == 2
    assert "expects 16 k + 1" in capsys.readouterr().err
    other = ["train", "--out", str(tmp_path / "b"), "--stage", "video", "--data", str(tmp_path)]
    assert main(other) == 2
    assert "starts from an encoder that was trained before" in capsys.readouterr().err


def test_clip_is_a_plain_pair() -> None:
    clip = Clip(np.zeros((2, 65, 65, 3), np.uint8), np.zeros((2, 65, 65), np.uint8))
    batch = make_batch([clip])
    assert batch.images.shape == (2, 1, 3, 65, 65) and batch.objects.tolist() == [0]
    black = (0 - 0.485) / 0.229
    assert normalise(batch.images)[0, 0, 0, 0, 0].item() == pytest.approx(black)


def test_an_encoder_trained_before_is_loaded_and_left_alone(tmp_path: Path) -> None:
    source = build_network("deaot-t").encoder
    for parameter in source.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_file(source.state_dict(), tmp_path / "encoder.safetensors")
    settings = replace(TINY, live_batch_norm=False, frozen_stages=1)
    trainer = Trainer(settings, encoder_weights=tmp_path / "encoder.safetensors")
    before = {n: p.detach().clone() for n, p in trainer.network.encoder.named_parameters()}
    assert all(torch.equal(before[n], p) for n, p in source.named_parameters())
    norms = [m for m in trainer.network.modules() if isinstance(m, BatchNorm)]
    assert all(norm.frozen for norm in norms)
    for _ in range(2):
        trainer.train_step()
    for name, parameter in trainer.network.encoder.named_parameters():
        frozen = int(name.split(".")[1]) <= 3  # MobileNet features 0 to 3 make the stride-4 map
        assert torch.equal(before[name], parameter) == frozen, name


@pytest.mark.parametrize("variant", ["deaot-t", "r50-deaot-l", "swinb-deaot-l"])
def test_frozen_stages_are_those_before_each_map(variant: str) -> None:
    encoder = build_network(variant).encoder
    for stages in (1, 2, 3):
        encoder.requires_grad_(True)
        freeze_stages(encoder, stages)
        maps = encoder(torch.randn(1, 3, 33, 33))
        for i, m in enumerate(maps[:3]):
            # the map's own norm (Swin) is not part of the stages before
            trained = m.requires_grad
            assert trained == (i >= stages) or (variant == "swinb-deaot-l" and i == stages - 1)


def test_encoder_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="does not fit the encoder"):
        Trainer(TINY, encoder_weights=tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no weights file"):
        Trainer(TINY, encoder_weights=tmp_path / "missing.safetensors")
