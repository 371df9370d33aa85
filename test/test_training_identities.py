"""Identities that are told apart from the first step: what the untrained network answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from deaot_ros.network import DeAOT
from deaot_ros.synthetic import SceneSettings, referenced_clip
from deaot_ros.training import Trainer, TrainSettings
from deaot_ros.training.clip_step import StepPlan, clip_loss, normalise
from deaot_ros.training.identities import IDENTITIES, write_codes

SETTINGS = TrainSettings(size=97, batch=2, frames=2, steps=4, live_batch_norm=False, seed=2)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@torch.no_grad()
def right_identities(network: DeAOT) -> float:
    """How much of an object gets its own identity, rather than another of the ten."""
    network.eval()
    scores = []
    for number in range(2):
        clip = referenced_clip((99, number), 2, 97, 97, SceneSettings(objects=(1, 1)))
        images = normalise(torch.from_numpy(clip.frames).permute(0, 3, 1, 2))
        masks = torch.from_numpy(clip.masks)
        before, now = network.encode(images[:1]), network.encode(images[1:])
        for identity in range(1, IDENTITIES + 1):
            _, memory = network.reference(before, masks[:1] * identity)
            logits = network.decode(now, network.propagate(now, memory, memory).features)
            named = F.interpolate(logits, (97, 97), mode="bilinear")[0, 1:].argmax(0) + 1
            scores.append((named[masks[1] > 0] == identity).float().mean())
    return float(torch.stack(scores).mean())


def test_an_untrained_network_tells_identities_apart() -> None:
    published = Trainer(SETTINGS)
    distinct = Trainer(replace(SETTINGS, distinct_identities=True))
    assert right_identities(published.network) < 0.3  # one in ten is chance
    assert right_identities(distinct.network) > 0.9


def test_codes_share_only_what_all_objects_have() -> None:
    bank = torch.empty(256, 11, 17, 17)
    write_codes(bank, torch.Generator().manual_seed(0))
    codes = bank.sum((2, 3)).T
    own = codes[1:] - codes[1:].mean(0)
    angles = F.normalize(own, dim=1) @ F.normalize(own, dim=1).T
    assert torch.allclose(angles, torch.eye(10) * (1 + 1 / 9) - 1 / 9, atol=1e-4)  # a simplex
    assert F.cosine_similarity(codes[0], codes[1], dim=0).abs() < 1e-4


def test_codes_are_not_trained() -> None:
    trainer = Trainer(replace(SETTINGS, distinct_identities=True, self_fed_from=1.0))
    before = trainer.network.patch_wise_id_bank.weight.detach().clone()
    trainer.train_step()
    assert torch.equal(before, trainer.network.patch_wise_id_bank.weight)


def test_frames_are_judged_over_all_identities() -> None:
    trainer = Trainer(SETTINGS)
    trainer.network.eval()
    batch = trainer.batch(0)
    with torch.no_grad():
        some = clip_loss(trainer.network, batch, StepPlan())
        every = clip_loss(trainer.network, batch, StepPlan(all_identities=True))
    assert every > some + 0.1  # ten more names to get wrong
