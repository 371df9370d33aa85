"""What several tests need."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deaot_ros.network import build_network, save_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights of deaot-t: for runs of which the masks do not matter."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "deaot-t.safetensors"
    save_weights(build_network("deaot-t"), file, {"variant": "deaot-t"})
    return file


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the fault tests; here, because pytest looks for options in this folder only."""
    group = parser.getgroup("faults")
    group.addoption("--fault-seed", type=int, default=1, help="of the scene and of fault data")
    group.addoption("--fault-record", help="write what was observed of each fault to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(group, name, how, expected): row of docs/faults.md")
