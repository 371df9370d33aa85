"""From images and masks to masks and boxes, on real DDS, with one node process for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from golden import vectors
from node_client import LATCHED, RELIABLE, Client, NodeProcess, image_message, pixels_of, stamp_of
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool, Trigger

from deaot_ros.msg import TrackerStatus
from deaot_ros.srv import RemoveObject, SetTargets
from deaot_ros.tracking import Tracker, TrackerSettings

NAMESPACE = "/tracking"
NETWORK = (97, 129)
FRAMES = vectors("inputs")["frames_97x129"]
MASK = vectors("inputs")["mask_97x129_k3"].astype(np.uint8)
IDS = [int(i) for i in np.unique(MASK) if i]
NUMBERS = count(1)


def shifted(ids: int) -> np.ndarray:
    """The same objects under other ids."""
    return np.where(MASK, MASK + ids, 0).astype(np.uint8)


@pytest.fixture(scope="module")
def running(
    golden_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[NodeProcess, Client]]:
    log = tmp_path_factory.mktemp("node") / "node.log"
    parameters = {
        "weights": golden_weights, "network_height": NETWORK[0], "network_width": NETWORK[1],
        "max_objects": 20, "device": "cpu",
    }  # fmt: skip
    with NodeProcess(log, NAMESPACE, **parameters) as node, Client(NAMESPACE) as client:
        client.wait_until_active()
        yield node, client
        status = node.end()
        assert status == 0 and "Traceback" not in node.said, node.said


@pytest.fixture
def node(running: tuple[NodeProcess, Client]) -> NodeProcess:
    return running[0]


@pytest.fixture
def client(running: tuple[NodeProcess, Client]) -> Client:
    """A client of a tracker that tracks nothing."""
    client = running[1]
    assert client.call(Trigger, "reset").success
    client.masks.clear()
    client.objects.clear()
    return client


def camera(client: Client, index: int = 0) -> tuple:
    """Show the next image; its stamp and outputs."""
    stamp = stamp_of(next(NUMBERS))
    return stamp, *client.show(FRAMES[index], stamp)


def begin(client: Client) -> int:
    """Track the objects of the mask; the session."""
    stamp, *_ = camera(client)
    status = client.draw(MASK, stamp)
    assert status.last_mask_result == TrackerStatus.ACCEPTED, status.message
    assert list(status.object_ids) == IDS
    return int(status.session)


def ids_of(client: Client) -> list[int]:
    """Ids in the objects of the next image."""
    return [o.id for o in camera(client)[2].objects]


def set_targets(client: Client, labels: np.ndarray, mode: int) -> SetTargets.Response:
    stamp, *_ = camera(client)
    request = SetTargets.Request(mask=image_message(labels, "mono8", stamp), mode=mode)
    return client.call(SetTargets, "set_targets", request)


def test_one_mask_in_masks_and_boxes_out(client: Client, golden_weights: Path) -> None:
    """What comes over DDS is what the Python API gives, under the camera's own header."""
    stamp, mask, objects = camera(client)
    assert not pixels_of(mask).any() and not objects.objects
    assert client.draw(MASK, stamp).last_mask_result == TrackerStatus.ACCEPTED
    settings = TrackerSettings(network_size=NETWORK)
    tracker = Tracker.load("deaot-t", golden_weights, "cpu", settings=settings)
    tracker.start(FRAMES[0], MASK)
    for index in range(1, 5):
        stamp, mask, objects = camera(client, index)
        sent = image_message(FRAMES[index], "rgb8", stamp)
        assert mask.header == objects.header == sent.header
        assert (mask.encoding, mask.height, mask.width) == ("mono8", *FRAMES[index].shape[:2])
        assert (objects.height, objects.width) == FRAMES[index].shape[:2]
        labels = pixels_of(mask)
        assert (labels == tracker.step(FRAMES[index]).labels).mean() > 0.999
        assert [o.id for o in objects.objects] == IDS
        assert objects.frame == index
        for o in objects.objects:
            rows, columns = np.nonzero(labels == o.id)
            assert o.area == len(rows)
            if o.area:
                roi = o.roi
                assert (roi.y_offset, roi.x_offset) == (rows.min(), columns.min())
                assert (roi.height, roi.width) == (np.ptp(rows) + 1, np.ptp(columns) + 1)
                crop = labels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                np.testing.assert_array_equal(pixels_of(o.mask) == 255, crop == o.id)
                assert o.centroid_x == pytest.approx(columns.mean(), abs=1e-3)


def bad_masks() -> dict[str, tuple[np.ndarray, str, int, str]]:
    height, width = MASK.shape
    many = np.zeros_like(MASK)
    many.flat[:21] = range(101, 122)
    return {
        "size": (MASK[1:], "mono8", TrackerStatus.BAD_SIZE, f"{width}x{height - 1}"),
        "encoding": (FRAMES[0], "rgb8", TrackerStatus.BAD_ENCODING, "expected one of mono8"),
        "nan": (
            np.full(MASK.shape, np.nan, np.float32), "32FC1", TrackerStatus.BAD_ENCODING, "32FC1",
        ),
        "empty": (MASK * 0, "mono8", TrackerStatus.EMPTY, "marks no object"),
        "many": (many, "mono8", TrackerStatus.TOO_MANY_OBJECTS, "at most 20"),
        "255": (np.full_like(MASK, 255), "mono8", TrackerStatus.BAD_ID, "255"),
        "negative": (-MASK.astype(np.int16), "16SC1", TrackerStatus.BAD_ID, "-1"),
    }  # fmt: skip


@pytest.mark.parametrize("case", bad_masks())
def test_bad_mask_gets_its_verdict_and_the_track_survives(client: Client, case: str) -> None:
    labels, encoding, result, words = bad_masks()[case]
    session = begin(client)
    stamp, *_ = camera(client, 1)
    status = client.draw(np.ascontiguousarray(labels), stamp, encoding)
    assert status.last_mask_result == result and words in status.message
    assert (status.session, list(status.object_ids)) == (session, IDS)
    assert ids_of(client) == IDS


def test_truncated_mask(client: Client) -> None:
    begin(client)
    stamp, *_ = camera(client, 1)
    message = image_message(MASK, "mono8", stamp)
    message.data = message.data[:100]
    client.target.publish(message)
    status = client.verdict(stamp)
    assert status.last_mask_result == TrackerStatus.BAD_ENCODING
    assert "cut short" in status.message and ids_of(client) == IDS


def test_mask_of_an_unknown_image(client: Client) -> None:
    begin(client)
    stamp = stamp_of(next(NUMBERS) + 100_000)
    status = client.draw(MASK, stamp)
    assert status.last_mask_result == TrackerStatus.FRAME_NOT_FOUND
    assert "images from 17000000" in status.message and ids_of(client) == IDS


def bad_images() -> dict[str, tuple[Image, str]]:
    stamp = stamp_of(0)
    unknown, cut, narrow, empty = (image_message(FRAMES[0], "rgb8", stamp) for _ in range(4))
    unknown.encoding = "32FC3"
    cut.data = cut.data[:-1]
    narrow.step = 3
    empty.height = empty.width = 0
    return {
        "unknown": (unknown, "'32FC3' is not supported"),
        "cut": (cut, "cut short"),
        "narrow": (narrow, "step 3"),
        "empty": (empty, "is empty"),
    }


@pytest.mark.parametrize("case", bad_images())
def test_bad_image_is_reported_and_the_track_survives(client: Client, case: str) -> None:
    image, words = bad_images()[case]
    begin(client)
    image.header.stamp = stamp_of(next(NUMBERS))
    client.camera.publish(image)
    client.status(lambda s: s.state == TrackerStatus.ERROR and words in s.message)
    assert ids_of(client) == IDS
    client.status(lambda s: s.state == TrackerStatus.TRACKING)


def test_late_mask_is_caught_up_to_the_newest_image(client: Client) -> None:
    stamps = [camera(client, index)[0] for index in range(6)]
    client.objects.clear()
    status = client.draw(MASK, stamps[2])
    assert status.last_mask_result == TrackerStatus.ACCEPTED and "caught up" in status.message
    _, objects = client.output(stamps[5])
    assert [o.id for o in objects.objects] == IDS
    assert all(o.header.stamp == stamps[5] for o in client.objects)  # nothing from in between
    assert ids_of(client) == IDS


def test_add_correct_and_merge(client: Client) -> None:
    session = begin(client)
    request = SetTargets.Request
    answer = set_targets(client, shifted(10), request.ADD)
    both = sorted(IDS + [i + 10 for i in IDS])
    assert answer.success and list(answer.ids) == both
    answer = set_targets(client, MASK, request.ADD)
    assert not answer.success and "tracked already" in answer.message
    assert list(answer.ids) == both
    assert set_targets(client, MASK, request.CORRECT).success
    assert not set_targets(client, shifted(50), request.CORRECT).success
    assert set_targets(client, shifted(3), request.MERGE).success
    assert not set_targets(client, MASK, 9).success
    _, _, objects = camera(client, 1)
    assert [o.id for o in objects.objects] == sorted(both + [i + 3 for i in IDS])
    assert objects.session == session


def test_replace_begins_a_session(client: Client) -> None:
    session = begin(client)
    answer = set_targets(client, shifted(10), SetTargets.Request.REPLACE)
    assert answer.success and list(answer.ids) == [i + 10 for i in IDS]
    _, _, objects = camera(client, 1)
    assert objects.session == session + 1 and [o.id for o in objects.objects] == list(answer.ids)


def test_remove_one_object(client: Client) -> None:
    begin(client)
    answer = client.call(RemoveObject, "remove_object", RemoveObject.Request(id=IDS[0]))
    assert answer.success
    states = {o.id: o.state for o in camera(client, 1)[2].objects}
    assert states.pop(IDS[0]) == 4  # REMOVED, once
    assert list(states) == IDS[1:] == ids_of(client)
    answer = client.call(RemoveObject, "remove_object", RemoveObject.Request(id=IDS[0]))
    assert not answer.success and f"id {IDS[0]} is not tracked" in answer.message


def test_reset(client: Client) -> None:
    session = begin(client)
    assert client.call(Trigger, "reset").success
    _, mask, objects = camera(client, 1)
    assert not objects.objects and not pixels_of(mask).any()
    assert objects.session == session + 1


def test_pause_keeps_memory(client: Client) -> None:
    session = begin(client)
    assert client.call(SetBool, "enable", SetBool.Request(data=False)).success
    client.masks.clear()
    client.camera.publish(image_message(FRAMES[1], "rgb8", stamp_of(next(NUMBERS))))
    client.status(lambda s: s.state == TrackerStatus.PAUSED)
    assert client.masks == []
    answer = client.call(SetBool, "enable", SetBool.Request(data=True))
    assert answer.success and "tracking" in answer.message
    _, _, objects = camera(client, 1)
    assert [o.id for o in objects.objects] == IDS and objects.session == session


def test_stamps_that_go_back_begin_a_session(client: Client) -> None:
    session = begin(client)
    early = stamp_of(-600)
    _, objects = client.show(FRAMES[1], early)
    assert objects.session == session + 1 and not objects.objects
    assert objects.header.stamp == early


def test_engine_cannot_be_built(client: Client) -> None:
    answer = client.call(Trigger, "build_engine")
    assert not answer.success and "torch" in answer.message


def set_parameters(client: Client, **values: str | float | int) -> tuple[bool, str]:
    kinds = {
        str: (ParameterType.PARAMETER_STRING, "string_value"),
        float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
        int: (ParameterType.PARAMETER_INTEGER, "integer_value"),
    }
    request = SetParametersAtomically.Request()
    for name, value in values.items():
        kind, field = kinds[type(value)]
        parameter = ParameterValue(type=kind, **{field: value})
        request.parameters.append(Parameter(name=name, value=parameter))
    result = client.call(SetParametersAtomically, "set_parameters_atomically", request).result
    return result.successful, result.reason


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("mask_mode", "both", ("mask_mode", "both", "merge, replace")),
        ("overlay_alpha", 1.5, ("overlay_alpha", "1.5", "0", "1")),
        ("min_area", -3, ("min_area", "-3", "1")),
        ("variant", "deaot-s", ("variant", "fixed while the node is configured")),
        ("lost_timeout", "soon", ("lost_timeout",)),
    ],
)
def test_bad_parameter_is_refused(
    client: Client, name: str, value: str | float, words: tuple[str, ...]
) -> None:
    successful, reason = set_parameters(client, max_rate=0.0, **{name: value})
    assert not successful and all(word in reason for word in words), reason


def test_mask_mode_replace(client: Client) -> None:
    session = begin(client)
    assert set_parameters(client, mask_mode="replace") == (True, "")
    try:
        stamp, *_ = camera(client, 1)
        status = client.draw(shifted(10), stamp)
        assert (status.session, list(status.object_ids)) == (session + 1, [i + 10 for i in IDS])
    finally:
        assert set_parameters(client, mask_mode="merge")[0]


def test_status_reaches_a_late_joiner(client: Client) -> None:
    begin(client)
    heard: list[TrackerStatus] = []
    subscription = client.node.create_subscription(TrackerStatus, "status", heard.append, LATCHED)
    client.wait("latched status", lambda: heard, patience=5.0)
    client.node.destroy_subscription(subscription)
    assert heard[0].last_mask_result == TrackerStatus.ACCEPTED
    assert (heard[0].variant, heard[0].backend, heard[0].device) == ("deaot-t", "torch", "cpu")
    assert heard[0].weights.endswith("deaot-t.safetensors")
    assert heard[0].memory_bytes > 0 and heard[0].memory_slots_capacity == 9


def test_overlay_is_there_for_those_who_look(client: Client) -> None:
    begin(client)
    raw: list[Image] = []
    jpeg: list[CompressedImage] = []
    subscribe = client.node.create_subscription
    subscriptions = [
        subscribe(Image, "overlay", raw.append, RELIABLE),
        subscribe(CompressedImage, "overlay/compressed", jpeg.append, RELIABLE),
    ]
    client.wait("publishers", lambda: client.node.count_publishers("overlay/compressed"))
    client.spin(0.5)
    stamp, *_ = camera(client, 1)
    client.wait("overlays", lambda: raw and jpeg)
    for subscription in subscriptions:
        client.node.destroy_subscription(subscription)
    assert raw[-1].header == jpeg[-1].header == image_message(FRAMES[1], "rgb8", stamp).header
    picture = pixels_of(raw[-1])
    assert picture.shape == FRAMES[1].shape and (picture != FRAMES[1]).any()
    assert bytes(jpeg[-1].data[:2]) == b"\xff\xd8"


def test_diagnostics(client: Client) -> None:
    begin(client)
    client.diagnostics.clear()
    report = client.wait("diagnostics", lambda: client.diagnostics)[-1]
    tasks = {s.name: s for s in report.status}
    assert set(tasks) == {f"tracker: {n}" for n in ("input", "tracker", "engine", "latency")}
    values = {v.key: v.value for v in tasks["tracker: input"].values}
    assert values["topic"] == "/tracking/image" and values["format"] == "129x97 rgb8"
    assert all(s.hardware_id == "cpu" for s in report.status)


def test_no_image_is_told_and_tracks_stay(client: Client) -> None:
    session = begin(client)
    status = client.status(lambda s: s.state == TrackerStatus.NO_IMAGE)
    assert "no image on /tracking/image for" in status.message
    assert (status.session, list(status.object_ids)) == (session, IDS)
