"""Everything here talks over real DDS, on this machine only, in a domain of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden import golden_state

from deaot_ros.demo.environment import enter_private_ros
from deaot_ros.network import build_network, save_weights

enter_private_ros()


@pytest.fixture(scope="session")
def golden_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the golden rule: labels that change a lot, and need no training."""
    network = build_network("deaot-t")
    network.load_state_dict(golden_state(network))
    path = tmp_path_factory.mktemp("weights") / "deaot-t.safetensors"
    save_weights(network, path, {"variant": "deaot-t"})
    return path
