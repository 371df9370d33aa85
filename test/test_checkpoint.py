"""Weights files: published forms load, everything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden import golden_state

from deaot_ros.errors import CheckpointError
from deaot_ros.network import build_network, load_checkpoint, save_weights
from deaot_ros.network.model import DeAOT


@pytest.fixture
def network() -> DeAOT:
    return build_network("deaot-t")


@pytest.fixture
def state(network: DeAOT) -> dict[str, torch.Tensor]:
    return golden_state(network)


def loaded(network: DeAOT, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(v, state[n]) for n, v in network.state_dict().items())


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_forms(
    network: DeAOT, state: dict, tmp_path: Path, wrapper: str | None, prefix: str
) -> None:
    entries = {prefix + name: value for name, value in state.items()}
    entries[prefix + "encoder.features.0.1.num_batches_tracked"] = torch.tensor(3)
    content = entries if wrapper is None else {wrapper: entries, "optimizer": {"lr": [0.1]}}
    torch.save(content, tmp_path / "save_step_100.pth")
    assert load_checkpoint(network, tmp_path / "save_step_100.pth") == {}
    assert loaded(network, state)


def test_safetensors_round_trip_with_metadata(
    network: DeAOT, state: dict, tmp_path: Path
) -> None:
    network.load_state_dict(state)
    metadata = {"variant": "deaot-t", "training": "none", "licence": "BSD-3-Clause"}
    save_weights(network, tmp_path / "w.safetensors", metadata)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]
    other = build_network("deaot-t")
    assert load_checkpoint(other, tmp_path / "w.safetensors") == metadata
    assert loaded(other, state)


def test_missing_unexpected_and_misshaped_entries_are_named(
    network: DeAOT, state: dict, tmp_path: Path
) -> None:
    before = {n: v.clone() for n, v in network.state_dict().items()}
    del state["id_norm.weight"]
    state["head.bias"] = torch.zeros(3)
    state["decoder.conv_out.weight"] = torch.zeros(12, 128, 1, 1)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(network, tmp_path / "w.pth")
    for part in (
        "missing: id_norm.weight",
        "unexpected: head.bias",
        "decoder.conv_out.weight is [12, 128, 1, 1], expected [11, 128, 1, 1]",
        "'deaot-t'",
    ):
        assert part in str(error.value)
    assert loaded(network, before)


def test_another_variants_file_is_refused(state: dict, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "t.pth")
    with pytest.raises(CheckpointError, match=r"does not fit 'deaot-s'.*LSTT\.layers\.1\."):
        load_checkpoint(build_network("deaot-s"), tmp_path / "t.pth")


def test_weights_that_are_not_finite_are_refused(
    network: DeAOT, state: dict, tmp_path: Path
) -> None:
    state["id_norm.weight"] = state["id_norm.weight"] * float("nan")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"not finite: id_norm\.weight"):
        load_checkpoint(network, tmp_path / "w.pth")


class Surprise:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple:
        return (print, ("unpickled",))


@pytest.mark.parametrize("case", ["absent", "noise", "truncated", "code", "list", "numbers"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_that_are_no_weights(
    network: DeAOT, state: dict, tmp_path: Path, case: str, suffix: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / f"w{suffix}"
    if case == "noise":
        path.write_bytes(b"these are no weights" * 100)
    elif case == "truncated":
        torch.save(state, path)
        if suffix == ".safetensors":
            network.load_state_dict(state)
            save_weights(network, path, {})
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif case != "absent":
        contents = {"code": {"state_dict": Surprise()}, "list": [1, 2], "numbers": {"a": 1}}
        torch.save(contents[case], path)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(network, path)
    assert str(path) in str(error.value)
    assert "weights_only" not in str(error.value)
    assert "unpickled" not in capsys.readouterr().out
