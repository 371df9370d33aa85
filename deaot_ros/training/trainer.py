"""The training loop of one stage."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from deaot_ros.network import DeAOT, build_network, load_checkpoint, save_weights
from deaot_ros.network.batch_norm import freeze_batch_norm, thaw_batch_norm
from deaot_ros.synthetic import SceneSettings, find_pictures, referenced_clip

from .average import WeightAverage
from .calibrate import calibrate_batch_norm
from .clip_step import Batch, clip_loss, make_batch, normalise
from .freezing import freeze_stages
from .initial import initialise, load_encoder
from .optimiser import build_optimiser, set_rates
from .schedule import (
    auxiliary_weight,
    average_decay,
    hard_pixel_fraction,
    has_relative_term,
    is_self_fed,
)
from .settings import TrainSettings
from .state_file import read_state, write_state

log = logging.getLogger(__name__)
_CALIBRATION_SEED = 424_242


class Trainer:
    """Trains one network on synthetic clips.

    Everything random follows from ``settings.seed`` and the step number, so a resumed run is the
    same run.
    """

    def __init__(
        self,
        settings: TrainSettings,
        weights: Path | None = None,
        encoder_weights: Path | None = None,
    ) -> None:
        """Start from random weights, or from a file.

        Args:
            weights: a whole network, of a stage before.
            encoder_weights: the encoder alone, trained before (``load_encoder``).

        Raises:
            VariantError, CheckpointError: see ``build_network`` and ``load_checkpoint``.
            DeaotError: a folder of pictures is missing or empty.
        """
        self.settings = settings
        self.step = 0
        self.network: DeAOT = build_network(settings.variant)
        if settings.live_batch_norm:
            thaw_batch_norm(self.network)
        initialise(self.network, settings.seed)
        if encoder_weights is not None:
            load_encoder(self.network, encoder_weights)
        if weights is not None:
            load_checkpoint(self.network, weights)
        freeze_stages(self.network.encoder, settings.frozen_stages)
        self._scenes = scene_settings(settings)
        self.average = WeightAverage(self.network)
        self.optimiser = build_optimiser(self.network, settings)

    @classmethod
    def resume(cls, path: Path) -> Trainer:
        """Continue exactly where `save` was called.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        state = read_state(path)
        trainer = cls(TrainSettings(**state["settings"]))
        trainer.step = state["step"]
        trainer.network.load_state_dict(state["network"])
        trainer.average.values = state["average"]
        trainer.optimiser.load_state_dict(state["optimiser"])
        return trainer

    def save(self, path: Path) -> None:
        """Write the whole training state atomically."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.values,
            "optimiser": self.optimiser.state_dict(),
            "settings": asdict(self.settings),
        }
        write_state(state, path)

    def train_step(self) -> float:
        """One optimiser step; returns the loss (main and auxiliary).

        Raises:
            FloatingPointError: the loss is not finite.
        """
        settings, step = self.settings, self.step
        self.network.train()
        set_rates(self.optimiser, step, settings)
        self_fed = is_self_fed(step, settings)
        # Hard predicted masks carry no gradient worth having into the ID bank (SPEC 12).
        self.network.patch_wise_id_bank.requires_grad_(not self_fed)
        self._hold_relative_term(not has_relative_term(step, settings))
        loss = clip_loss(
            self.network,
            self._batch(step),
            settings.rollout,
            hard_pixel_fraction(step, settings),
            self_fed,
            auxiliary_weight(step, settings),
        )
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"loss is {loss.item()} at step {step}: lower the learning rate "
                "and resume from the last state"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimiser.step()
        self.average.update(self.network, average_decay(step, settings))
        self.step += 1
        return float(loss.detach())

    def run(self, state_path: Path, save_every: float = 300.0) -> None:
        """Train to the end of the stage, saving every `save_every` seconds and at the end."""
        started, last_save, losses = time.monotonic(), time.monotonic(), []
        first = self.step
        while self.step < self.settings.steps:
            losses.append(self.train_step())
            now = time.monotonic()
            if self.step % 20 == 0:
                pace = (now - started) / (self.step - first)
                log.info(
                    "step %d/%d loss %.4f %.2f s/step",
                    self.step, self.settings.steps, float(np.mean(losses)), pace,
                )
                losses.clear()
            if now - last_save > save_every:
                self.save(state_path)
                last_save = now
        self.save(state_path)

    def averaged_network(self) -> DeAOT:
        """The averaged weights as a frozen network with measured batch-norm statistics."""
        network = copy.deepcopy(self.network)
        self.average.copy_to(network)
        if self.settings.live_batch_norm:
            calibrate_batch_norm(network, self._calibration_images())
            freeze_batch_norm(network)
        return network.eval()

    def export(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the averaged weights as safetensors for inference.

        Matrices and kernels are stored in half precision, which halves the file; norms, biases
        and statistics stay in single precision.
        """
        network = self.averaged_network()
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.data = parameter.data.half()
        save_weights(network, path, {"variant": self.settings.variant, **metadata})

    def _hold_relative_term(self, held: bool) -> None:
        """Keep the relative terms at zero and out of the optimiser's reach, or let them learn."""
        for name, parameter in self.network.named_parameters():
            if ".relative_emb_k." in name:
                parameter.requires_grad_(not held)
                if held:
                    parameter.data.zero_()

    def _batch(self, step: int) -> Batch:
        s = self.settings
        frames, size = s.frames + s.rollout, s.size
        if s.alternate_size and step % 2:
            size = s.alternate_size
        count = max(1, round(s.batch * (s.size / size) ** 2))
        clips = [
            referenced_clip((s.seed, step * s.batch + i), frames, size, size, self._scenes)
            for i in range(count)
        ]
        return make_batch(clips, np.random.default_rng((s.seed, step, 1)))

    def _calibration_images(self) -> list[Tensor]:
        scenes = replace(self._scenes, photo_share=1.0, objects=(1, 3))
        size = self.settings.calibration_size
        images = []
        for i in range(self.settings.calibration):
            clips = [
                referenced_clip((_CALIBRATION_SEED, 8 * i + j), 1, size, size, scenes)
                for j in range(8)
            ]
            frames = torch.from_numpy(np.stack([c.frames[0] for c in clips]))
            images.append(normalise(frames.permute(0, 3, 1, 2)))
        return images


def scene_settings(settings: TrainSettings) -> SceneSettings:
    """The scenes that the settings ask for.

    Raises:
        DeaotError: a folder of pictures is missing or empty.
    """
    drawn = SceneSettings(
        photo_share=settings.photo_share,
        cut_out_share=settings.cut_out_share,
        look_alike=settings.look_alike,
        same_photo=settings.same_photo,
        speed=settings.speed,
    )
    photographs = find_pictures(settings.photographs)
    return replace(
        drawn,
        photographs=(*drawn.photographs, *photographs),
        cut_outs=find_pictures(settings.cut_outs),
    )
