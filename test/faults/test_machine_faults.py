"""What the machine does: memory, processor, other processes, clocks."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from bench import NODE, Bench
from builtin_interfaces.msg import Time
from robot import RELIABLE, Robot, TrackerProcess, image_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from deaot_ros.demo.environment import child_environment
from deaot_ros.msg import TrackerStatus
from deaot_ros.soak.resources import shared_segments, usage

SECOND = 10**9

fault = partial(pytest.mark.fault, "system")


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

    words = r"out of memory|and memory for its 49\.9 million pixels"
    small = bench.render()[0]
    bench.answer(jpeg(small))
    status = Path(f"/proc/{bench.process.pid}/status").read_text()
    size = 1024 * int(status.partition("VmSize:")[2].split()[0])
    old = resource.prlimit(bench.process.pid, resource.RLIMIT_AS)
    resource.prlimit(bench.process.pid, resource.RLIMIT_AS, (size + 40 * 2**20, old[1]))
    try:
        for _ in range(3):
            jpeg(np.zeros((5800, 8600, 3), np.uint8))
            bench.status(words, TrackerStatus.ERROR)
            robot.statuses.clear()
    finally:
        resource.prlimit(bench.process.pid, resource.RLIMIT_AS, old)
    bench.answer(jpeg(small))
    bench.said(words)
    bench.check()


@fault("no more file descriptors", "RLIMIT_NOFILE at what is open; watchers and cameras come",
       "the process lives; goes on when there are some again")  # fmt: skip
def test_no_file_descriptors(bench: Bench) -> None:
    pid = bench.process.pid
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (usage(pid).files, old[1]))
    newcomer = None
    try:
        newcomer = Robot(domain=bench.domain)
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


def deaf_subscriber(bench: Bench) -> subprocess.Popen[str]:
    """A process that subscribes to all outputs and never takes one."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", DEAF], stdout=subprocess.PIPE, text=True,
        env={**child_environment(), "ROS_DOMAIN_ID": str(bench.domain)},
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@fault("subscribers that never read",
       "two processes subscribe reliably and take nothing; one of them is stopped",
       "outputs to others are not held up")  # fmt: skip
def test_deaf_subscribers(bench: Bench) -> None:
    deaf = [deaf_subscriber(bench) for _ in range(2)]
    try:
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
    before = usage(bench.process.pid)
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
    after = usage(bench.process.pid)
    assert after.files <= before.files + 1 and after.threads <= before.threads


@fault("shared memory left over from crashes", "three participants killed in mid-work",
       "tracking goes on; a new participant starts and hears; few segments stay of each crash")
def test_left_over_shared_memory(bench: Bench) -> None:  # fmt: skip
    counts = [shared_segments()]
    for _ in range(3):
        process = deaf_subscriber(bench)
        bench.follow()
        process.kill()
        process.communicate()
        counts.append(shared_segments())
    left = counts[-1] - counts[0]  # of other programs too, on a machine that is shared
    bench.observe(f"{left} segments stay")
    newcomer = Robot(domain=bench.domain)
    try:
        newcomer.spin_until(lambda: newcomer.node.count_publishers("mask"), "tracker")
        bench.follow()
        newcomer.spin_until(lambda: newcomer.masks, "an output")
    finally:
        newcomer.close()
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
