"""The managed node: parameters, lifecycle, services; everything slow is the worker's."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.task import Future
from rclpy.timer import Timer
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

from deaot_ros import host_memory
from deaot_ros.backends import SwitchingBackend
from deaot_ros.errors import DeaotError, ImageError, MaskError
from deaot_ros.msg import TrackerStatus
from deaot_ros.node import parameters, qos
from deaot_ros.node.camera import Camera
from deaot_ros.node.diagnostics import DiagnosticsPublisher
from deaot_ros.node.engine_build import EngineBuild
from deaot_ros.node.networks import Networks
from deaot_ros.node.outputs import Outputs
from deaot_ros.node.status import StatusPublisher
from deaot_ros.node.worker import Worker
from deaot_ros.srv import RemoveObject, SetTargets

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

WARM_UP_SIZE = (240, 320)
"""Height and width of the throw-away frame at configure: loads kernels, takes little time."""

FOLLOW_PERIOD = 0.5
"""Seconds between looks at who publishes the camera."""

MOST_WAITING = 5
"""Requests that may wait for the worker when a mask comes; memory must stay bounded."""

MOST_CALLS = 200
"""The same for a call without a mask: small and quick, so that an operator who clears up behind a
flood of masks is never refused."""

STATUS_PERIOD = 1.0
"""Seconds between status messages while nothing changes."""

MODES = {
    SetTargets.Request.ADD: "add",
    SetTargets.Request.CORRECT: "correct",
    SetTargets.Request.REPLACE: "replace",
    SetTargets.Request.MERGE: "merge",
}

Transition = Callable[["TrackerNode", LifecycleState], None]


def visible(transition: Transition) -> Callable[..., TransitionCallbackReturn]:
    """Make a transition that raises fail with its reason in the log; rclpy would swallow it."""

    def run(self: TrackerNode, state: LifecycleState) -> TransitionCallbackReturn:
        name = transition.__name__.removeprefix("_")
        try:
            transition(self, state)
        except DeaotError as error:
            self.get_logger().error(f"{name} failed: {error}")
        except Exception:
            self.get_logger().error(f"{name} failed:\n{traceback.format_exc()}")
        else:
            return SUCCESS
        if name == "configure":
            self._release()
        elif name == "activate":
            self._rest()
        return FAILURE

    return run


class TrackerNode(LifecycleNode):
    """Tracks the objects of target masks through the images of a camera."""

    def __init__(self, networks: Networks | None = None, **options: object) -> None:
        """Declare parameters.

        Args:
            networks: shared with other nodes of this process; None: its own.
            options: of rclpy's node.
        """
        super().__init__("tracker", **options)
        self._networks = networks or Networks()
        self._worker: Worker | None = None
        self._outputs: Outputs | None = None
        self._status: StatusPublisher | None = None
        self._diagnostics: DiagnosticsPublisher | None = None
        self._camera: Camera | None = None
        self._build: EngineBuild | None = None
        self._told = ""
        self._spare = host_memory.Spare()
        self._while_active: list[Callable[[], object]] = []
        self._while_configured: list[Callable[[], object]] = []
        parameters.declare(self)
        self._settings = parameters.Parameters()
        self.add_on_set_parameters_callback(self._on_parameters)

    # Lifecycle

    @visible
    def _configure(self, _: LifecycleState) -> None:
        self._settings = current = parameters.read(self)
        tracker = self._networks.tracker(current)
        with self._networks.batches.turn():
            tracker.warm_up(*WARM_UP_SIZE)
        self._status = StatusPublisher(self)
        self._outputs = Outputs(self)
        self._diagnostics = DiagnosticsPublisher(self, tracker.device)
        self._worker = Worker(
            tracker,
            self._outputs,
            lambda: self._settings,
            self.get_logger(),
            self._networks.batches,
            self._publish_status,
        )
        if isinstance(tracker.runner, SwitchingBackend):
            self._build = EngineBuild(
                tracker.runner, current, tracker.weights, self.get_logger().info,
                self._networks.batches.turn,
            )  # fmt: skip
        elif current.build_only:
            raise parameters.ParameterError(
                f"build_only is set, but backend {tracker.backend} has nothing to build "
                f"({tracker.backend_reason}); set backend to tensorrt or onnxruntime"
            )
        # Reentrant: a service waits for the worker, and must not hold up images meanwhile.
        group = ReentrantCallbackGroup()
        for kind, name, callback in (
            (SetTargets, "~/set_targets", self._on_set_targets),
            (RemoveObject, "~/remove_object", self._on_remove_object),
            (Trigger, "~/reset", self._on_reset),
            (SetBool, "~/enable", self._on_enable),
            (Trigger, "~/build_engine", self._on_build_engine),
        ):
            service = self.create_service(kind, name, callback, callback_group=group)
            self._while_configured.append(lambda s=service: self.destroy_service(s))
        for period, tick in (
            (STATUS_PERIOD, self._publish_status),
            (FOLLOW_PERIOD, self._follow_build),
            (current.diagnostic_period, self._publish_diagnostics),
            (host_memory.PERIOD, self._give_back_memory),
        ):
            timer = self._create_timer(period, tick)
            self._while_configured.append(lambda t=timer: self.destroy_timer(t))
        self.get_logger().info(
            f"{tracker.variant} on {tracker.device} by {tracker.backend} "
            f"({tracker.backend_reason}) in {tracker.precision}, weights {tracker.weights}"
        )
        self._publish_status()

    @visible
    def _activate(self, _: LifecycleState) -> None:
        worker = self._configured()
        self._camera = camera = Camera(self, self._settings, worker.put_frame)
        self._while_active.append(camera.destroy)
        targets = self.create_subscription(
            Image, "target_mask", self._on_target_mask, qos.TARGET_MASK
        )
        self._while_active.append(lambda: self.destroy_subscription(targets))
        follow = self._create_timer(FOLLOW_PERIOD, self._follow_camera)
        self._while_active.append(lambda: self.destroy_timer(follow))
        worker.start()
        self._while_active.append(worker.stop)
        self.get_logger().info(f"tracking images of {camera.topic}")

    @visible
    def _deactivate(self, _: LifecycleState) -> None:
        self._rest()
        self._publish_status()

    @visible
    def _cleanup(self, _: LifecycleState) -> None:
        self._release()

    @visible
    def _shutdown(self, _: LifecycleState) -> None:
        self._release()

    @visible
    def _error(self, _: LifecycleState) -> None:
        self._release()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        # The publishers must work before the worker does.
        publishers = super().on_activate(state)
        return self._activate(state) if publishers is SUCCESS else publishers

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._deactivate(state)
        return super().on_deactivate(state) if result is SUCCESS else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._error(state)

    @property
    def lost(self) -> str:
        """Why this process cannot go on; empty: it can."""
        return self._worker.lost if self._worker is not None else ""

    def close(self) -> None:
        """Stop the worker and a build; for the end of the process, whatever the state."""
        self._rest()
        if self._build is not None:
            self._build.stop()

    @property
    def build_succeeded(self) -> bool | None:
        """With ``build_only``: whether it did; None: it is under way, or was not asked for."""
        build = self._build
        if build is None or not self._settings.build_only or not build.finished:
            return None
        return not build.failed

    def _rest(self) -> None:
        """Undo activate; memory is kept."""
        while self._while_active:
            self._while_active.pop(0)()
        self._camera = None

    def _release(self) -> None:
        """Undo configure, as far as it came."""
        self._rest()
        if self._build is not None:
            self._build.stop()
            self._build = None
        while self._while_configured:
            self._while_configured.pop()()
        for owner in (self._outputs, self._status, self._diagnostics):
            if owner is not None:
                owner.destroy()
        self._outputs = self._status = self._diagnostics = self._worker = None

    def _configured(self) -> Worker:
        assert self._worker is not None, "the lifecycle configures first"
        return self._worker

    # Parameters

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        worker = self._worker
        try:
            wanted = parameters.changed(self._settings, changes, worker is not None)
        except DeaotError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._settings = wanted
        if worker is not None:
            states = wanted.state_settings
            if not worker.call(lambda: worker.tracker.configure_states(states)):
                worker.tracker.configure_states(states)
        return SetParametersResult(successful=True)

    # Target masks and services

    def _on_target_mask(self, mask: Image) -> None:
        worker = self._configured()
        if worker.waiting >= MOST_WAITING:
            self.get_logger().error(
                f"{worker.waiting} requests wait already: a target mask is left out; send masks "
                "when something is new, not with every image",
                throttle_duration_sec=2.0,
            )
            return
        worker.call(lambda: self._apply(worker, mask, self._settings.mask_mode))

    def _apply(self, worker: Worker, mask: Image, mode: str) -> tuple[bool, str]:
        """Apply a mask in the worker's thread, and publish the verdict."""
        assert self._status is not None
        error: Exception | None = None
        try:
            message = worker.apply_mask(mask, mode)
            self.get_logger().info(f"target mask accepted: {message}")
        except (MaskError, ImageError) as refused:
            error, message = refused, str(refused)
            self.get_logger().warning(f"target mask refused: {message}")
        self._status.judge(mask.header.stamp, error, message)
        self._publish_status()
        return error is None, message

    async def _on_set_targets(
        self, request: SetTargets.Request, response: SetTargets.Response
    ) -> SetTargets.Response:
        mode = MODES.get(request.mode)
        if mode is None:
            response.success = False
            response.message = f"mode is {request.mode}; expected one of {sorted(MODES)}"
            return response
        worker = self._configured()
        response.success, response.message = await self._in_worker(
            lambda: self._apply(worker, request.mask, mode), MOST_WAITING
        )
        response.ids = list(worker.tracker.object_ids)
        return response

    async def _on_remove_object(
        self, request: RemoveObject.Request, response: RemoveObject.Response
    ) -> RemoveObject.Response:
        worker = self._configured()

        def remove() -> tuple[bool, str]:
            try:
                worker.tracker.remove(request.id)
            except MaskError as error:
                return False, str(error)
            self._publish_status()
            return True, f"tracking {list(worker.tracker.object_ids)}"

        response.success, response.message = await self._in_worker(remove)
        return response

    async def _on_reset(
        self, _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        worker = self._configured()

        def reset() -> tuple[bool, str]:
            worker.reset()
            self._publish_status()
            return True, f"session {worker.tracker.session}"

        response.success, response.message = await self._in_worker(reset)
        return response

    async def _on_enable(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        worker = self._configured()

        def enable() -> tuple[bool, str]:
            was, worker.enabled = worker.enabled, request.data
            self._publish_status()
            now = "tracking" if request.data else "paused, memory is kept"
            return True, now if was != request.data else f"{now}, as before"

        response.success, response.message = await self._in_worker(enable)
        return response

    def _on_build_engine(
        self, _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        if self._build is None:
            tracker = self._configured().tracker
            response.success = False
            response.message = (
                f"the backend is {tracker.backend} ({tracker.backend_reason}), which needs no "
                "engine; set backend to tensorrt or onnxruntime"
            )
        else:
            response.success, response.message = self._build.request()
            self._publish_status()
        return response

    async def _in_worker(
        self, request: Callable[[], tuple[bool, str]], most: int = MOST_CALLS
    ) -> tuple[bool, str]:
        """Wait, without blocking the executor, until the worker has done ``request``."""
        done: Future = Future(executor=self.executor)

        def run() -> None:
            try:
                done.set_result(request())
            except Exception as error:
                done.set_result((False, worker.report(error)))
            if self.executor is not None:
                self.executor.wake()

        worker = self._configured()
        if worker.waiting >= most:
            return False, f"{worker.waiting} requests wait already; ask again when they are done"
        if not worker.call(run):
            run()  # not active: no other thread has the tracker
        answer: Awaitable[tuple[bool, str]] = done
        return await answer

    # Timers

    def _create_timer(self, period: float, tick: Callable[[], None]) -> Timer:
        """A timer that also runs while simulated time stands still."""
        return self.create_timer(period, tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _follow_camera(self) -> None:
        if self._camera is not None:
            self._camera.follow()

    def _follow_build(self) -> None:
        """Begin to build what a camera of this size needs, and tell when something went wrong."""
        build, worker = self._build, self._configured()
        if build is None:
            return
        before = build.running, build.note
        size = worker.image_size
        if size is None and self._settings.network_height:
            size = (1, 1)  # whatever the camera gives
        build.follow(worker.tracker.network_size(*size) if size else None)
        if build.failed and build.note != self._told:
            self._told = build.note
            self.get_logger().error(build.note)
        if (build.running, build.note) != before:
            self._publish_status()

    def _give_back_memory(self) -> None:
        worker = self._configured()
        self._spare.look(worker.tracker.session, worker.image_size)

    def _publish_status(self) -> None:
        if self._status is not None:
            self._status.publish(self._worker, *self._state())

    def _publish_diagnostics(self) -> None:
        if self._diagnostics is None or self._worker is None or self._camera is None:
            return
        state, _ = self._state()
        self._diagnostics.publish(
            self._worker, self._camera, state, self._settings.image_timeout, self._build
        )

    def _state(self) -> tuple[int, str]:
        """State of ``TrackerStatus``, and what a person should know of it."""
        worker, camera = self._configured(), self._camera
        if worker.fault:
            return TrackerStatus.ERROR, worker.fault
        if not worker.enabled:
            return TrackerStatus.PAUSED, ""
        if camera is None:
            return TrackerStatus.NO_IMAGE, "not active"
        if camera.last_received is None:
            return TrackerStatus.NO_IMAGE, camera.trouble()
        if camera.age > self._settings.image_timeout:
            return (
                TrackerStatus.NO_IMAGE,
                f"no image on {camera.topic} for {camera.age:.1f} s; objects keep their state",
            )
        build = self._build
        if build is not None and build.running:
            return TrackerStatus.BUILDING_ENGINE, build.note
        tracking = bool(worker.tracker.object_ids)
        state = TrackerStatus.TRACKING if tracking else TrackerStatus.IDLE
        note = build.note if build is not None else ""
        return state, "; ".join(filter(None, (note, camera.warning())))
