"""Runs of the trainer: workers, several processes, mixed precision, and what goes wrong."""

from __future__ import annotations

import errno
import logging
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from deaot_ros.errors import DatasetError, DeviceError
from deaot_ros.network import build_network
from deaot_ros.network.regularisation import drop_channels, drop_samples
from deaot_ros.synthetic import Clip, referenced_clip
from deaot_ros.training import StepReport, Trainer, TrainSettings, train_to_end
from deaot_ros.training.batch import make_batch
from deaot_ros.training.clip_step import StepPlan, clip_loss
from deaot_ros.training.distributed import choose_device
from deaot_ros.training.initial import load_encoder
from deaot_ros.training.state_file import read_state, write_state

TINY = TrainSettings(
    steps=5, size=65, batch=2, frames=2, warm_up=0.2, seed=4, calibration=1, calibration_size=65,
    drop_path=0.2, channel_dropout=0.2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {n: v.detach().clone() for n, v in trainer.network.state_dict().items()}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_workers_and_resuming_change_no_bit(tmp_path: Path) -> None:
    alone = Trainer(TINY)
    losses = [alone.train_step() for _ in range(4)]
    helped = Trainer(TINY, workers=2)
    assert [helped.train_step() for _ in range(2)] == losses[:2]
    helped.save(tmp_path / "state.pt")
    resumed = Trainer.resume(tmp_path / "state.pt", workers=1)
    assert [resumed.train_step() for _ in range(2)] == losses[2:]
    assert same(weights(resumed), weights(alone))


class BrokenSource:
    """Clips until the data is found to be damaged."""

    def clip(self, number: int, frames: int, size: int) -> Clip:
        if number >= 4:
            raise DatasetError(f"clip {number} is damaged")
        return referenced_clip(number, frames, size, size)


@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_data_stops_with_its_own_words_and_a_state(tmp_path: Path, workers: int) -> None:
    trainer = Trainer(TINY, workers=workers)
    trainer._batches._source = BrokenSource()
    with pytest.raises(DatasetError, match=r"^clip 4 is damaged$"):
        train_to_end(trainer, tmp_path / "state.pt")
    assert read_state(tmp_path / "state.pt")["step"] == 2


SCRIPT = """
import sys
import torch
from deaot_ros.training import Trainer, TrainSettings
from deaot_ros.training.distributed import join_processes, leave_processes

torch.set_num_threads(1)
processes = join_processes(torch.device("cpu"))
trainer = Trainer(TrainSettings(**eval(sys.argv[2])), processes=processes)
trainer.train_step()
first = {n: p.grad.clone() for n, p in trainer.network.named_parameters() if p.grad is not None}
trainer.train_step()  # self-fed: the ID bank takes no part any more
second = {n: p.grad.clone() for n, p in trainer.network.named_parameters() if p.grad is not None}
state = {"first": first, "second": sorted(second), "weights": trainer.network.state_dict()}
torch.save(state, f"{sys.argv[1]}/{processes.rank}.pt")
leave_processes()
"""


def torchrun(*command: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    return subprocess.run(
        [*launcher, "2", *command], env=environment, capture_output=True, text=True, timeout=600
    )


def test_two_processes_have_the_gradient_of_the_joint_batch(tmp_path: Path) -> None:
    settings = replace(
        TINY, batch=4, frames=3, live_batch_norm=False, self_fed_from=0.2, auxiliary_until=0.2,
        drop_path=0.0, channel_dropout=0.0,
    )  # fmt: skip
    (tmp_path / "script.py").write_text(SCRIPT)
    done = torchrun(str(tmp_path / "script.py"), str(tmp_path), repr(asdict(settings)))
    assert done.returncode == 0, done.stderr[-3000:]
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    assert same(found[0]["weights"], found[1]["weights"])
    joint = Trainer(settings)
    joint.train_step()
    largest = 0.0
    for name, parameter in joint.network.named_parameters():
        if parameter.grad is None:
            assert name not in found[0]["first"]
            continue
        scale = float(parameter.grad.abs().max())
        difference = float((found[0]["first"][name] - parameter.grad).abs().max())
        largest = max(largest, difference / max(scale, 1e-6))
    assert largest < 2e-3, "relative to the largest entry of each gradient, float32"
    joint.train_step()
    taking_part = [n for n, p in joint.network.named_parameters() if p.grad is not None]
    assert found[0]["second"] == sorted(taking_part)
    assert "patch_wise_id_bank.weight" not in taking_part


def test_two_processes_train_by_the_command(tmp_path: Path) -> None:
    numbers = {"steps": 2, "size": 65, "batch": 2, "frames": 2, "calibration": 1}
    options = [f"--{k}={v}" for k, v in numbers.items()]
    done = torchrun(
        "-m", "deaot_ros.training", "--out", str(tmp_path), *options, "--calibration-size=65",
        "--no-tensorboard",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("step 2/2") == 1, "one of them reports"
    assert {p.name for p in tmp_path.iterdir()} == {"state.pt", "deaot-t.safetensors"}
    with pytest.raises(ValueError, match="cannot be shared by 2 processes"):
        from deaot_ros.training.distributed import Processes

        Trainer(replace(TINY, batch=3), processes=Processes(0, 2))


def test_limit_of_the_gradient_holds_for_unscaled_gradients() -> None:
    plain, scaled = Trainer(TINY), Trainer(TINY)
    scaled._scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    reports = [trainer.reported_step() for trainer in (plain, scaled)]
    assert reports[0].gradient > TINY.clip_norm, "else the limit does nothing here"
    assert reports[0].gradient == pytest.approx(reports[1].gradient, rel=1e-4)
    for name, value in weights(plain).items():
        assert torch.allclose(weights(scaled)[name], value, atol=1e-5), name


def test_overflow_of_scaled_gradients_skips_the_step_and_scales_less() -> None:
    trainer = Trainer(TINY)
    trainer._scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126)
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    trainer.train_step()
    assert all(torch.equal(before[n], p) for n, p in trainer.network.named_parameters())
    assert trainer._scaler.get_scale() == 2.0**125


def test_mixed_precision_gives_about_the_same_loss() -> None:
    losses = [Trainer(replace(TINY, precision=p)).train_step() for p in ("fp32", "amp")]
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.03)


def test_mixed_precision_reaches_every_weight_behind_frames_without_gradients() -> None:
    settings = replace(
        TINY, precision="amp", rollout=1, auxiliary_until=0.0, drop_path=0.0, channel_dropout=0.0
    )
    trainer = Trainer(settings)
    trainer.train_step()
    missing = [n for n, p in trainer.network.named_parameters() if p.grad is None]
    assert not missing


def test_drops_keep_the_mean_and_hit_whole_samples_and_channels() -> None:
    torch.manual_seed(0)
    ones = torch.ones(200, 3, 50)
    paths = drop_samples(ones, 0.25)
    per_sample = paths.flatten(1)
    assert (per_sample == per_sample[:, :1]).all() and paths.mean() == pytest.approx(1, abs=0.1)
    assert (paths == 0).float().mean() == pytest.approx(0.25, abs=0.08)
    channels = drop_channels(ones, 0.25)
    assert (channels == channels[:, :1]).all() and channels.mean() == pytest.approx(1, abs=0.03)
    assert (channels == 0).float().mean() == pytest.approx(0.25, abs=0.03)


def test_drops_happen_in_training_only() -> None:
    trainer = Trainer(TINY)
    batch = make_batch([referenced_clip(1, 2, 65, 65)])
    with torch.no_grad():
        trainer.network.eval()
        still = {float(clip_loss(trainer.network, batch, StepPlan())) for _ in range(2)}
        trainer.network.train()
        moving = {float(clip_loss(trainer.network, batch, StepPlan())) for _ in range(2)}
    assert len(still) == 1 and len(moving) == 2


def test_long_term_memory_grows_by_its_gap() -> None:
    network = build_network("deaot-s").train()
    batch = make_batch([referenced_clip(2, 4, 65, 65)])
    entries: list[int] = []
    propagate = network.propagate

    def remember(features, long_term, short_term):  # type: ignore[no-untyped-def]
        entries.append(long_term[1].keys.shape[1] // features.tokens.shape[1])
        return propagate(features, long_term, short_term)

    network.propagate = remember  # type: ignore[method-assign]
    with torch.no_grad():
        for gap in (0, 1, 2):
            clip_loss(network, batch, StepPlan(memory_gap=gap))
    assert entries == [1, 1, 1, 1, 2, 3, 1, 1, 2]


def test_only_variants_that_write_memory_do_so_in_training() -> None:
    gaps = [Trainer(replace(TINY, variant=v))._plan().memory_gap for v in ("deaot-t", "deaot-l")]
    assert gaps == [0, 2]


def _write_for_ever(path: Path) -> None:
    for step in range(1, 1_000_000):
        values = torch.full((400_000,), step)
        empty: dict[str, object] = {"average": {}, "optimiser": {}, "settings": {}}
        write_state({"step": step, "network": {"w": values}, **empty}, path)


def test_a_kill_in_the_middle_of_saving_leaves_a_whole_state(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    draw = random.Random(1)
    cut = 0
    for _ in range(15):
        child = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(path,))
        child.start()
        while not path.exists():
            time.sleep(0.005)
        time.sleep(draw.uniform(0.02, 0.12))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        state = read_state(path)
        assert (state["network"]["w"] == state["step"]).all()
        cut += (tmp_path / ".state.pt.tmp").exists()
    assert cut > 0, "no kill hit a write: the test saw nothing"
    write_state(state, path)
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"], "remains are cleared away"


def test_a_full_disk_is_said_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state, temporary = tmp_path / "state.pt", tmp_path / ".state.pt.tmp"
    trainer = Trainer(replace(TINY, steps=2))
    trainer.save(state)
    before = state.read_bytes()
    temporary.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device; the state before") as caught:
        trainer.save(state)
    assert caught.value.errno == errno.ENOSPC and state.read_bytes() == before
    temporary.symlink_to("/dev/full")  # there is space again for the next write
    assert train_to_end(trainer, state, save_every=0)
    assert "No space left" in caplog.text and "training goes on" in caplog.text
    assert read_state(state)["step"] == 2


def test_a_loss_that_is_not_finite_leaves_the_last_good_state(tmp_path: Path) -> None:
    state = tmp_path / "state.pt"
    trainer = Trainer(TINY)
    trainer.train_step()
    trainer.save(state)
    bias = trainer.network.decoder.conv_out.bias
    with torch.no_grad():
        bias[0] = math.nan
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    with pytest.raises(FloatingPointError, match=r"loss is nan.* at step 1: resume.*--rate"):
        train_to_end(trainer, state)
    unchanged = (torch.equal(before[n].nan_to_num(7), p.nan_to_num(7))
                 for n, p in trainer.network.named_parameters())
    assert all(unchanged) and trainer.step == 1
    with pytest.raises(FloatingPointError, match=r"not saved: decoder\.conv_out\.bias"):
        trainer.save(state)
    resumed = Trainer.resume(state, {"rate": 1e-4, "decay": 0.5})
    assert resumed.settings.rate == 1e-4 and resumed.step == 1
    assert max(g["weight_decay"] for g in resumed.optimiser.param_groups) == 0.5
    resumed.train_step()


def test_a_gradient_that_is_not_finite_changes_no_weight() -> None:
    trainer = Trainer(TINY)
    trainer.network.decoder.conv_out.bias.register_hook(lambda gradient: gradient * math.inf)
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    with pytest.raises(FloatingPointError, match="gradient"):
        trainer.train_step()
    assert all(torch.equal(before[n], p) for n, p in trainer.network.named_parameters())


def test_interrupted_runs_stop_after_a_step_with_a_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def interrupt(report: StepReport) -> None:
        os.kill(os.getpid(), signal.SIGTERM if report.step == 2 else 0)

    before = signal.getsignal(signal.SIGTERM)
    assert not train_to_end(Trainer(TINY), tmp_path / "state.pt", watchers=[interrupt])
    assert read_state(tmp_path / "state.pt")["step"] == 2
    assert "stopping after this step" in caplog.text
    assert signal.getsignal(signal.SIGTERM) == before


def test_curves_and_pictures_are_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from deaot_ros.training.watching import Curves

    trainer = Trainer(replace(TINY, steps=2))
    curves = Curves(tmp_path, trainer, every=1, pictures=2)
    losses: list[float] = []
    assert train_to_end(trainer, None, watchers=[curves, lambda r: losses.append(r.loss)])
    curves.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    points = events.Scalars("training/loss")
    assert [p.step for p in points] == [1, 2]
    assert [p.value for p in points] == pytest.approx(losses)
    (picture,) = events.Images("sample")
    assert (picture.step, picture.width, picture.height) == (2, 2 * 65, 2 * 65)


@pytest.mark.parametrize(
    ("variant", "more", "less"),
    [
        ("deaot-t", ("classifier.1.weight", "features.0.1.num_batches_tracked"), ()),
        ("r50-deaot-l", ("fc.weight", "layer4.0.conv1.weight"), ()),
        ("swinb-deaot-l", ("head.weight", "layers.3.blocks.0.norm1.weight", "norm.bias"),
         ("norm0.weight", "norm2.bias")),
    ],
)  # fmt: skip
def test_encoders_come_from_classifiers(
    tmp_path: Path, variant: str, more: tuple[str, ...], less: tuple[str, ...]
) -> None:
    source = build_network(variant).encoder
    for parameter in source.parameters():
        nn.init.normal_(parameter, std=0.1)
    state = source.state_dict() | {name: torch.zeros(3) for name in more}
    state = {f"module.{name}": value for name, value in state.items() if name not in less}
    torch.save({"model": state}, tmp_path / "classifier.pth")
    network = build_network(variant)
    load_encoder(network, tmp_path / "classifier.pth")
    loaded = dict(network.encoder.named_parameters())
    for name, value in source.named_parameters():
        assert torch.equal(loaded[name], value) == (name not in less), name


def test_devices_that_are_not_there_are_refused() -> None:
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(DeviceError, match="unknown device 'gpu'"):
        choose_device("gpu")
    with pytest.raises(DeviceError, match=r"no GPU 99: this machine shows \d+"):
        choose_device("cuda:99")
