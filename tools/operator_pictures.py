"""Takes the pictures of docs/operator.md: the page in Chromium, with the real node.

``deaot-env python tools/operator_pictures.py [--weights W]`` writes docs/pictures/operator_*.jpg.
The camera shows the package's own clip.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test"))

import chromium
from operator_person import Operator
from operator_site import Site

from deaot_ros.demo.environment import enter_private_ros
from deaot_ros.network import shipped_weights
from deaot_ros.synthetic import demo_clip

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
CAMERA = 3.0


def main() -> int:
    """Work with the page and take pictures meanwhile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=shipped_weights("deaot-t"))
    weights = parser.parse_args().weights
    enter_private_ros()
    scene = demo_clip(seconds=40, fps=CAMERA)
    film = [scene.render(k) for k in range(scene.frames // 5)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Site(Path(folder), film, CAMERA, weights=weights, max_long_side=481) as site,
        chromium.Browser(Path(folder) / "profile") as browser,
    ):
        person = Operator(browser, site)
        drawing(person, site)
        tracked(person)
        refused(person, site)
        person.leave()
        tablet(Operator(browser, site, touch=True), site)
    return 0


def drawing(person: Operator, site: Site) -> None:
    """Two objects, one by its box and one by a lasso."""
    person.freeze()
    truth = site.truth_at(person.stamp())
    box(person, truth == 1)
    name(person, 1, "cup")
    person.page.click("#add")
    person.page.wait("document.querySelectorAll('#objects li[data-id]').length === 2", "object")
    person.use("Lasso")
    person.page.drag(person.points(*person.outline(truth == 2)))
    name(person, 2, "cat")
    shoot(person, "drawing")


def tracked(person: Operator) -> None:
    """The same objects a while later."""
    person.send()
    person.wait_live()
    person.page.wait(
        "document.querySelector('#objects li[data-id=\"2\"] input').value === 'cat'"
        "&& window.operatorPage.live.frame.objects?.every((o) => o.state === 'tracked' && o.name)",
        "both objects",
    )
    shoot(person, "tracked")


def refused(person: Operator, site: Site) -> None:
    """A drawing that took too long."""
    person.freeze()
    person.use("Lasso")
    truth = site.truth_at(person.stamp())
    person.page.drag(person.points(*person.outline(truth == truth.max())))
    site.outrun()
    person.send()
    person.alert("FRAME_NOT_FOUND")
    time.sleep(1)
    shoot(person, "refused")


def tablet(person: Operator, site: Site) -> None:
    """A polygon that is being tapped."""
    person.freeze()
    person.use("Polygon")
    truth = site.truth_at(person.stamp())
    corners = person.outline(truth == truth.max())
    for corner in corners[: max(3, 2 * len(corners) // 3)]:
        person.page.touch([person.points(corner)])
    shoot(person, "tablet")
    person.leave()


def box(person: Operator, object_: np.ndarray) -> None:
    """Let the page find an object."""
    ys, xs = np.nonzero(object_)
    corners = (xs.min() - 4, ys.min() - 4), (xs.max() + 4, ys.max() + 4)
    person.use("Box")
    person.page.drag(person.points(*((float(x), float(y)) for x, y in np.linspace(*corners, 9))))
    person.page.wait("!window.operatorPage.desk.drawing.empty", "outline")


def name(person: Operator, number: int, text: str) -> None:
    """Type a name."""
    person.page.click(f"#objects li:nth-child({number + 1}) input")
    person.page.type(text)
    person.page.key("Enter")


def shoot(person: Operator, what: str) -> None:
    """Take the picture."""
    path = PICTURES / f"operator_{what}.jpg"
    time.sleep(0.5)
    person.page.screenshot(path)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    sys.exit(main())
