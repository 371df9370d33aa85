"""The training of one stage, step by step."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from deaot_ros.errors import CheckpointError
from deaot_ros.network import DeAOT, build_network, load_checkpoint, save_weights
from deaot_ros.network.batch_norm import freeze_batch_norm, thaw_batch_norm
from deaot_ros.network.regularisation import set_regularisation

from .average import WeightAverage
from .batch import Batch, StepBatches, make_batch
from .calibrate import calibrate_batch_norm
from .clip_step import ClipLoss, StepPlan, normalise
from .distributed import ALONE, Processes
from .freezing import freeze_stages
from .identities import separate_identities
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
from .sources import build_source, calibration_source, example_clips
from .state_file import read_state, write_state
from .stream import BatchStream

_CPU = torch.device("cpu")
_CALIBRATION_BATCH = 8


@dataclass(frozen=True)
class StepReport:
    """What a step was like.

    Attributes:
        step: how many are done.
        loss: main and auxiliary, of this process's clips.
        rate: learning rate.
        gradient: norm before clipping.
        seconds: the whole step took.
        waited: seconds of them until the batch was there.
    """

    step: int
    loss: float
    rate: float
    gradient: float
    seconds: float
    waited: float


class Trainer:
    """Trains one network.

    Everything random follows from ``settings.seed`` and the step number, so a resumed run is the
    same run, whatever the number of workers.
    """

    def __init__(
        self,
        settings: TrainSettings,
        weights: Path | None = None,
        encoder_weights: Path | None = None,
        *,
        device: torch.device = _CPU,
        processes: Processes = ALONE,
        workers: int = 0,
    ) -> None:
        """Start from random weights, or from a file.

        Args:
            weights: a whole network, of a stage before.
            encoder_weights: the encoder alone, trained before (``load_encoder``).
            device: where the network is.
            processes: this one and those that train the same network.
            workers: processes that make batches ahead of time; 0: this one makes them.

        Raises:
            VariantError, CheckpointError: see ``build_network`` and ``load_checkpoint``.
            DeaotError: a folder of data is missing, empty or in an unknown layout.
        """
        self.settings = settings
        self.device = device
        self.step = 0
        self.network: DeAOT = build_network(settings.variant)
        if settings.live_batch_norm:
            thaw_batch_norm(self.network)
        initialise(self.network, settings.seed)
        if encoder_weights is not None:
            load_encoder(self.network, encoder_weights)
        if weights is not None:
            load_checkpoint(self.network, weights)
        self.source = build_source(settings)
        if settings.distinct_identities and weights is None:
            separate_identities(self.network, example_clips(settings), settings.seed)
        self.network.to(device)
        freeze_stages(self.network.encoder, settings.frozen_stages)
        set_regularisation(self.network, settings.drop_path, settings.channel_dropout)
        self.processes = processes
        self._batches = StepBatches(settings, self.source, processes)
        self._workers = workers
        self._stream: BatchStream | None = None
        self.average = WeightAverage(self.network)
        self.optimiser = build_optimiser(self.network, settings)
        mixed = settings.precision == "amp"
        self._scaler = torch.amp.GradScaler(
            device.type, enabled=mixed and device.type == "cuda"
        )
        self._half = torch.float16 if device.type == "cuda" else torch.bfloat16
        self._loss: nn.Module = ClipLoss(self.network)
        if processes.count > 1:
            # Which weights take part changes with the schedule (the ID bank, the relative term).
            self._loss = DistributedDataParallel(self._loss, find_unused_parameters=True)

    @classmethod
    def resume(
        cls,
        path: Path,
        changes: Mapping[str, Any] | None = None,
        *,
        device: torch.device = _CPU,
        processes: Processes = ALONE,
        workers: int = 0,
    ) -> Trainer:
        """Continue exactly where `save` was called.

        Args:
            changes: settings to go on with instead of the saved ones.

        Raises:
            CheckpointError: the file is missing, damaged or of another variant.
            ValueError: a change is out of range.
        """
        state = read_state(path)
        try:
            saved = TrainSettings(**state["settings"])
        except TypeError as error:
            raise CheckpointError(
                f"{path} was written by another version of deaot_ros ({error}); "
                "continue with that version, or start anew with --weights"
            ) from None
        settings = replace(saved, **dict(changes or {}))
        if (settings.variant, settings.live_batch_norm) != (saved.variant, saved.live_batch_norm):
            raise CheckpointError(
                f"{path} is of {saved.variant} with live_batch_norm {saved.live_batch_norm}; "
                "neither can change while training: start anew with --weights"
            )
        trainer = cls(settings, device=device, processes=processes, workers=workers)
        trainer.step = state["step"]
        trainer.network.load_state_dict(state["network"])
        trainer.average.values = {n: v.to(device) for n, v in state["average"].items()}
        trainer.optimiser.load_state_dict(_with_decay(state["optimiser"], trainer.optimiser))
        trainer._scaler.load_state_dict(state.get("scaler", {}) or trainer._scaler.state_dict())
        return trainer

    def save(self, path: Path) -> None:
        """Write the whole training state atomically.

        Raises:
            OSError: it cannot be written; the old file is untouched.
            FloatingPointError: the weights are not finite; the old file is untouched.
        """
        broken = [n for n, v in self.network.state_dict().items() if not torch.isfinite(v).all()]
        if broken:
            raise FloatingPointError(f"weights are not finite, not saved: {broken[0]}")
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.values,
            "optimiser": self.optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "settings": asdict(self.settings),
        }
        write_state(state, path)

    def train_step(self) -> float:
        """One optimiser step; returns the loss (main and auxiliary).

        Raises:
            FloatingPointError: the loss or its gradient is not finite; no weight has changed.
            DeaotError: a batch cannot be made.
        """
        return self.reported_step().loss

    def reported_step(self) -> StepReport:
        """As `train_step`, with all there is to tell."""
        started = time.monotonic()
        settings, step = self.settings, self.step
        batch = self._next_batch().to(self.device)
        waited = time.monotonic() - started
        # What is dropped at random follows from the step, too, and differs between processes.
        mine = step * self.processes.count + self.processes.rank
        torch.manual_seed((settings.seed << 32) + mine)
        self.network.train()
        set_rates(self.optimiser, step, settings)
        plan = self._plan()
        # Hard predicted masks carry no gradient worth having into the ID bank (SPEC 12).
        learned = not plan.self_fed and not settings.distinct_identities
        self.network.patch_wise_id_bank.requires_grad_(learned)
        self._hold_relative_term(not has_relative_term(step, settings))
        self.optimiser.zero_grad(set_to_none=True)
        with self._autocast():
            loss = self._loss(batch, plan)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self.optimiser)  # else the limit would be one of scaled gradients
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        # Overflow of scaled gradients is no failure: the scaler skips the step and scales less.
        checked = loss if self._scaler.is_enabled() else loss + norm
        if not torch.isfinite(checked):
            raise FloatingPointError(
                f"loss is {float(loss.detach())}, gradient {float(norm)} at step {step}: "
                "resume from the last state with a lower learning rate (--resume --rate …)"
            )
        self._scaler.step(self.optimiser)
        self._scaler.update()
        self.average.update(self.network, average_decay(step, settings))
        self.step += 1
        rate = max(group["lr"] for group in self.optimiser.param_groups)
        value = float(loss.detach())  # waits for the device, so the time below is true
        return StepReport(
            self.step, value, rate, float(norm), time.monotonic() - started, waited
        )

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

    def batch(self, step: int) -> Batch:
        """The batch of a step, made here and now."""
        return self._batches[step]

    def _next_batch(self) -> Batch:
        if not self._workers:
            return self.batch(self.step)
        if self._stream is None:
            steps = range(self.step, self.settings.steps)
            pinned = self.device.type == "cuda"
            self._stream = BatchStream(self._batches, steps, self._workers, pinned)
        return self._stream.next()

    def _plan(self) -> StepPlan:
        settings, step = self.settings, self.step
        writes = not self.network.variant.remembers_references_only
        return StepPlan(
            settings.rollout,
            hard_pixel_fraction(step, settings),
            is_self_fed(step, settings),
            auxiliary_weight(step, settings),
            settings.memory_gap if writes else 0,
            settings.distinct_identities,
        )

    def _autocast(self) -> AbstractContextManager[None]:
        mixed = self.settings.precision == "amp"
        # Weights that were cast, and kept, where no gradients are wanted would get none elsewhere.
        kept = self.settings.rollout == 0
        return torch.autocast(self.device.type, self._half, enabled=mixed, cache_enabled=kept)

    def _hold_relative_term(self, held: bool) -> None:
        """Keep the relative terms at zero and out of the optimiser's reach, or let them learn."""
        for name, parameter in self.network.named_parameters():
            if ".relative_emb_k." in name:
                parameter.requires_grad_(not held)
                if held:
                    parameter.data.zero_()

    def _calibration_images(self) -> list[Tensor]:
        source, size = calibration_source(self.settings), self.settings.calibration_size
        images = []
        for i in range(self.settings.calibration):
            numbers = range(i * _CALIBRATION_BATCH, (i + 1) * _CALIBRATION_BATCH)
            clips = [source.clip(number, 1, size) for number in numbers]
            batch = make_batch(clips).to(self.device)
            images.append(normalise(batch.images[0]))
        return images


def _with_decay(state: dict[str, Any], optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """A saved optimiser state with the present weight decay, which may have been changed."""
    groups = [
        saved | {"weight_decay": present["weight_decay"]}
        for saved, present in zip(state["param_groups"], optimiser.param_groups, strict=True)
    ]
    return state | {"param_groups": groups}
