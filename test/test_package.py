"""The package as a whole: manifest, messages, launch file, locked versions, wheel, commands."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[1]
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))
LOCKS = ("python", "kilted", "jazzy")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
ENVIRONMENT = Path(sys.prefix, "bin", "deaot-env")

FIELDS = {
    "ObjectPosition": """
        uint16 id, string label, uint8 state, float score, geometry_msgs/Point position,
        geometry_msgs/Vector3 size, uint32 points, float coverage""",
    "ObjectPositionArray": """
        std_msgs/Header header, uint32 session, sequence<deaot_ros/ObjectPosition> objects""",
    "TrackedObject": """
        uint16 id, string label, uint8 state, float score, sensor_msgs/RegionOfInterest roi,
        uint32 area, float centroid_x, float centroid_y, sensor_msgs/Image mask,
        builtin_interfaces/Time last_seen""",
    "TrackedObjectArray": """
        std_msgs/Header header, uint32 width, uint32 height, uint32 session, uint64 frame,
        sequence<deaot_ros/TrackedObject> objects""",
    "TrackerStatus": """
        std_msgs/Header header, uint8 state, string message, string variant, string weights,
        string backend, string device, uint32 session, sequence<uint16> object_ids,
        builtin_interfaces/Time last_mask_stamp, uint8 last_mask_result,
        uint32 memory_slots_used, uint32 memory_slots_capacity, uint64 memory_bytes, float fps,
        float latency_p50_ms, float latency_p95_ms, uint64 frames_received,
        uint64 frames_processed, uint64 frames_dropped""",
}
CONSTANTS = {
    "TrackedObject": ["UNKNOWN", "TRACKED", "OCCLUDED", "LOST", "REMOVED"],
    "TrackerStatus": ["NO_IMAGE", "IDLE", "TRACKING", "PAUSED", "BUILDING_ENGINE", "ERROR"],
}
MASK_RESULTS = [
    "NONE",
    "ACCEPTED",
    "BAD_SIZE",
    "BAD_ENCODING",
    "EMPTY",
    "TOO_MANY_OBJECTS",
    "FRAME_NOT_FOUND",
    "BAD_ID",
]


def read(name: str) -> str:
    return (ROOT / name).read_text()


def manifest() -> ElementTree.Element:
    return ElementTree.parse(ROOT / "package.xml").getroot()


def locked(name: str, python: str = "{}.{}".format(*sys.version_info)) -> dict[str, str]:
    """Exact versions that the lock file ``name`` gives to ``python``, at most one per package."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    exact = re.compile(r"([\w.-]+)==([\w.]+)(?:; (python_version .+))?")
    found: dict[str, str] = {}
    for line in pins:
        part = exact.fullmatch(line)
        assert part, f"requirements/{name}.txt must give exact versions, not {line}"
        if part[3] is None or Marker(part[3]).evaluate({"python_version": python}):
            assert part[1] not in found, f"two versions of {part[1]} for Python {python}"
            found[part[1]] = part[2]
    return found


def imports(folder: str) -> set[str]:
    """Top-level modules that the Python files of ``folder`` import."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found


def test_manifest_is_that_of_one_package_with_messages_and_python() -> None:
    package = manifest()
    assert package.get("format") == "3"
    assert package.findtext("name") == "deaot_ros"
    assert package.findtext("license") == "BSD-3-Clause"
    assert package.findtext("member_of_group") == "rosidl_interface_packages"
    assert package.findtext("export/build_type") == "ament_cmake"
    assert f'version = "{package.findtext("version")}"' in (ROOT / "pyproject.toml").read_text()


def test_every_ros_package_that_is_imported_is_declared() -> None:
    optional = {"cv_bridge"}  # used where it is installed, and only there
    ros = re.compile(r".*_(msgs|srvs|interfaces)|rclpy|launch|launch_ros|ament_index_python")
    used = {name for name in imports("deaot_ros") | imports("launch") if ros.fullmatch(name)}
    package = manifest()
    declared = {element.text for tag in ("depend", "exec_depend") for element in package.iter(tag)}
    assert {"rclpy", "launch_ros"} <= declared
    assert used - declared - optional == set()


def test_cmake_generates_every_message_file() -> None:
    listed = set(re.findall(r"^\s+((?:msg|srv)/\w+\.\w+)$", read("CMakeLists.txt"), re.M))
    present = {f"{p.parent.name}/{p.name}" for d in ("msg", "srv") for p in (ROOT / d).iterdir()}
    assert listed == present


def test_init_holds_only_its_docstring() -> None:
    # The message generator installs an empty file of the same name, and either may win.
    body = ast.parse(read("deaot_ros/__init__.py")).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert not any((ROOT / "deaot_ros" / name).exists() for name in ("msg", "srv", "action"))


@pytest.mark.parametrize("name", FIELDS)
def test_message_has_the_published_fields(name: str) -> None:
    pytest.importorskip("rclpy", reason="no ROS in this environment")
    messages = importlib.import_module("deaot_ros.msg")
    wanted = dict(reversed(pair.split()) for pair in FIELDS[name].split(","))
    assert getattr(messages, name).get_fields_and_field_types() == wanted


def test_constants_count_from_zero_in_the_published_order() -> None:
    pytest.importorskip("rclpy", reason="no ROS in this environment")
    messages = importlib.import_module("deaot_ros.msg")
    for name, constants in [*CONSTANTS.items(), ("TrackerStatus", MASK_RESULTS)]:
        values = [getattr(getattr(messages, name), constant) for constant in constants]
        assert values == list(range(len(constants))), name
    request = importlib.import_module("deaot_ros.srv").SetTargets.Request
    assert [request.ADD, request.CORRECT, request.REPLACE, request.MERGE] == [0, 1, 2, 3]


def test_object_states_agree_with_the_tracker() -> None:
    pytest.importorskip("rclpy", reason="no ROS in this environment")
    message = importlib.import_module("deaot_ros.msg").TrackedObject
    states = importlib.import_module("deaot_ros.tracking").ObjectState
    assert {state.name: state.value for state in states} == {
        name: getattr(message, name) for name in CONSTANTS["TrackedObject"]
    }


def declared_arguments(file: Path) -> dict[str, str | None]:
    """Name and default of each argument at the top level of a launch file; None: not a text."""
    functions = [n for n in ast.parse(file.read_text()).body if isinstance(n, ast.FunctionDef)]
    generate = next(f for f in functions if f.name == "generate_launch_description")
    arguments = {}
    for node in ast.walk(generate):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "DeclareLaunchArgument":
            default = next((k.value for k in node.keywords if k.arg == "default_value"), None)
            name = ast.literal_eval(node.args[0])
            arguments[name] = default.value if isinstance(default, ast.Constant) else None
    return arguments


@pytest.mark.parametrize("file", LAUNCH_FILES, ids=lambda file: file.name)
def test_launch_arguments_are_those_of_the_documentation(file: Path) -> None:
    section = read("docs/launch.md").partition(f"\n## {file.name}\n")[2].partition("\n## ")[0]
    assert section, f"docs/launch.md has no section on {file.name}"
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)?([^|]*)\|", section, re.M)
    documented = {name: None if rest.strip() else default for name, default, rest in rows}
    assert declared_arguments(file) == documented
    if file.name == "tracker.launch.py":
        assert len(documented) == 21


@pytest.mark.parametrize("file", LAUNCH_FILES, ids=lambda file: file.name)
def test_launch_file_loads_and_shows_its_arguments(file: Path) -> None:
    if importlib.util.find_spec("launch_ros") is None:
        pytest.skip("launch_ros is not installed (it is not on PyPI): launch file not loaded")
    sources = importlib.import_module("launch.launch_description_sources")
    description = sources.get_launch_description_from_python_launch_file(str(file))
    names = [argument.name for argument in description.get_launch_arguments()]
    assert names[: len(declared_arguments(file))] == list(declared_arguments(file))


def anchors(page: Path) -> set[str]:
    """What a forge names the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w -]", "", h.lower()).strip().replace(" ", "-") for h in headings}


PAGES = [ROOT / "README.md", ROOT / "models" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_documentation_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_of_the_documentation_is_in_its_index() -> None:
    index = set(re.findall(r"\]\((\w+\.md)\)", read("docs/README.md")))
    assert index == {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("name", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_for_every_python(name: str, python: str) -> None:
    assert len(locked(name, python)) > 40


def test_only_backports_differ_between_pythons() -> None:
    backports = {"backports.zstd", "exceptiongroup", "six", "tomli"}
    # The last onnxruntime for Python 3.10 asks for more than its successors.
    backports |= {"coloredlogs", "humanfriendly"}
    always = locked("python", "3.12").keys() - backports
    for python in PYTHONS:
        assert locked("python", python).keys() - backports == always, python


def test_environment_holds_the_locked_versions() -> None:
    if not Path(sys.prefix, ".packages_ready").exists():
        pytest.skip("not in the environment of make setup")
    rclpy = metadata.version("ros-rclpy")
    ros = next(lock for lock in map(locked, LOCKS[1:]) if lock["ros-rclpy"] == rclpy)
    wanted = locked("python") | ros
    found = {name: metadata.version(name).split("+")[0] for name in wanted}
    assert found == wanted


def test_wheel_of_the_core_brings_code_weights_and_commands(tmp_path: Path) -> None:
    for name in ("setup.py", "pyproject.toml", "package.xml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, tmp_path)
    for name in ("deaot_ros", "config", "models", "msg"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", "wheels", "."]
    command = [sys.executable, "-m", "pip", "wheel", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "wheels").glob("deaot_ros-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
        commands = archive.read(entry_points).decode()
    page = (ROOT / "deaot_ros" / "operator_ui" / "static").rglob("*.*")
    files = [*(ROOT / "deaot_ros").rglob("*.py"), *page]
    sources = {path.relative_to(ROOT).as_posix() for path in files}
    assert sources <= set(names)
    shared = {p.relative_to(ROOT).as_posix() for p in (ROOT / "models").glob("*.safetensors")}
    shared |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "config").rglob("*.*")}
    shared |= {p.relative_to(ROOT).as_posix() for p in (ROOT / "msg").glob("*.msg")}
    missing = {s for s in shared if not any(n.endswith(f"share/deaot_ros/{s}") for n in names)}
    assert not missing
    assert "deaot = deaot_ros.cli:main" in commands
    assert "deaot-tracker-node = deaot_ros.node.main:main" in commands


@pytest.mark.skipif(not ENVIRONMENT.exists(), reason="not in the environment of make setup")
@pytest.mark.parametrize("folder", [ROOT, Path("/")], ids=["repository", "elsewhere"])
def test_commands_see_the_messages_from_any_folder_with_nothing_sourced(folder: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    code = "from deaot_ros.msg import TrackedObject; import deaot_ros.network; print('seen')"
    for command, words in (
        ([str(ENVIRONMENT), "python", "-c", code], "seen"),
        ([str(ENVIRONMENT.with_name("deaot")), "--help"], "usage: deaot"),
    ):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
