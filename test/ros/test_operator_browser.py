"""The operator's page in a real browser, against the real node, over real DDS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS in this environment")

import chromium
from operator_person import Operator
from operator_site import SIZE, Site, overlap

if chromium.PROGRAM is None:
    pytest.skip(
        f"NO BROWSER: none of {', '.join(chromium.NAMES)} is installed, so the operator's page was "
        "not tested in one; apt-get install chromium",
        allow_module_level=True,
    )

CTRL = 2


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("operator")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    with chromium.Browser(tmp_path_factory.mktemp("browser") / "profile") as running:
        yield running


@pytest.fixture
def operator(browser: chromium.Browser, site: Site) -> Iterator[Operator]:
    someone = Operator(browser, site)
    someone.reset()
    yield someone
    someone.leave()


def test_draw_send_and_see_the_tracked_mask(operator: Operator, site: Site) -> None:
    page, truth = operator.page, site.truth == 1
    assert page.text("#state").lower() == "idle"
    operator.freeze()
    operator.use("Lasso")
    outline = operator.outline(truth)
    page.drag(operator.points(*outline))
    assert overlap(operator.drawn() == 1, truth) > 0.9
    page.click("#objects input")
    page.type("the cup")
    page.key("Enter")  # ends the name, sends nothing
    assert page.evaluate("document.body.dataset.mode") == "frozen"
    operator.send()
    operator.wait_live()
    operator.message("accepted")
    page.wait("document.getElementById('state').innerText.toLowerCase() === 'tracking'")
    page.wait("document.querySelector('#objects input')?.value === 'the cup'", "name")
    assert overlap(site.labels() == 1, truth) > 0.6
    # On the screen: the overlay tints the object (where that shows best), and nothing beside it.
    inside = cv2.erode(truth.astype(np.uint8), np.ones((9, 9)))
    smooth = cv2.blur(site.image, (5, 5)).astype(float)
    tint = np.array([128, 0, 0])
    y, x = np.unravel_index(np.argmax(inside * np.abs(smooth - tint).max(axis=-1)), truth.shape)
    assert np.abs(smooth[y, x] - tint).max() > 160  # without a tint the next lines fail
    for place, wanted in (((x, y), (smooth[y, x] + tint) / 2), ((300, 10), smooth[10, 300])):
        seen = np.array(operator.pixel(*map(float, place)))
        assert np.abs(seen - wanted).max() < 40, (seen, wanted)


def test_tools_undo_and_several_objects(operator: Operator, site: Site) -> None:
    page = operator.page
    operator.freeze()
    operator.use("Brush")
    page.drag(operator.points((50, 50), (90, 50)))
    one = operator.drawn()
    assert one[50, 70] == 1 and one[50, 40] == 0 and one[70, 70] == 0
    width = (one[:, 70] > 0).sum()
    assert abs(width - 16) <= 1  # the size that the slider shows
    operator.use("Eraser")
    page.drag(operator.points((70, 50), (71, 50)))
    assert operator.drawn()[50, 70] == 0
    page.key("z", CTRL)
    assert np.array_equal(operator.drawn(), one)
    page.key("y", CTRL)
    assert operator.drawn()[50, 70] == 0
    page.key("z")
    page.click("#add")
    page.wait("document.querySelectorAll('#objects li[data-id]').length === 2", "second object")
    operator.use("Polygon")
    for corner in ((100, 100), (160, 100), (160, 140), (100, 140), (100, 100)):
        page.drag(operator.points(corner))
    both = operator.drawn()
    square = np.zeros(SIZE, bool)
    square[100:140, 100:160] = True
    assert overlap(both == 2, square) > 0.95
    assert np.array_equal(both == 1, one == 1)
    operator.use("Fill")
    page.evaluate("(() => { const s = document.getElementById('tolerance'); s.value = 0;"
                  "s.dispatchEvent(new Event('input')); })()")  # fmt: skip
    page.drag(operator.points((130, 20)))
    operator.page.wait("!document.getElementById('hint').innerText.startsWith('Looking')")
    operator.use("Box")
    ys, xs = np.nonzero(site.truth == 2)
    page.drag(operator.points((xs.min() - 2, ys.min() - 2), (xs.max() + 2, ys.max() + 2)))
    deadline = time.monotonic() + 30
    while overlap(operator.drawn() == 2, site.truth == 2) < 0.4:
        assert time.monotonic() < deadline, "GrabCut did not find the object"
        time.sleep(0.1)
    operator.use("Lasso")
    inset = "document.getElementById('inset').getBoundingClientRect().x"
    right = page.evaluate(inset)
    page.drag(operator.points((312, 232)))  # the camera's corner gives way, to and fro
    assert page.evaluate(inset) < right - 400
    page.drag(operator.points((8, 232)))
    assert page.evaluate(inset) == right
    page.key("Escape")
    assert "again" in page.text("#hint")  # a drawing is not thrown away by one key
    assert page.evaluate("document.body.dataset.mode") == "frozen"
    page.key("Escape")
    operator.wait_live()


def test_refused_mask_gives_its_reason_and_can_be_moved(operator: Operator, site: Site) -> None:
    page = operator.page
    operator.freeze()
    operator.use("Lasso")
    page.drag(operator.points(*operator.outline(site.truth == 2)))
    drawn = operator.drawn()
    site.outrun()
    operator.send()
    said = operator.alert("FRAME_NOT_FOUND")
    assert "no image with stamp" in said and "frame_history" in said
    assert page.evaluate("document.body.dataset.mode") == "frozen"
    assert np.array_equal(operator.drawn(), drawn)  # nothing is lost
    page.click("#alert-action")
    page.wait("document.getElementById('hint').innerText.startsWith('Put the drawing right')")
    operator.send()
    operator.wait_live()
    assert overlap(site.labels() == 1, site.truth == 2) > 0.5


def test_empty_mask_is_refused_on_screen(operator: Operator) -> None:
    operator.freeze()
    operator.send()
    assert "EMPTY" in operator.alert("EMPTY")
    operator.page.click("#discard")
    operator.wait_live()


def test_tablet_draws_with_a_finger_and_zooms_with_two(
    browser: chromium.Browser, site: Site
) -> None:
    operator = Operator(browser, site, touch=True)
    operator.reset()
    page = operator.page
    operator.freeze()
    operator.use("Lasso")
    page.touch([operator.points(*operator.outline(site.truth == 3))])
    drawn = operator.drawn()
    assert overlap(drawn > 0, site.truth == 3) > 0.85
    before = page.evaluate("window.operatorPage.picture.zoom")
    page.touch([
        operator.points((140, 120), (120, 120), (100, 120)),
        operator.points((180, 120), (200, 120), (220, 120)),
    ])  # fmt: skip
    assert page.evaluate("window.operatorPage.picture.zoom") > 1.5 * before
    assert np.array_equal(operator.drawn(), drawn)  # two fingers draw nothing
    text = page.evaluate(
        "[...document.querySelectorAll('button')].filter((b) => b.offsetParent)"
        ".map((b) => [b.innerText, b.offsetHeight, parseFloat(getComputedStyle(b).fontSize)])"
    )
    assert all(height >= 34 and size >= 13 for _, height, size in text), text
    assert page.evaluate("document.body.scrollWidth <= window.innerWidth")
    operator.send()
    operator.wait_live()
    operator.leave()


@pytest.fixture
def other(tmp_path: Path, site: Site) -> Iterator[Operator]:
    """Somebody at another machine."""
    with chromium.Browser(tmp_path / "profile") as second:
        someone = Operator(second, site)
        yield someone
        someone.leave()


def test_two_operators(operator: Operator, other: Operator, site: Site) -> None:
    operator.freeze()
    other.freeze()
    for someone, which in ((operator, 1), (other, 2)):
        someone.use("Lasso")
        someone.page.drag(someone.points(*someone.outline(site.truth == which)))
    assert not set(np.unique(operator.drawn())[1:]) & set(np.unique(other.drawn())[1:])
    operator.send()
    operator.wait_live()
    other.message("sent objects")
    other.send()
    other.wait_live()
    rows = "document.querySelectorAll('#objects li[data-id]').length === 2"
    for someone in (operator, other):
        someone.page.wait(rows, "both objects")
        assert "2 pages open" in someone.page.text("#figures")
    labels = site.labels()
    first, second = np.unique(labels)[1:]
    assert overlap(labels == first, site.truth == 1) > 0.4
    assert overlap(labels == second, site.truth == 2) > 0.4


def test_lost_connection_in_mid_drawing(operator: Operator, site: Site) -> None:
    page = operator.page
    operator.freeze()
    operator.use("Polygon")
    outline = operator.outline(site.truth == 1)
    half = len(outline) // 2
    for corner in outline[:half]:
        page.drag(operator.points(corner))
    port = site.server.port
    site.server.stop()
    page.wait("document.getElementById('hint').innerText.startsWith('Connection lost')")
    assert page.evaluate("document.getElementById('send').disabled")
    for corner in outline[half:]:
        page.drag(operator.points(corner))
    site.server.start(port)
    page.wait("!document.getElementById('send').disabled", "connection")
    operator.message("connected again")
    operator.send()  # closes the polygon, too
    operator.wait_live()
    operator.message("accepted")
    assert overlap(site.labels() == 1, site.truth == 1) > 0.5
    assert all("ERR_CONNECTION_" in fault for fault in page.faults)  # the browser says so, too
    page.faults.clear()


def test_node_restart(operator: Operator, site: Site) -> None:
    page = operator.page
    operator.freeze()
    operator.use("Lasso")
    page.drag(operator.points(*operator.outline(site.truth == 1)))
    operator.send()
    operator.wait_live()
    page.wait("document.querySelectorAll('#objects li[data-id]').length === 1", "object")
    operator.freeze()
    site.node.stop()
    page.wait("document.getElementById('state').innerText.toLowerCase() === 'no tracker'", "", 60)
    operator.message("fell silent")
    operator.use("Brush")
    page.drag(operator.points((100, 100), (120, 100)))
    operator.send()
    assert "Not sent" in operator.alert("tracker")
    assert page.evaluate("document.body.dataset.mode") == "frozen"
    site.start_node()
    operator.message("started again")
    operator.message("objects 1 are forgotten")
    page.wait("document.getElementById('state').innerText.toLowerCase() === 'idle'", "idle", 60)
