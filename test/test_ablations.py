"""The ablations of the paper's Table 3: sizes by arithmetic, one step of training, a short run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import golden_state, vectors

from deaot_ros.backends import load_backend
from deaot_ros.errors import ExportError
from deaot_ros.export import Shapes, export_network
from deaot_ros.network import ABLATIONS, build_network
from deaot_ros.tracking import MemorySettings, Tracker, TrackerSettings
from deaot_ros.training import Trainer, TrainSettings

DEAOT_S, AOT_S = 10_202_765, 6_998_235  # published
LAYERS, ATTENTIONS = 2, 3
CELLS = 15 * 15
VALUES = 1024  # of both branches


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def depthwise(side: int) -> int:
    return LAYERS * ATTENTIONS * VALUES * side * side


def wider_keys() -> int:
    """Eight heads match in 8 x 32 channels instead of 128."""
    projections = 256 * 128 + 128 + 512 * 128 + 128
    return LAYERS * (projections + 8 * linear(32, CELLS) - linear(128, CELLS))


def coupled(c: int) -> int:
    """All of the network; what it shares with DeAOT-S has the published size at c = 256."""
    values, keys, norm = 2 * c, c // 2, 2 * c
    output = values * 25 + linear(values, c)
    attention = linear(c, keys) + 2 * linear(c, values)  # QK, V and U
    layer = 2 * (norm + attention) + 3 * output + linear(keys, CELLS)
    conv_in = linear(c, 256)
    bank = linear(11 * 17 * 17, c)
    decoder_rest = 1_203_467 - linear(512, 256)
    encoder = 2_189_760 + linear(1280, c)
    return encoder + bank + norm + LAYERS * layer + norm // 2 * 2 + conv_in + decoder_rest


EXPECTED = {
    "deaot-s-coupled-256": coupled(256),
    "deaot-s-coupled-512": coupled(512),
    "deaot-s-8-heads": DEAOT_S + wider_keys(),
    "aot-s-1-head": AOT_S + LAYERS * (linear(256, CELLS) - 8 * linear(32, CELLS)),
    "deaot-s-match-id": DEAOT_S,
    "deaot-s-match-both": DEAOT_S + 256 * 128,  # layer 0 has no ID branch to match by
    "deaot-s-self-visual": DEAOT_S - LAYERS * 256 * 128,
    "deaot-s-self-id": DEAOT_S - LAYERS * 256 * 128,
    "deaot-s-kernel-0": DEAOT_S - depthwise(5),
    "deaot-s-kernel-3": DEAOT_S - depthwise(5) + depthwise(3),
    "deaot-s-kernel-9": DEAOT_S - depthwise(5) + depthwise(9),
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_every_ablation_is_expected() -> None:
    assert EXPECTED.keys() == ABLATIONS.keys()


@pytest.mark.parametrize("name", ABLATIONS)
def test_parameter_count(name: str) -> None:
    assert sum(p.numel() for p in build_network(name).parameters()) == EXPECTED[name]


@pytest.mark.parametrize("name", [*ABLATIONS, "aot-s"])
def test_one_step_of_training_reaches_every_part(name: str) -> None:
    settings = TrainSettings(
        variant=name, steps=5, size=65, batch=1, frames=3, seed=4, drop_path=0.2,
        channel_dropout=0.2, auxiliary_until=1.0, warm_up=0.2,
    )  # fmt: skip
    trainer = Trainer(settings)
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    assert np.isfinite(trainer.train_step())
    for part, parameter in trainer.network.named_parameters():
        if part == "LSTT.mask_token":
            continue  # published, and without any use
        if "linear_QK" in part or "linear_QV" in part or ".linear_Q." in part:
            continue  # a key's bias shifts all logits alike: no gradient
        assert not torch.equal(parameter, before[part]), part


@pytest.mark.parametrize("name", [*ABLATIONS, "aot-s"])
def test_masks_are_propagated(name: str) -> None:
    """A tracker gives another answer for another reference mask, with padded memory too."""
    inputs = vectors("inputs")
    frames, mask = inputs["frames_97x129"], inputs["mask_97x129_k3"]
    network = build_network(name)
    network.load_state_dict(golden_state(network))
    backend = load_backend(network, "cpu", "auto", "auto")

    def logits(reference: np.ndarray, **memory: object) -> np.ndarray:
        settings = MemorySettings(**{"policy": "fifo", "gap_frames": 1, **memory})
        tracker = Tracker(backend, TrackerSettings(memory=settings, max_long_side=65))
        tracker.start(frames[0], reference)
        for frame in frames[1:3]:
            prediction = tracker.predict(frame)
            tracker.memorise(reference)
        return prediction.logits.numpy()

    plain = logits(mask)
    assert np.isfinite(plain).all()
    assert np.abs(logits(np.roll(mask, 20, 1)) - plain).max() > 0.05
    np.testing.assert_allclose(logits(mask, padded=True), plain, atol=2e-4)


def test_export_names_what_it_cannot_do(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ExportError, match="aot-s-1-head"):
        export_network(build_network("aot-s-1-head"), None, Shapes(65, 65), tmp_path)
