"""One session of the network: the frame loop of SPEC section 8 over groups of ten objects.

The engine knows places, not ids, states or stamps of a camera; the tracker adds those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from deaot_ros.backends import Backend
from deaot_ros.errors import NotFiniteError
from deaot_ros.memory import Candidate, MemorySettings, MemoryUsage, RollingMemory, view_of
from deaot_ros.network.layer import LayerContext, LayerMemory
from deaot_ros.network.model import Features, Propagated
from deaot_ros.tracking import labelling
from deaot_ros.tracking.checks import zero_if_finite
from deaot_ros.tracking.identities import Identities, groups_of, split_groups
from deaot_ros.tracking.looks import Looks, keys_of_labels, keys_of_logits
from deaot_ros.tracking.measuring import Shape, measure, shape_of
from deaot_ros.tracking.recorded import Reading, RecordedFrames, View
from deaot_ros.tracking.resizing import resize_labels


class Seen(NamedTuple):
    """A frame that is labelled, with what is on its way from the device.

    Attributes:
        frame: its entry is formed, nothing is remembered yet.
        foreground: float32 [H, W], probability of being any object; None where nobody asked.
        scores: float32 [1 + 10 G], by place; NaN where the entry is not finite.
        likeness: float32 [1 + 10 G], see ``Looks.likeness``.
        extents: see ``labelling.extents``; None where the host is to measure the labels.
    """

    frame: Frame
    foreground: Tensor | None
    scores: Tensor
    likeness: Tensor
    extents: Tensor | None = None


@dataclass(slots=True)
class Frame:
    """The frame at hand.

    Attributes:
        features: of its image.
        places: label map [H, W] of places at camera size, on the device.
        number: frames processed since the session began, from 0.
        stamp: seconds.
        contexts: of the layers, while the frame is predicted but not remembered yet.
        share: [slots], attention that each slot drew from the frame's foreground; None where the
            memory has no use for it.
        entry: of the frame in memory, per layer, once it is short-term memory.
    """

    features: Features
    places: Tensor
    number: int
    stamp: float
    contexts: Sequence[LayerContext] | None = None
    share: Tensor | None = None
    entry: Sequence[LayerMemory] | None = None


class Engine:
    """Encodes, reads memory, labels and remembers; one session from ``__init__`` on."""

    def __init__(
        self,
        backend: Backend,
        size: tuple[int, int],
        settings: MemorySettings,
        max_objects: int,
    ) -> None:
        """Begin a session.

        Args:
            backend: runs the network.
            size: (height, width) of the network input for the whole session.
            settings: of the memory.
            max_objects: limits the number of groups.
        """
        self.identities = Identities()
        self.frame: Frame | None = None
        self._backend = backend
        self._size = size
        self._memory = RollingMemory(settings, backend.variant)
        self._max_groups = groups_of(max_objects)
        self._recorded: RecordedFrames | None = None
        self._looks = Looks()
        self._number = -1

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network input."""
        return self._size

    @property
    def usage(self) -> MemoryUsage:
        return self._memory.usage

    def see(self, image: np.ndarray, labels: np.ndarray, stamp: float) -> Frame:
        """Encode an image whose labels, ids [H, W], are known; nothing is remembered yet."""
        frame = self._encode(image, stamp)
        frame.places = self.places_of(labels)
        self.frame = frame
        return frame

    def look(
        self, image: np.ndarray, stamp: float, size: tuple[int, int], foreground: bool = False
    ) -> Seen:
        """Match an image, label it at (height, width) ``size`` and form its entry.

        Waits for nothing. Where the backend can, all of it is one recorded CUDA graph.
        """
        number = self._number + 1
        reading = self._read(number, stamp)
        if self._backend.recordable is None or reading.bias is None:
            frame = self._encode(image, stamp)
            return self.examine(frame, self._propagate(frame, reading), size, foreground)
        if self._recorded is None:
            self._recorded = RecordedFrames(self._backend)
        dtype = self.identities.place_dtype
        view = View(self._size, size, dtype, foreground, reading.with_mass)
        found = self._recorded.look(view, reading, image, self.identities.live_places())
        # Nobody asks for the maps again: they stay in the recording.
        none = found.tokens.new_empty(0)
        features = Features(none, none, none, found.tokens, found.grid)
        self._number = number
        self.frame = Frame(
            features, found.places, number, stamp, share=found.share, entry=found.entry
        )
        likeness = self._looks.likeness(found.keys, self.identities)
        return Seen(self.frame, found.foreground, found.scores, likeness, found.extents)

    def examine(
        self, frame: Frame, logits: Tensor, size: tuple[int, int], foreground: bool = False
    ) -> Seen:
        """Label a matched frame at (height, width) ``size`` and form its entry."""
        found = self.label(frame, logits, size, foreground)
        live = self.identities.live_places()
        self.form_entry(frame)
        assert frame.entry is not None
        scores = labelling.scores(logits, live) + zero_if_finite(frame.entry)
        keys = keys_of_logits(frame.entry[0].keys, logits, live, frame.features.grid)
        return Seen(
            frame, found.foreground, scores, self._looks.likeness(keys, self.identities)
        )

    def match(self, image: np.ndarray, stamp: float) -> tuple[Frame, Tensor]:
        """Encode an image and read the memory; gives the frame and its raw logits."""
        frame = self._encode(image, stamp)
        return frame, self._propagate(frame, self.reading(frame))

    def encoded(self, features: Features, stamp: float) -> Frame:
        """A frame whose image is encoded already."""
        self._number += 1
        return Frame(features, torch.empty(0), self._number, stamp)

    def reading(self, frame: Frame) -> Reading:
        """What an encoded frame reads of the memory."""
        return self._read(frame.number, frame.stamp)

    def matched(self, frame: Frame, propagated: Propagated, logits: Tensor) -> None:
        """Take what the network made of an encoded frame."""
        frame.contexts = propagated.contexts
        self.frame = frame
        if propagated.mass is not None:
            live, grid = self.identities.live_places(), frame.features.grid
            frame.share = labelling.share_of(propagated.mass, logits, live, grid)

    def label(
        self, frame: Frame, logits: Tensor, size: tuple[int, int], foreground: bool = False
    ) -> labelling.Labelling:
        """Label a matched frame at (height, width) ``size``."""
        found = labelling.label(
            logits,
            self.identities.live_places(),
            size,
            self._backend.variant.align_corners,
            self.identities.place_dtype,
            foreground,
        )
        frame.places = found.places
        return found

    def memorise(self, frame: Frame) -> None:
        """Make a matched frame, with the places it has now, short-term memory."""
        self.form_entry(frame)
        self.follow(frame)

    def form_entry(self, frame: Frame) -> None:
        """Compute what memory would hold of a matched frame; nothing is remembered yet."""
        assert frame.contexts is not None, "a frame is remembered once, after match"
        frame.entry = self._backend.memorise(frame.contexts, self._network_labels(frame.places))
        frame.contexts = None

    def follow(self, frame: Frame) -> None:
        """Make a frame whose entry was formed short-term memory."""
        assert frame.entry is not None, "follow comes after form_entry"
        self._memory.follow(frame.entry, frame.stamp)

    def due(self, frame: Frame) -> bool:
        """Whether it is time for a predicted frame to enter long-term memory."""
        return self._memory.due(frame.number, frame.stamp)

    def offer(
        self, frame: Frame, shows: Iterable[int], away: Iterable[int], worthy: bool
    ) -> bool:
        """Offer a memorised frame to long-term memory, see :class:`Candidate`; says if it went in.

        Waits for the device where the memory's policy has to.
        """
        entry, frame.entry = frame.entry, None
        assert entry is not None, "a frame is offered once, after memorise"
        share = frame.share
        candidate = Candidate(
            frame.number,
            frame.stamp,
            frozenset(shows),
            frozenset(away),
            worthy,
            None if share is None else tuple(share[: self.usage.slots_used].tolist()),
            self._view(frame, entry),
        )
        return self._memory.offer(entry, candidate)

    def refer(
        self,
        frame: Frame,
        mask: np.ndarray,
        ids: Sequence[int],
        seen: Iterable[int],
        all_seen: bool,
    ) -> None:
        """Merge a mask into the frame's labels and remember it as a reference.

        Known ids lose the pixels they had; marked pixels go to their id; the rest stays.

        Args:
            frame: the newest frame.
            mask: ids [H, W] at the size of the frame's places.
            ids: that occur in ``mask``.
            seen: other ids that are in sight in this frame.
            all_seen: every other object is in sight in this frame.
        """
        pinned = tuple(ids)
        new = [i for i in ids if i not in self.identities]
        if self._must_compact(len(new), all_seen):
            known_labels = self.labels_of(frame)
            self.identities.compact()
            self._memory.clear()
            self._looks.move()
            frame.places = self.places_of(known_labels)
            pinned = (*self.identities.ids, *new)
        known = [self.identities.place(i) for i in ids if i in self.identities]
        self.identities.add(new)
        marked = self.places_of(mask)
        kept = frame.places.to(marked.dtype)
        if known:
            kept = kept.masked_fill(torch.isin(kept, kept.new_tensor(known)), 0)
        frame.places = torch.where(marked > 0, marked, kept)
        frame.contexts = frame.entry = None
        try:
            labels = self._network_labels(frame.places)
            entry = self._backend.reference(frame.features, labels)
            self._check_finite(entry)
            keys = keys_of_labels(entry[0].keys, labels, frame.features.grid)
            self._memory.pin(
                entry, frame.number, frame.stamp, pinned, seen, self._view(frame, entry)
            )
            for object_id in ids:
                self._looks.note(object_id, keys[self.identities.place(object_id) - 1])
        except Exception:  # out of memory: labels must not show ids that nobody tracks
            for object_id in new:
                self.remove(object_id)
            raise

    def remove(self, object_id: int) -> None:
        """Forget an id. What memory holds of it stays there unused; its place is retired."""
        if self.frame is not None:
            places = self.frame.places
            gone = places == self.identities.place(object_id)
            self.frame.places = places.masked_fill(gone, 0)
        self.identities.remove(object_id)
        self._memory.forget(object_id)
        self._looks.forget(object_id)

    def measure(self, seen: Seen, labels: np.ndarray) -> dict[int, Shape]:
        """Extent of every object in a labelled frame, whose ids are ``labels`` [H, W].

        Waits for the device.
        """
        if seen.extents is None:
            return measure(labels, self.identities.ids)
        counts, height = seen.extents.cpu().numpy(), labels.shape[0]
        rows = {i: counts[self.identities.place(i) - 1] for i in self.identities.ids}
        return {i: shape_of(row[:height], row[height:]) for i, row in rows.items()}

    def labels_of(self, frame: Frame) -> np.ndarray:
        """Ids [H, W] of a frame, uint8 or uint16. Waits for the device."""
        return self.identities.to_ids(frame.places.cpu().numpy())

    def places_of(self, labels: np.ndarray) -> Tensor:
        """Places of ids [H, W], on the device; unknown ids are background."""
        return self.identities.to_places(labels).to(self._backend.device)

    def _encode(self, image: np.ndarray, stamp: float) -> Frame:
        return self.encoded(self._backend.encode(image, self._size), stamp)

    def _read(self, number: int, stamp: float) -> Reading:
        memory, groups = self._memory, self.identities.groups
        slots = partial(self._backend.slots, size=self._size, groups=groups)
        long_term, bias = memory.long_term(slots)
        mass = memory.wants_share(number, stamp)
        return Reading(long_term, memory.short_term(stamp), bias, mass)

    def _propagate(self, frame: Frame, reading: Reading) -> Tensor:
        """Raw logits of an encoded frame."""
        propagated = self._backend.propagate(frame.features, *reading)
        logits = self._backend.decode(frame.features, propagated)
        self.matched(frame, propagated, logits)
        return logits

    def _view(self, frame: Frame, entry: Sequence[LayerMemory]) -> Tensor | None:
        if not self._memory.wants_view:
            return None
        return view_of(entry[0], self._network_labels(frame.places), frame.features.grid)

    def _network_labels(self, places: Tensor) -> Tensor:
        return split_groups(resize_labels(places, self._size), self.identities.groups)

    def _check_finite(self, entry: Sequence[LayerMemory]) -> None:
        """Keep out of memory what would spoil every later frame for as long as it is pinned."""
        if zero_if_finite(entry).isnan():
            raise NotFiniteError(
                "the network gave values that are not finite (NaN or Inf) for this mask; it is "
                f"left out and memory stays as it was. Precision is {self._backend.precision}: "
                "use fp32 where it is fp16, else check the weights"
            )

    def _must_compact(self, new: int, all_seen: bool) -> bool:
        """Whether memory starts anew from this frame, to free the places of removed objects.

        That costs the other objects their older views, so it happens only where it saves a whole
        group of ten and every object is in sight, or where the limit of groups leaves no choice.
        """
        live = len(self.identities) + new
        groups = groups_of(live + self.identities.retired)
        return groups > groups_of(live) and (all_seen or groups > self._max_groups)
