"""Readers of what others send: for any input a right answer or an error of ours, nothing else."""

from __future__ import annotations

import array
import io
import json
import math
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rclpy.parameter import Parameter
from safetensors.torch import save
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from deaot_ros.backends.artifacts import Artifacts
from deaot_ros.errors import CheckpointError, ImageError, MaskError
from deaot_ros.network.checkpoint import read_tensors
from deaot_ros.node import parameters
from deaot_ros.node.image_codec import encode_labels
from deaot_ros.node.messages import to_time
from deaot_ros.node.timeline import ArrivalStamps
from deaot_ros.operator_ui.rle import decode_runs, encode_runs
from deaot_ros.operator_ui.wire import RequestError, pack, unpack
from deaot_ros.tracking.calibration import calibration_path, load_calibration
from deaot_ros.tracking.checks import check_mask
from deaot_ros.video.results import ResultWriter
from deaot_ros.video.ros_image import (
    COLOUR_LAYOUTS,
    LABEL_LAYOUTS,
    MOST_PIXELS,
    decode_compressed,
    decode_image,
    decode_labels,
)

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
settings.load_profile("repeatable")

SIDES = st.integers(0, 40) | st.sampled_from([2**16, 2**31, 2**32 - 1])
NAMES = st.sampled_from([*COLOUR_LAYOUTS, *LABEL_LAYOUTS, "32FC1", "", "rgb8 "]) | st.text()


@st.composite
def messages(draw: Callable) -> Image:
    """Any image message, right or wrong."""
    message = Image(encoding=draw(NAMES), is_bigendian=draw(st.integers(0, 255)))
    message.height, message.width, message.step = draw(SIDES), draw(SIDES), draw(SIDES)
    message.data = array.array("B", draw(st.binary(max_size=5000)))
    return message


@given(messages())
def test_any_image_is_decoded_or_refused(message: Image) -> None:
    try:
        pixels = decode_image(message)
    except ImageError as error:
        assert "expected" in str(error)
        return
    assert pixels.shape == (message.height, message.width, 3) and pixels.dtype == np.uint8


@given(messages())
def test_any_mask_is_decoded_or_refused(message: Image) -> None:
    try:
        labels = decode_labels(message)
    except MaskError as error:
        assert "expected" in str(error)
        return
    assert labels.shape == (message.height, message.width)
    assert np.issubdtype(labels.dtype, np.integer)


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(0, 7), st.booleans(),
    st.sampled_from(sorted(LABEL_LAYOUTS)), st.randoms(use_true_random=False),
)  # fmt: skip
def test_labels_survive_padding_and_byte_order(
    height: int, width: int, padding: int, big: bool, encoding: str, random: object
) -> None:
    dtype = np.dtype(LABEL_LAYOUTS[encoding]).newbyteorder(">" if big else "<")
    info = np.iinfo(dtype)
    values = [random.randint(info.min, info.max) for _ in range(height * (width + padding))]
    table = np.array(values, dtype).reshape(height, width + padding)
    message = Image(height=height, width=width, encoding=encoding, is_bigendian=int(big))
    message.step = table.strides[0]
    message.data = array.array("B", table.tobytes())
    np.testing.assert_array_equal(decode_labels(message), table[:, :width])


@given(st.binary(max_size=2000), st.text(max_size=20))
def test_any_compressed_image_is_decoded_or_refused(data: bytes, name: str) -> None:
    message = CompressedImage(format=name.replace("\0", ""))
    message.data = array.array("B", data)
    try:
        pixels = decode_compressed(message)
    except ImageError as error:
        assert "expected" in str(error)
        return
    assert pixels.ndim == 3 and pixels.dtype == np.uint8


@given(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1), st.sampled_from(["PNG", "BMP"]))
def test_no_announced_size_costs_memory(width: int, height: int, kind: str) -> None:
    """A file of a few bytes may say that it is any size."""
    if kind == "PNG":
        header = b"IHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0"
        crc = struct.pack(">I", zlib.crc32(header))
        data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + crc
    else:
        data = b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)
    message = CompressedImage(format=kind)
    message.data = array.array("B", data + bytes(60))
    assume(width * height > MOST_PIXELS)
    before = _peak()
    with pytest.raises(ImageError):
        decode_compressed(message)
    assert _peak() - before < 6 * MOST_PIXELS


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


@given(st.lists(st.integers(-5, 70000), min_size=1, max_size=30), st.sampled_from("bhiBHI"))
def test_any_label_map_is_checked(values: list[int], kind: str) -> None:
    mask = np.array(values).astype(kind)[None]
    try:
        checked, ids = check_mask(mask, mask.shape)
    except MaskError:
        bad = (mask < 0) | (mask == 255) | (mask.astype(np.int64) > 65534)
        assert bad.any() or not mask.any()
        return
    np.testing.assert_array_equal(checked, mask)
    assert set(ids) == set(mask.ravel().tolist()) - {0}


@given(st.lists(st.integers(0, 65534), min_size=1, max_size=60))
def test_runs_and_label_messages_give_back_what_went_in(values: list[int]) -> None:
    labels = np.array(values, np.uint16)[None]
    np.testing.assert_array_equal(decode_runs(encode_runs(labels), 1, len(values)), labels)
    np.testing.assert_array_equal(decode_labels(encode_labels(labels, Header())), labels)


@given(st.binary(max_size=300), st.integers(0, 50), st.integers(0, 50))
def test_any_runs_are_read_or_refused(data: bytes, height: int, width: int) -> None:
    try:
        labels = decode_runs(data, height, width)
    except RequestError:
        return
    assert labels.shape == (height, width)


@given(st.binary(max_size=300))
def test_any_frame_of_a_page_is_read_or_refused(data: bytes) -> None:
    try:
        header, parts = unpack(data)
    except RequestError:
        return
    assert isinstance(header, dict) and all(isinstance(p, bytes) for p in parts)


KEYS = st.text(max_size=9).filter(lambda name: name != "parts")


@given(st.dictionaries(KEYS, st.integers() | st.text(max_size=9), max_size=4),
       st.lists(st.binary(max_size=20), max_size=3))  # fmt: skip
def test_frames_of_a_page_give_back_what_went_in(header: dict, parts: list[bytes]) -> None:
    assert unpack(pack(header, *parts)) == (header, parts)


VALUES = (
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=12)
    | st.lists(st.text(max_size=12), max_size=3)
)  # fmt: skip


@given(st.sampled_from(sorted(parameters.FIELDS)), VALUES, st.booleans())
def test_any_parameter_is_taken_or_refused_by_name(
    name: str, value: object, configured: bool
) -> None:
    if value == []:
        value = [""]  # an empty list has no type in ROS
    before = parameters.Parameters()
    try:
        after = parameters.changed(before, [Parameter(name, value=value)], configured)
    except parameters.ParameterError as error:
        assert name.split(".")[0] in str(error) or "network_" in str(error), error
        return
    taken = getattr(after, parameters.FIELDS[name])
    assert taken == (tuple(value) if isinstance(value, list) else value)
    assert not (isinstance(taken, float) and math.isnan(taken))
    _ = after.tracker_settings, after.labels


@given(st.floats(-1e12, 1e12))
def test_any_time_fits_a_message(stamp: float) -> None:
    time = to_time(stamp)
    assert 0 <= time.nanosec < 10**9
    if 0 <= stamp < 2**31 - 1:
        assert abs(time.sec + 1e-9 * time.nanosec - stamp) < 1e-6 + 1e-6 * stamp * 1e-6


RAW = st.sampled_from([0.0, 5.0, 5.0, 5.0]) | st.floats(0, 1e6)


@given(st.lists(st.tuples(RAW, st.floats(0, 2)), min_size=1, max_size=40))
def test_arrival_stamps_go_on_wherever_the_camera_says_nothing(
    images: list[tuple[float, float]],
) -> None:
    stamps, arrived, last_raw, last = ArrivalStamps(), 0.0, None, None
    for raw, pause in images:
        arrived += pause
        stamp = stamps.take(raw, arrived, 1e6)
        if last is not None and (raw == 0.0 or raw == last_raw):
            assert stamp == pytest.approx(last + pause)
        elif last_raw is not None and last is not None and raw > last_raw:
            assert stamp >= min(last, raw)  # never back where the camera's time goes on
        elif raw != 0.0:
            assert stamp == raw
        last_raw, last = (raw or last_raw), stamp


SAFETENSORS = save({"a": torch.arange(6.0).reshape(2, 3)}, metadata={"variant": "x"})


@given(st.lists(st.tuples(st.integers(0, len(SAFETENSORS) - 1), st.integers(0, 255)), max_size=8),
       st.integers(0, len(SAFETENSORS)))  # fmt: skip
def test_damaged_safetensors_are_read_or_refused(
    tmp_path: Path, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(SAFETENSORS)
    for place, value in changes:
        data[place] = value
    _read(tmp_path / "w.safetensors", bytes(data[:length] if length % 3 else data))


@given(st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["F32", "I64", "a"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["__metadata__", "a", "dtype", "shape", "data_offsets"]),
                      inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_any_safetensors_header_is_read_or_refused(tmp_path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    _read(tmp_path / "w.safetensors", struct.pack("<Q", len(text)) + text + bytes(64))


@given(st.binary(max_size=400))
def test_any_torch_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    _read(tmp_path / "w.pth", data)


class Hostile:
    """Unpickling it would run a command."""

    def __init__(self, call: Callable, *arguments: str) -> None:
        self._what = call, arguments

    def __reduce__(self) -> tuple:
        return self._what


@pytest.mark.parametrize("form", ["bare", "state_dict", "zip", "key"])
def test_no_pickle_is_executed(tmp_path: Path, form: str) -> None:
    hostile = Hostile(os.mkdir, str(tmp_path / "executed"))
    file = tmp_path / "w.pth"
    if form == "zip":  # the form of torch.save
        torch.save({"weight": torch.zeros(2)}, file)
        content = io.BytesIO()
        with zipfile.ZipFile(file) as old, zipfile.ZipFile(content, "w") as new:
            for name in old.namelist():
                data = pickle.dumps(hostile) if name.endswith("data.pkl") else old.read(name)
                new.writestr(name, data)
        file.write_bytes(content.getvalue())
    else:
        wrapped = {"bare": hostile, "state_dict": {"state_dict": hostile}, "key": {1: hostile}}
        file.write_bytes(pickle.dumps(wrapped[form]))
    with pytest.raises(CheckpointError, match="more than plain tensors"):
        read_tensors(file)
    assert not (tmp_path / "executed").exists()
    pickle.loads(pickle.dumps(hostile))  # it would have
    assert (tmp_path / "executed").exists()


def _read(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    try:
        state, metadata = read_tensors(file)
    except CheckpointError as error:
        assert str(file) in str(error)
        return
    assert all(isinstance(v, torch.Tensor) for v in state.values())
    assert all(isinstance(v, str) for v in metadata.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["key", "sha256", "bytes", "probability", "chance", "weights_sha256"]),
        inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=99))
def test_any_side_car_of_an_artifact_is_read_or_left_aside(tmp_path: Path, note: bytes) -> None:
    artifacts = Artifacts(tmp_path)
    path = artifacts.put("graph", "onnx", {"version": 1}, b"content")
    path.with_name(f"{path.name}.json").write_bytes(note)
    assert artifacts.find("graph", "onnx", {"version": 1}) is None


def test_side_car_that_is_nested_too_deep_is_left_aside(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    path = artifacts.put("graph", "onnx", {"version": 1}, b"content")
    path.with_name(f"{path.name}.json").write_text("[" * 100_000)
    assert artifacts.find("graph", "onnx", {"version": 1}) is None


@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=99))
def test_any_calibration_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"weights")
    calibration_path(weights).write_bytes(content)
    try:
        calibration = load_calibration(weights)
    except CheckpointError as error:
        assert "expected JSON" in str(error)
        return
    assert 0 <= calibration(0.5, 0.5) <= 1


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 1), st.integers(0, 10**9)),
                max_size=5))  # fmt: skip
def test_every_line_of_objects_jsonl_is_strict_json(
    tmp_path: Path, objects: list[tuple[int, float, int]]
) -> None:
    from deaot_ros.tracking import ObjectState, TrackedObject, TrackResult
    from deaot_ros.video.frame import Frame

    found = tuple(
        TrackedObject(i, ObjectState.TRACKED, (0, 0, 1, 1), n, (0.5, 0.5), score, 0.0)
        for i, score, n in objects
    )
    image = np.zeros((2, 2, 3), np.uint8)
    result = TrackResult(np.zeros((2, 2), np.uint8), found, 0.25, 3, 1)
    with ResultWriter(tmp_path, 30.0, overlay=False) as writer:
        writer.put(Frame(image=image, stem="00003", stamp=0.25), result)
    (line,) = (tmp_path / "objects.jsonl").read_text().splitlines()

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    record = json.loads(line, parse_constant=no_constant)
    assert [o["id"] for o in record["objects"]] == [i for i, _, _ in objects]
    assert [o["area"] for o in record["objects"]] == [n for _, _, n in objects]
