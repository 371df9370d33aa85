"""Publishers of everything that belongs to a frame."""

from __future__ import annotations

import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from deaot_ros.msg import TrackedObjectArray
from deaot_ros.node import detections, qos
from deaot_ros.node.image_codec import encode_image, encode_jpeg, encode_labels
from deaot_ros.node.messages import objects_message
from deaot_ros.node.overlay import annotated_overlay
from deaot_ros.node.parameters import Parameters
from deaot_ros.tracking import TrackResult


class Outputs:
    """Creates the publishers when the node is configured, and publishes one frame at a time."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        create = node.create_lifecycle_publisher
        self._mask = create(Image, "mask", qos.NEWEST)
        self._objects = create(TrackedObjectArray, "objects", qos.OBJECTS)
        self._overlay = create(Image, "overlay", qos.NEWEST)
        self._overlay_jpeg = create(CompressedImage, "overlay/compressed", qos.NEWEST)
        self._confidence = create(Image, "confidence", qos.CONFIDENCE)
        self._publishers = [
            self._mask, self._objects, self._overlay, self._overlay_jpeg, self._confidence,
        ]
        self._detections = self._label_info = None
        if detections.AVAILABLE:
            self._detections = create(
                detections.Detection2DArray, "detections", qos.OBJECTS
            )
            self._label_info = create(detections.LabelInfo, "label_info", qos.LATCHED)
            self._publishers += [self._detections, self._label_info]
        self._labelled: tuple[tuple[int, ...], dict[int, str]] | None = None

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers:
            # destroy_publisher would leave them among the managed entities.
            self._node.destroy_lifecycle_publisher(publisher)

    def wants_confidence(self, parameters: Parameters) -> bool:
        """Whether anybody would see a confidence image."""
        return parameters.publish_confidence and self._confidence.get_subscription_count() > 0

    def publish(
        self,
        header: Header,
        image: np.ndarray,
        result: TrackResult,
        shift: float,
        parameters: Parameters,
    ) -> None:
        """Publish one frame, masks first.

        Args:
            header: of the image; every output carries it as it is.
            image: RGB, for the overlay.
            result: of this image.
            shift: seconds to take from the tracker's time to get the camera's.
            parameters: what to publish.
        """
        names = parameters.labels
        self._mask.publish(encode_labels(result.labels, header))
        self._objects.publish(
            objects_message(result, header, names, shift, parameters.publish_object_masks)
        )
        if self._detections is not None:
            self._detections.publish(detections.detections_message(result, header, names))
            self._publish_label_info(header, tuple(o.id for o in result.objects), names)
        if result.confidence is not None:
            self._confidence.publish(encode_image(result.confidence, "mono8", header))
        raw = self._overlay.get_subscription_count() > 0
        jpeg = self._overlay_jpeg.get_subscription_count() > 0
        if raw or jpeg:
            picture = annotated_overlay(image, result, parameters.overlay_alpha)
            if raw:
                self._overlay.publish(encode_image(picture, "rgb8", header))
            if jpeg:
                self._overlay_jpeg.publish(encode_jpeg(picture, header))

    def _publish_label_info(
        self, header: Header, ids: tuple[int, ...], names: dict[int, str]
    ) -> None:
        if self._labelled == (ids, names):
            return
        self._labelled = (ids, names)
        assert self._label_info is not None
        self._label_info.publish(detections.label_info_message(ids, header, names))
