"""What the tests of the running node share."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")
pytest.importorskip("deaot_ros.msg", reason="this package's messages are not built")

from golden import golden_state

from deaot_ros.network import build_network, save_weights


@pytest.fixture(scope="session")
def golden_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights file of deaot-t with the deterministic weights of the parity vectors."""
    network = build_network("deaot-t")
    network.load_state_dict(golden_state(network))
    file = tmp_path_factory.mktemp("weights") / "deaot-t.safetensors"
    save_weights(network, file, {"variant": "deaot-t"})
    return file
