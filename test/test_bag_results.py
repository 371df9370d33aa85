"""``deaot track`` of a bag: what it writes replays beside the original, in both storages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from golden import golden_state, vectors
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from deaot_ros.network import build_network, save_weights
from deaot_ros.shared_files import shared_file
from deaot_ros.video import Frame, VideoError, open_source, read_mask
from deaot_ros.video.bag_results import BagResults

STORE = get_typestore(Stores.ROS2_HUMBLE)
TYPES = STORE.types
INPUTS = vectors("inputs")
FRAMES, MASK = INPUTS["frames_97x129"][:3], INPUTS["mask_97x129_k3"]
STAMPS = [(1_700_000_000, 123_456_789), (1_700_000_000, 190_123_457), (1_700_000_001, 7)]
LAG = 3_000_000
"""ns from the stamp of an image to its time of recording."""

WITHOUT_ROS = """import sys
sys.modules.update(dict.fromkeys(["rclpy", "sensor_msgs", "std_msgs", "deaot_ros.msg"]))
from deaot_ros.cli import main
sys.exit(main(sys.argv[1:]))"""
"""The command line where whoever imports these gets an ImportError."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = build_network("deaot-t")
    network.load_state_dict(golden_state(network))
    path = tmp_path_factory.mktemp("weights") / "deaot-t.safetensors"
    save_weights(network, path, {"variant": "deaot-t"})
    return path


@pytest.fixture(scope="module", params=[plugin.name.lower() for plugin in StoragePlugin])
def storage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def original(storage: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(storage) / "original"
    with Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        kind = "sensor_msgs/msg/Image"
        connection = writer.add_connection("/camera/image_raw", kind, typestore=STORE)
        for image, (seconds, nanoseconds) in zip(FRAMES, STAMPS, strict=True):
            stamp = TYPES["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
            message = TYPES[kind](
                header=TYPES["std_msgs/msg/Header"](stamp=stamp, frame_id="left_optical"),
                height=image.shape[0], width=image.shape[1], encoding="rgb8", is_bigendian=0,
                step=image.shape[1] * 3, data=image.ravel(),
            )  # fmt: skip
            time = seconds * 10**9 + nanoseconds + LAG
            writer.write(connection, time, STORE.serialize_cdr(message, kind))
    return path


def messages(bag: Path) -> list[tuple[str, int, object]]:
    """(topic, time, message) of all; types come from the bag itself, as a foreign reader's do."""
    with AnyReader([bag]) as reader:
        return [
            (connection.topic, time, reader.deserialize(data, connection.msgtype))
            for connection, time, data in reader.messages()
        ]


@pytest.fixture(scope="module")
def tracked(original: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracked")
    cv2.imwrite(str(folder / "mask.png"), MASK.astype(np.uint8))
    command = [
        sys.executable, "-c", WITHOUT_ROS, "track", str(original),
        "--topic", "/camera/image_raw", "--mask", str(folder / "mask.png"),
        "--output", str(folder / "out"), "--weights", str(weights), "--device", "cpu",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / "out"


def test_results_carry_headers_and_times_of_their_images(tracked: Path) -> None:
    found = messages(tracked / "bag")
    for topic in ("/deaot/mask", "/deaot/objects"):
        of_topic = [(time, message) for name, time, message in found if name == topic]
        assert len(of_topic) == len(STAMPS)
        for (time, message), (seconds, nanoseconds) in zip(of_topic, STAMPS, strict=True):
            stamp = message.header.stamp
            assert (stamp.sec, stamp.nanosec) == (seconds, nanoseconds)
            assert message.header.frame_id == "left_optical"
            assert time == seconds * 10**9 + nanoseconds + LAG


def test_masks_in_the_bag_are_those_in_the_folder(tracked: Path) -> None:
    masks = [message for topic, _, message in messages(tracked / "bag") if topic == "/deaot/mask"]
    assert [message.encoding for message in masks] == ["mono8"] * len(masks)
    for number, message in enumerate(masks):
        pixels = message.data.reshape(message.height, message.width)
        np.testing.assert_array_equal(pixels, read_mask(tracked / "masks" / f"{number:05d}.png"))


def test_objects_in_the_bag_are_those_in_the_table(tracked: Path) -> None:
    table = [json.loads(line) for line in (tracked / "objects.jsonl").read_text().splitlines()]
    found = [m for topic, _, m in messages(tracked / "bag") if topic == "/deaot/objects"]
    masks = [m for topic, _, m in messages(tracked / "bag") if topic == "/deaot/mask"]
    for row, message, mask in zip(table, found, masks, strict=True):
        assert (message.frame, message.width, message.height) == (row["frame"], 129, 97)
        assert [o.id for o in message.objects] == [o["id"] for o in row["objects"]]
        labels = mask.data.reshape(mask.height, mask.width)
        for ours, theirs in zip(message.objects, row["objects"], strict=True):
            roi = ours.roi
            assert [roi.x_offset, roi.y_offset, roi.width, roi.height] == theirs["box"]
            assert ours.area == theirs["area"] == (labels == ours.id).sum()
            assert ours.score == pytest.approx(theirs["score"], abs=1e-4)
            if ours.area:
                assert ours.mask.data.sum() == 255 * ours.area
                assert (ours.mask.width, ours.mask.height) == (roi.width, roi.height)


def test_it_is_stored_as_the_original_and_can_be_tracked_again(
    tracked: Path, original: Path, storage: str
) -> None:
    suffix = {"mcap": ".mcap", "sqlite3": ".db3"}[storage]
    assert [f.suffix for f in (tracked / "bag").iterdir() if f.stem == "bag"] == [suffix]
    again = list(open_source(str(tracked / "bag"), "/deaot/mask"))
    first = list(open_source(str(original), "/camera/image_raw"))
    assert [f.stamp for f in again] == [f.stamp for f in first]
    assert [f.recorded for f in again] == [f.recorded for f in first]


def test_type_hashes_are_those_of_ros(tracked: Path) -> None:
    """A player refuses types whose hash differs from the installed ones."""
    installed = shared_file(Path("msg") / "TrackedObjectArray.json")
    if installed is None:
        pytest.skip("the messages are not built here")
    hashes = {
        entry["type_name"]: entry["hash_string"]
        for entry in json.loads(installed.read_text())["type_hashes"]
    }
    with AnyReader([tracked / "bag"]) as reader:
        (connection,) = [c for c in reader.connections if c.topic == "/deaot/objects"]
    assert connection.digest == hashes["deaot_ros/msg/TrackedObjectArray"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(VideoError, match="not overwritten"):
        BagResults(tmp_path / "bag", "mcap")


def test_frames_of_other_sources_have_no_place_in_a_bag(tmp_path: Path) -> None:
    assert Frame(FRAMES[0], "0", 0.0).recorded is None
