"""ROS images to arrays and back: bytes laid out by hand, colours from the standards' formulas."""

from __future__ import annotations

import array

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="no ROS messages in this environment")

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from deaot_ros.errors import ImageError, MaskError, MaskErrorCode
from deaot_ros.node.image_codec import (
    COLOUR_LAYOUTS,
    LABEL_LAYOUTS,
    decode_compressed,
    decode_image,
    decode_labels,
    encode_image,
    encode_jpeg,
    encode_labels,
)

HEIGHT, WIDTH = 4, 6
RGB = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
ORANGE = (200, 120, 40)


def message(rows: np.ndarray, encoding: str, width: int, height: int, padding: int = 0) -> Image:
    """An image of byte rows, each followed by ``padding`` bytes of 0xEE."""
    table = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    padded = np.pad(table, ((0, 0), (0, padding)), constant_values=0xEE)
    image = Image(width=width, height=height, encoding=encoding, step=padded.shape[1])
    image.data = array.array("B", padded.tobytes())
    return image


def of(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    return message(pixels, encoding, pixels.shape[1], pixels.shape[0], padding)


ALPHA = np.full((HEIGHT, WIDTH, 1), 9, np.uint8)
GREY = RGB[..., 0]
EXACT = {
    "rgb8": (RGB, RGB),
    "bgr8": (RGB[..., ::-1], RGB),
    "8UC3": (RGB[..., ::-1], RGB),
    "rgba8": (np.concatenate([RGB, ALPHA], 2), RGB),
    "bgra8": (np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
    "8UC4": (np.concatenate([RGB[..., ::-1], ALPHA], 2), RGB),
    "rgb16": (RGB.astype(np.uint16) * 256 + 77, RGB),
    "bgr16": (RGB[..., ::-1].astype(np.uint16) * 256 + 77, RGB),
    "mono8": (GREY, GREY[..., None].repeat(3, 2)),
    "8UC1": (GREY, GREY[..., None].repeat(3, 2)),
    "mono16": (GREY.astype(np.uint16) * 256 + 77, GREY[..., None].repeat(3, 2)),
    "16UC1": (GREY.astype(np.uint16) * 256 + 77, GREY[..., None].repeat(3, 2)),
}


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("encoding", EXACT)
def test_pixels_are_exact(encoding: str, padding: int) -> None:
    raw, expected = EXACT[encoding]
    padding *= raw.dtype.itemsize
    decoded = decode_image(of(raw, encoding, padding))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("encoding", ["rgb16", "bgr16", "mono16", "16UC1"])
def test_big_endian(encoding: str) -> None:
    raw, expected = EXACT[encoding]
    image = of(raw.astype(">u2"), encoding, 4)
    image.is_bigendian = 1
    np.testing.assert_array_equal(decode_image(image), expected)


def test_rgb8_is_a_view_on_the_message() -> None:
    image = of(RGB, "rgb8", 2)
    decoded = decode_image(image)
    image.data[0] = RGB[0, 0, 0] ^ 0xFF
    assert decoded[0, 0, 0] == RGB[0, 0, 0] ^ 0xFF


def test_step_zero_means_no_padding() -> None:
    image = of(RGB, "rgb8")
    image.step = 0
    np.testing.assert_array_equal(decode_image(image), RGB)


def test_last_row_may_lack_its_padding() -> None:
    image = of(RGB, "rgb8", 5)
    image.data = image.data[:-5]
    np.testing.assert_array_equal(decode_image(image), RGB)


def yuv(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """ITU-R BT.601, studio range."""
    r, g, b = (c / 255 for c in rgb)
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    u = 128 - 37.797 * r - 74.203 * g + 112.0 * b
    v = 128 + 112.0 * r - 93.786 * g - 18.214 * b
    return round(y), round(u), round(v)


Y, U, V = yuv(ORANGE)
YUV_PAIRS = {
    "yuv422": (U, Y, V, Y),
    "uyvy": (U, Y, V, Y),
    "yuv422_yuy2": (Y, U, Y, V),
    "yuyv": (Y, U, Y, V),
}


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", YUV_PAIRS)
def test_yuv_422(encoding: str, padding: int) -> None:
    rows = np.tile(np.array(YUV_PAIRS[encoding], np.uint8), (HEIGHT, WIDTH // 2))
    decoded = decode_image(message(rows, encoding, WIDTH, HEIGHT, padding))
    assert decoded.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(decoded.astype(int) - ORANGE).max() <= 3


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(("encoding", "pair"), [("nv12", (U, V)), ("nv21", (V, U))])
def test_yuv_420_semi_planar(encoding: str, pair: tuple[int, int], padding: int) -> None:
    luma = np.full((HEIGHT, WIDTH), Y, np.uint8)
    chroma = np.tile(np.array(pair, np.uint8), (HEIGHT // 2, WIDTH // 2))
    image = message(np.concatenate([luma, chroma]), encoding, WIDTH, HEIGHT, padding)
    assert np.abs(decode_image(image).astype(int) - ORANGE).max() <= 3


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer(pattern: str) -> None:
    value = dict(zip("rgb", ORANGE))
    cell = np.array([value[c] for c in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(cell, (4, 5))
    decoded = decode_image(of(mosaic, f"bayer_{pattern}8", 3))
    np.testing.assert_array_equal(decoded, np.broadcast_to(np.uint8(ORANGE), (8, 10, 3)))


def test_every_encoding_has_a_test() -> None:
    bayer = {f"bayer_{p}8" for p in ("rggb", "bggr", "gbrg", "grbg")}
    assert set(COLOUR_LAYOUTS) == {*EXACT, *YUV_PAIRS, "nv12", "nv21", *bayer}


def bad_images() -> dict[str, tuple[Image, str]]:
    floats = of(np.full((HEIGHT, WIDTH), np.nan, np.float32), "32FC1")
    cut, tight, flat, huge = (of(RGB, "rgb8") for _ in range(4))
    cut.data = cut.data[:-1]
    tight.step = WIDTH * 3 - 1
    flat.height = 0
    huge.width = huge.height = huge.step = 2**32 - 1
    return {
        "floats": (floats, "'32FC1' is not supported; expected one of rgb8"),
        "nonsense": (of(RGB, "no such"), "'no such' is not supported"),
        "cut short": (cut, "71 bytes, expected 72"),
        "no data": (Image(width=2, height=2, step=6, encoding="rgb8"), "0 bytes, expected 12"),
        "small step": (tight, "step 17; expected at least 18"),
        "no rows": (flat, "is empty"),
        "empty": (Image(encoding="rgb8"), "0x0 rgb8 is empty"),
        "huge": (huge, "has step 4294967295; expected at least"),
        "odd nv12": (message(np.zeros((6, 5), np.uint8), "nv12", 5, 4), "expected even sides"),
        "odd yuyv": (message(np.zeros((4, 10), np.uint8), "yuyv", 5, 4), "even sides"),
    }


@pytest.mark.parametrize("case", bad_images())
def test_bad_image(case: str) -> None:
    image, words = bad_images()[case]
    with pytest.raises(ImageError, match=words):
        decode_image(image)


LABELS = np.zeros((HEIGHT, WIDTH), np.int64)
LABELS[1:3, 2:5] = 7
LABELS[3, 0] = 100


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize(("encoding", "dtype"), LABEL_LAYOUTS.items())
def test_labels(encoding: str, dtype: str, padding: int, big: bool) -> None:
    order = ">" if big else "<"
    image = of(LABELS.astype(order + dtype), encoding, padding)
    image.is_bigendian = int(big)
    decoded = decode_labels(image)
    assert decoded.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(decoded, LABELS)


def test_negative_ids_survive_decoding_so_that_they_can_be_refused() -> None:
    assert decode_labels(of(-LABELS.astype(np.int16), "16SC1")).min() == -100


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (of(RGB, "rgb8"), "'rgb8' holds no object ids; expected one of mono8"),
        (of(np.full((2, 2), np.nan, np.float32), "32FC1"), "'32FC1' holds no object ids"),
        (Image(width=4, height=4, step=4, encoding="mono8"), "cut short: 0 bytes, expected 16"),
        (Image(encoding="mono8"), "is empty"),
    ],
)
def test_bad_label_image(mask: Image, words: str) -> None:
    with pytest.raises(MaskError, match=words) as refused:
        decode_labels(mask)
    assert refused.value.code is MaskErrorCode.BAD_ENCODING


def compressed(data: bytes, kind: str = "jpeg") -> CompressedImage:
    image = CompressedImage(format=kind)
    image.data = array.array("B", data)
    return image


def test_png_is_exact_and_colours_keep_their_order() -> None:
    _, data = cv2.imencode(".png", RGB[..., ::-1])
    np.testing.assert_array_equal(decode_compressed(compressed(data.tobytes(), "png")), RGB)


def test_jpeg_there_and_back() -> None:
    header = Header(frame_id="camera")
    picture = np.full((32, 48, 3), ORANGE, np.uint8)
    image = encode_jpeg(picture, header)
    assert image.header == header and image.format.endswith("jpeg compressed bgr8")
    assert np.abs(decode_compressed(image).astype(int) - ORANGE).max() <= 3


@pytest.mark.parametrize("data", [b"", b"not an image", b"\xff\xd8\xff\xe0 cut"])
def test_bad_compressed_image(data: bytes) -> None:
    with pytest.raises(ImageError, match=f"'jpeg' and {len(data)} bytes cannot be decoded"):
        decode_compressed(compressed(data))


def test_encoded_image_describes_itself() -> None:
    header = Header(frame_id="camera")
    header.stamp.sec, header.stamp.nanosec = 12, 34
    image = encode_image(RGB[:, ::2], "rgb8", header)  # not contiguous
    assert image.header == header
    assert (image.height, image.width, image.step) == (HEIGHT, WIDTH // 2, WIDTH // 2 * 3)
    assert bytes(image.data) == RGB[:, ::2].tobytes()
    assert isinstance(image.data, array.array)


@pytest.mark.parametrize(("dtype", "encoding"), [(np.uint8, "mono8"), (np.uint16, "16UC1")])
def test_labels_there_and_back(dtype: type, encoding: str) -> None:
    image = encode_labels(LABELS.astype(dtype), Header())
    assert image.encoding == encoding
    np.testing.assert_array_equal(decode_labels(image), LABELS)


CV_BRIDGE_NAMES = sorted(set(COLOUR_LAYOUTS) & {*EXACT} - {"8UC1", "8UC3", "8UC4", "16UC1"})


@pytest.mark.parametrize("encoding", CV_BRIDGE_NAMES)
def test_agrees_with_cv_bridge(encoding: str) -> None:
    try:
        from cv_bridge import CvBridge
    except Exception as error:  # one built for another numpy fails in its own ways
        pytest.skip(f"cv_bridge is not usable here, nothing to compare with: {error}")
    image = of(EXACT[encoding][0], encoding, 4)
    theirs = CvBridge().imgmsg_to_cv2(image, "rgb8")
    assert np.abs(decode_image(image).astype(int) - theirs).max() <= 1
