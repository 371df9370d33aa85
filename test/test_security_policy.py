"""docs/tracker_policy.xml allows the tracker what docs/reference.md says it has, and no more."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

DOCS = Path(__file__).resolve().parents[1] / "docs"
OTHERS = {"/clock", "/parameter_events", "/rosout", "/deaot/tracker/transition_event"}
"""Of every node, or every managed one; the reference leaves them out."""

OPTIONAL = {"/deaot/detections", "/deaot/label_info", "/deaot/image/compressed"}
"""By what is installed, and by a parameter."""


def names(policy: ElementTree.Element, path: str) -> set[str]:
    found = {element.text or "" for element in policy.iterfind(path)}
    return {n.replace("~", "/deaot/tracker") if n[0] in "~/" else f"/deaot/{n}" for n in found}


def test_policy_is_that_of_the_reference() -> None:
    policy = ElementTree.parse(DOCS / "tracker_policy.xml").getroot()
    tracker = (DOCS / "reference.md").read_text().partition("`tracker`")[2].partition("\n## ")[0]
    in_reference = set(re.findall(r"^\| `(/[\w/]+)` \| \w+/\w+ \|", tracker, re.M))
    topics = {n for n in in_reference if not n.startswith("/deaot/tracker/")}
    allowed = names(policy, ".//topic")
    assert topics - allowed == set()
    assert allowed - topics <= OTHERS | OPTIONAL
    services = names(policy, ".//service")
    assert in_reference - topics <= services
    unknown = services - in_reference
    parameters = r"/deaot/tracker/(\w*parameter\w*|get_type_description)"
    assert all(re.fullmatch(parameters, name) for name in unknown), unknown
