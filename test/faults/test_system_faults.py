"""What the machine does: memory, processor, disks, devices, other processes, clocks."""

from __future__ import annotations

import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from bench import IDS, NODE, Bench, next_domain
from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from robot import RELIABLE, Robot, TrackerProcess, image_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from deaot_ros.demo.environment import child_environment
from deaot_ros.msg import TrackedObject, TrackerStatus
from deaot_ros.network import shipped_weights
from deaot_ros.soak.resources import shared_segments, usage
from deaot_ros.soak.scene import Scene
from deaot_ros.tracking.calibration import calibration_path
from deaot_ros.video.masks import write_mask

SECOND = 10**9


def fault(name: str, how: str, expected: str) -> pytest.MarkDecorator:
    return pytest.mark.fault("system", name, how, expected)


# Files


class Touched:
    """Unpickling this creates the file ``name``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (self.name,)


def damage(case: str, folder: Path) -> Path:
    """A weights file that is no good."""
    whole = Path(NODE["weights"]).read_bytes()  # type: ignore[arg-type]
    file = folder / "weights.safetensors"
    if case == "truncated":
        file.write_bytes(whole[: len(whole) // 2])
    elif case == "header":
        file.write_bytes((2**60).to_bytes(8, "little") + whole[8:])
    elif case == "not-finite":
        file.write_bytes(whole[:-4096] + np.full(1024, np.nan, np.float32).tobytes())
    elif case == "empty":
        file.write_bytes(b"")
    elif case == "folder":
        file.mkdir()
    elif case == "other-network":
        from safetensors.torch import save_file

        save_file({"weight": torch.zeros(3)}, file)
    else:
        file = folder / "weights.pth"
        file.write_bytes(pickle.dumps({"state_dict": Touched(str(folder / "executed"))}))
    return file


WEIGHTS = {
    "truncated": "is not a readable safetensors file",
    "header": "is not a readable safetensors file",
    "not-finite": "not finite",
    "empty": "is not a readable safetensors file",
    "folder": "no weights file at",
    "other-network": "does not fit 'deaot-t'",
    "hostile-pickle": "is damaged, or holds more than plain tensors",
}


@pytest.fixture(scope="module")
def unconfigured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A node that waits to be configured."""
    process = TrackerProcess(tmp_path_factory.mktemp("node") / "log", **NODE, autostart=False)
    domain = next_domain()
    process.environment["ROS_DOMAIN_ID"] = str(domain)
    with process:
        robot = Robot(domain=domain)
        try:
            yield Bench(process, robot, 1)
        finally:
            robot.close()
        assert process.stop() == 0
        assert "Traceback" not in process.output, process.output


def refuses(bench: Bench, weights: Path) -> str:
    """What a node says when it is configured with these weights."""
    before = len(bench.process.output)
    parameter = Parameter("weights", value=str(weights)).to_parameter_msg()
    answer = bench.robot.call(SetParameters, "tracker/set_parameters", parameters=[parameter])
    assert answer.results[0].successful
    wanted = Transition(id=Transition.TRANSITION_CONFIGURE)
    call = bench.robot.call
    assert not call(ChangeState, "tracker/change_state", transition=wanted).success
    assert call(GetState, "tracker/get_state").current_state.label == "unconfigured"
    said = bench.process.output[before:]
    (line,) = [text for text in said.splitlines() if "configure failed" in text]
    return line


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=fault(
            f"weights: {case}", "a node is configured with such a file",
            "refused in one line that says what is wrong; nothing in the file is executed",
        ))
        for case in WEIGHTS
    ],
)  # fmt: skip
def test_damaged_weights(
    case: str, unconfigured: Bench, tmp_path: Path, observe: Callable[[str], None]
) -> None:
    line = refuses(unconfigured, damage(case, tmp_path))
    assert WEIGHTS[case] in line
    assert not (tmp_path / "executed").exists()
    observe(f'"{WEIGHTS[case]}"')


@fault("damaged calibration of scores", "the JSON beside the weights is nested 100,000 deep",
       "refused with the remedy")  # fmt: skip
def test_damaged_calibration(
    unconfigured: Bench, tmp_path: Path, observe: Callable[[str], None]
) -> None:
    weights = tmp_path / "weights.safetensors"
    shutil.copy(shipped_weights("deaot-t"), weights)  # type: ignore[arg-type]
    calibration_path(weights).write_text("[" * 100_000)
    assert "is not a calibration of scores" in refuses(unconfigured, weights)
    observe('"is not a calibration of scores"')


@fault("logs cannot be written", "ROS_LOG_DIR lies below a file", "ends with a reason, or tracks")
def test_no_log_folder(tmp_path: Path, observe: Callable[[str], None]) -> None:
    (tmp_path / "file").write_text("")
    process = TrackerProcess(tmp_path / "log", **NODE)
    process.environment |= {
        "ROS_LOG_DIR": str(tmp_path / "file" / "below"),
        "ROS_DOMAIN_ID": str(next_domain()),
    }
    with process:
        robot = Robot(domain=int(process.environment["ROS_DOMAIN_ID"]))
        try:
            robot.spin_until(lambda: robot.statuses or not process.running, "status or end")
        finally:
            robot.close()
        if process.running:
            observe("tracks")
        else:
            assert "log" in process.output.lower(), process.output
            assert "Traceback" not in process.output, process.output
            observe("ends: " + process.output.strip().splitlines()[-1][:80])


def track(folder: Path, output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``deaot track`` of two images."""
    import cv2

    images = folder / "images"
    images.mkdir()
    scene = Scene()
    for number in range(2):
        image, truth = scene.render(number)
        cv2.imwrite(str(images / f"{number:05}.png"), image[..., ::-1])
        if number == 0:
            write_mask(folder / "mask.png", truth)
    command = ["deaot_ros.cli", "track", str(images), "--mask", str(folder / "mask.png")]
    return subprocess.run(
        [sys.executable, "-m", *command, "--output", str(output)], capture_output=True, text=True,
        timeout=120, env={**child_environment(), **environment}, check=False,
    )  # fmt: skip


@fault("disk full for outputs of `deaot track`", "masks/00001.png is a link to /dev/full",
       "ends with 2 and one line with the file")  # fmt: skip
def test_disk_full(tmp_path: Path, observe: Callable[[str], None]) -> None:
    masks = tmp_path / "out" / "masks"
    masks.mkdir(parents=True)
    (masks / "00001.png").symlink_to("/dev/full")
    done = track(tmp_path, tmp_path / "out")
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "00001.png" in last and "No space left" in last, done.stderr
    observe(f'"{last.replace(str(tmp_path), "")[:80]}"')


@fault("disk full for objects.jsonl", "objects.jsonl is a link to /dev/full",
       "ends with 2 and one line")  # fmt: skip
def test_disk_full_for_table(tmp_path: Path, observe: Callable[[str], None]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "objects.jsonl").symlink_to("/dev/full")
    done = track(tmp_path, tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "No space left" in last, done.stderr
    observe(f'"{last[:80]}"')


# Network


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory, seed: int) -> Iterator[Bench]:
    """A node whose network fails on request."""
    folder = tmp_path_factory.mktemp("failing")
    process = TrackerProcess(folder / "log", **NODE)
    process.module = "faulty_node"
    here = str(Path(__file__).parent)
    domain = next_domain()
    process.environment |= {
        "DEAOT_FAULT": str(folder / "fault"),
        "PYTHONPATH": os.pathsep.join([here, child_environment()["PYTHONPATH"]]),
        "ROS_DOMAIN_ID": str(domain),
    }
    with process:
        robot = Robot(domain=domain)
        try:
            robot.meet()
            yield Bench(process, robot, seed)
        finally:
            robot.close()
            process.kill()


@pytest.fixture
def faulty(failing: Bench, observe: Callable[[str], None]) -> Bench:
    """The same, with both objects tracked."""
    trigger(failing, "")
    failing.observe = observe
    failing.make_ready()
    return failing


def trigger(faulty: Bench, name: str) -> None:
    (faulty.process.log.parent / "fault").write_text(name)


NETWORK = {
    "nan": "values that are not finite",
    "inf": "values that are not finite",
    "oom": "out of memory, this frame or mask is left out",
    "bug": r"a frame or mask failed \(IndexError: list index out of range\)",
}


@fault("NaN, Inf, out of memory, any exception in the network",
       "a wrapper of the network's call makes five frames of each fail, and a mask",
       "left out; ERROR with the remedy; memory is not spoilt: tracked with the next image")
def test_network_fails(faulty: Bench) -> None:  # fmt: skip
    for name, words in NETWORK.items():
        trigger(faulty, name)
        for _ in range(5):
            stamp = faulty.show()
            faulty.status(words, TrackerStatus.ERROR)
            assert stamp not in faulty.robot.masks
            faulty.robot.statuses.clear()
        faulty.diagnosed("tracker", words)
        faulty.said(words)
        trigger(faulty, "")
        faulty.recover()
    trigger(faulty, "oom")
    stamp = next(reversed(faulty.truth))
    new = np.where(faulty.truth[stamp] == 0, np.uint8(7), np.uint8(0))
    faulty.robot.operator.publish(faulty.mask(stamp, new))
    faulty.robot.listen(1.0)
    trigger(faulty, "")
    faulty.recover()
    assert list(faulty.states(next(reversed(faulty.robot.objects)))) == IDS
    assert faulty.watch.violations == []
    assert faulty.process.output.count("Traceback") <= 3  # of the unknown one only


@fault("out of memory at the first mask", "the network's call fails while a session begins",
       "told; outputs go on without objects; the next mask is accepted")  # fmt: skip
def test_first_mask_out_of_memory(faulty: Bench) -> None:
    assert faulty.robot.call(Trigger, "tracker/reset").success
    stamp = faulty.follow()
    trigger(faulty, "oom")
    faulty.robot.operator.publish(faulty.mask(stamp))
    faulty.status("out of memory", TrackerStatus.ERROR)
    trigger(faulty, "")
    assert faulty.states(faulty.follow()) == {}
    faulty.mark()
    faulty.observe("accepted at the second try")


@fault("device lost in mid-frame", "the network's call raises CUDA's unspecified launch failure",
       "ends with 1 and the reason: no work of this process could go on")  # fmt: skip
def test_device_lost(faulty: Bench) -> None:
    before = len(faulty.process.output)
    trigger(faulty, "lost")
    faulty.show()
    faulty.status("the device is lost")
    assert faulty.process.wait() == 1
    last = faulty.process.output.strip().splitlines()[-1]
    assert "the device is lost" in last and "Start it again" in last, faulty.process.output
    assert "Traceback" not in faulty.process.output[before:]
    faulty.observe("exit status 1")


# Machine


@fault("process stopped", "SIGSTOP for a second while images come", "newest image wins afterwards")
def test_stopped_process(bench: Bench) -> None:
    os.kill(bench.process.pid, signal.SIGSTOP)
    try:
        bench.film(1.0, 5, bench.show)
    finally:
        os.kill(bench.process.pid, signal.SIGCONT)
    bench.answer(bench.show())
    bench.recover()


@fault("processor is taken", "four busy loops for three seconds", "slower; nothing is lost")
def test_busy_processor(bench: Bench) -> None:
    loop = [sys.executable, "-S", "-c", "while True: pass"]
    hogs = [subprocess.Popen(loop) for _ in range(4)]
    try:
        bench.film(3.0, 4, bench.show)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    bench.answer(bench.show())
    bench.recover()


@fault("memory limit", "the address space may not grow while 50-megapixel images come",
       "frames are left out, told with the remedy; goes on when memory is there again")
def test_memory_limit(make_bench: Callable[..., Bench]) -> None:  # fmt: skip
    import array

    import cv2
    from sensor_msgs.msg import CompressedImage

    bench = make_bench(image_transport="compressed")
    robot = bench.robot
    robot.meet()

    def jpeg(image: np.ndarray) -> int:
        header = image_message(image, bench.now(), "rgb8").header
        message = CompressedImage(header=header, format="jpeg")
        message.data = array.array("B", cv2.imencode(".jpg", image)[1].tobytes())
        robot.jpeg_camera.publish(message)
        stamp = header.stamp.sec * SECOND + header.stamp.nanosec
        bench.watch.sent(header, image.shape[:2])
        return stamp

    small = bench.render()[0]
    bench.answer(jpeg(small))
    status = Path(f"/proc/{bench.process.pid}/status").read_text()
    size = 1024 * int(status.partition("VmSize:")[2].split()[0])
    old = resource.prlimit(bench.process.pid, resource.RLIMIT_AS)
    resource.prlimit(bench.process.pid, resource.RLIMIT_AS, (size + 40 * 2**20, old[1]))
    try:
        for _ in range(3):
            jpeg(np.zeros((5800, 8600, 3), np.uint8))
            bench.status("out of memory|cannot be decoded", TrackerStatus.ERROR)
            robot.statuses.clear()
    finally:
        resource.prlimit(bench.process.pid, resource.RLIMIT_AS, old)
    bench.answer(jpeg(small))
    bench.said("out of memory|cannot be decoded")
    assert bench.process.running


@fault("no more file descriptors", "RLIMIT_NOFILE at what is open; watchers and cameras come",
       "the process lives; goes on when there are some again")  # fmt: skip
def test_no_file_descriptors(bench: Bench) -> None:
    pid = bench.process.pid
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (usage(pid).files, old[1]))
    newcomer = None
    try:
        newcomer = Robot(domain=int(os.environ["ROS_DOMAIN_ID"]))
        newcomer.listen(0.5)
        bench.answer(bench.show())
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
        if newcomer is not None:
            newcomer.close()
    bench.recover()


DEAF = """
import sys, time, rclpy
from deaot_ros.msg import TrackedObjectArray
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("deaf", namespace="deaot")
for kind, topic in ((Image, "mask"), (TrackedObjectArray, "objects"), (Image, "overlay")):
    node.create_subscription(kind, topic, print, 10)
print("ready", flush=True)
time.sleep(600)
"""


@fault("subscribers that never read", "three processes subscribe reliably; one of them is stopped",
       "outputs to others are not held up")  # fmt: skip
def test_deaf_subscribers(bench: Bench) -> None:
    command = [sys.executable, "-P", "-c", DEAF]
    deaf = [
        subprocess.Popen(command, env=child_environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for process in deaf:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        bench.robot.spin_until(
            lambda: bench.robot.node.count_subscribers("overlay") >= 2, "subscribers"
        )
        os.kill(deaf[0].pid, signal.SIGSTOP)
        for _ in range(15):
            bench.follow()
        bench.recover()
    finally:
        for process in deaf:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
    bench.follow(3)


@fault("twenty subscribers", "ten each to mask and overlay, coming and going",
       "all are served; no leak of threads or files")  # fmt: skip
def test_twenty_subscribers(bench: Bench) -> None:
    heard: set[tuple[str, int]] = set()
    for _ in range(2):
        heard.clear()
        watchers = [
            bench.robot.node.create_subscription(
                Image, topic, lambda _, n=number, t=topic: heard.add((t, n)), RELIABLE
            )
            for topic in ("mask", "overlay")
            for number in range(10)
        ]
        bench.robot.listen(0.5)
        bench.follow(2)
        bench.robot.spin_until(lambda: len(heard) == 20, "all subscribers", patience=15)
        for watcher in watchers:
            bench.robot.node.destroy_subscription(watcher)
    bench.recover()


@fault("shared memory left over from crashes", "three participants killed in mid-work",
       "a new node starts, and what is left over does not grow with every start")  # fmt: skip
def test_left_over_shared_memory(bench: Bench) -> None:
    command = [sys.executable, "-P", "-c", DEAF]
    counts = []
    for _ in range(3):
        process = subprocess.Popen(
            command, env=child_environment(), stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        bench.follow()
        process.kill()
        process.wait()
        process.stdout.close()
        counts.append(shared_segments())
    bench.observe(f"{counts[0]}, {counts[1]}, {counts[2]} segments after each")
    bench.recover()


@fault("simulated time that stands still and jumps back", "use_sim_time, /clock at 0, 100, 50 s",
       "timers and outputs go on; stamps of images alone count")  # fmt: skip
def test_simulated_time(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(use_sim_time=True)
    bench.robot.meet()  # status comes although the clock stands at 0
    bench.mark()
    session = bench.newest().session
    clock = bench.robot.node.create_publisher(Clock, "/clock", 10)
    for second in (100, 50):
        for _ in range(3):
            clock.publish(Clock(clock=Time(sec=second)))
            bench.follow()
    for _ in range(3):  # images without stamps must not follow the clock back
        bench.robot.masks.pop(0, None)
        bench.robot.objects.pop(0, None)
        bench.show(stamp=0)
        bench.answer(0)
    bench.follow()
    assert bench.newest().session == session
    bench.robot.status_where(lambda s: s.header.stamp.sec >= 50, "status with the clock's time")
    bench.check()
    bench.observe("one session through all of it")


@fault("an hour with all objects gone", "black images over an hour of stamps, then the scene",
       "LOST, memory bounded, ids and session kept")  # fmt: skip
def test_an_hour_without_objects(bench: Bench) -> None:
    before = usage(bench.process.pid).host
    for _ in range(12):
        bench.offset += 300 * SECOND
        stamp = bench.show(np.zeros_like)
        bench.answer(stamp)
    assert bench.states(stamp) == dict.fromkeys(IDS, TrackedObject.LOST)
    assert usage(bench.process.pid).host - before < 30
    stamp = bench.follow(4)
    assert list(bench.states(stamp)) == IDS
    assert bench.newest().session == bench.session
    bench.observe(f"{sum(s == TrackedObject.TRACKED for s in bench.states(stamp).values())} of 2 "
                  "objects found again without a mask")  # fmt: skip
    bench.make_ready()


@fault("tiny shared-memory segment", "the default profile of Fast DDS, images of 2 MB, best effort",
       "the remedy is told; what fits is processed")  # fmt: skip
def test_small_segment(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    import cv2
    from robot import BEST_EFFORT

    process = TrackerProcess(tmp_path / "log", **NODE)
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        process.environment[name] = ""
    process.environment["FASTDDS_BUILTIN_TRANSPORTS"] = "SHM"
    bench = make_bench(process)
    robot = bench.robot
    robot.node.destroy_publisher(robot.camera)
    robot.camera = robot.node.create_publisher(Image, "image", BEST_EFFORT)
    robot.spin_until(lambda: robot.statuses, "status")
    robot.spin_until(robot.camera.get_subscription_count, "subscription")
    deadline = time.monotonic() + 30
    words = "best-effort images above 512 KiB get lost"

    def told() -> bool:
        return any(words in s.message for array in robot.diagnostics for s in array.status)

    sent = 0
    while not told():
        bench.show(lambda i: cv2.resize(i, (960, 720)))
        robot.listen(0.3)
        sent += 1
        assert time.monotonic() < deadline
    arrived = len(robot.objects)  # chance has a part in it
    bench.observe(f"{arrived} of {sent} arrived; `/diagnostics` input")
    while len(robot.objects) == arrived:  # one that fits
        bench.show()
        robot.listen(0.3)
        assert time.monotonic() < deadline
    bench.check()
