"""The published networks (paper section 5, Tables 1 and 2) and the ablations of Table 3."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from deaot_ros.errors import VariantError

MAX_OBJECTS_PER_GROUP = 10
"""Foreground identities of the ID bank (paper section 3: M = 10)."""

NEVER = 9999
"""Published long-term gap of the variants that remember reference frames only."""

Module = Literal["gpm", "coupled", "lstt"]
Matching = Literal["visual", "id", "both"]


@dataclass(frozen=True, slots=True)
class Propagation:
    """How a layer propagates masks. The defaults are DeAOT's; Table 3 varies one at a time.

    Attributes:
        module: ``gpm``, gated propagation of a visual and an ID branch; ``coupled``, the same
            without decoupling, one branch that carries both (Table 3a: w/o De); ``lstt``, AOT's.
        channels: C of a branch.
        heads: of every attention (Table 3b).
        matched_by: which branch makes the attention maps of long- and short-term propagation
            (Table 3c). Layer 0 has a visual branch only. ``gpm`` alone.
        self_matched_by: the same of self-propagation.
        kernel: side of the depth-wise convolution, odd; 0: none (Table 3d). ``lstt`` has its own.
    """

    module: Module = "gpm"
    channels: int = 256
    heads: int = 1
    matched_by: Matching = "visual"
    self_matched_by: Matching = "both"
    kernel: int = 5

    @property
    def key_channels(self) -> int:
        """K, the matching width: a single gated head takes half the channels (paper section 5)."""
        halved = self.heads == 1 and self.module != "lstt"
        return self.channels // 2 if halved else self.channels

    @property
    def branch_values(self) -> int:
        """Width of a branch's values."""
        return self.channels if self.module == "lstt" else 2 * self.channels

    @property
    def branches(self) -> int:
        """Branches whose values lie side by side in memory."""
        return 2 if self.module == "gpm" else 1


AOT = Propagation("lstt", heads=8)


@dataclass(frozen=True, slots=True)
class Variant:
    """What distinguishes one network from another.

    Attributes:
        name: public name, also the stem of the weights file.
        layers: number of propagation layers (paper: L).
        encoder: ``mobilenet_v2``, ``resnet50`` or ``swin_b``.
        align_corners: how maps are resampled; also decides whether network sides are
            ``16 k + 1`` (True) or ``16 k`` (False).
        memory_gap: frames between long-term memory writes as published.
        propagation: of every layer.
    """

    name: str
    layers: int
    encoder: str
    align_corners: bool
    memory_gap: int
    propagation: Propagation = Propagation()

    @property
    def remembers_references_only(self) -> bool:
        """True for T, S and B: published inference never appends to long-term memory."""
        return self.memory_gap >= NEVER

    @property
    def decoder_channels(self) -> int:
        """Channels of what the decoder reads."""
        channels = self.propagation.channels
        if self.propagation.module == "lstt":
            return channels * (self.layers + 1)
        return channels * self.propagation.branches


_DEAOT = (
    Variant("deaot-t", 1, "mobilenet_v2", True, NEVER),
    Variant("deaot-s", 2, "mobilenet_v2", True, NEVER),
    Variant("deaot-b", 3, "mobilenet_v2", True, NEVER),
    Variant("deaot-l", 3, "mobilenet_v2", True, 5),
    Variant("r50-deaot-l", 3, "resnet50", True, 5),
    Variant("swinb-deaot-l", 3, "swin_b", False, 5),
)

VARIANTS: dict[str, Variant] = {
    v.name: v
    for v in (
        *_DEAOT,
        *(replace(v, name=v.name.replace("deaot", "aot"), propagation=AOT) for v in _DEAOT),
    )
}
"""The published networks: DeAOT and, as the paper's baselines, AOT."""

_TABLE_3 = {
    "deaot-s-coupled-256": Propagation("coupled"),
    "deaot-s-coupled-512": Propagation("coupled", channels=512),
    "deaot-s-8-heads": Propagation(heads=8),
    "aot-s-1-head": Propagation("lstt"),
    "deaot-s-match-id": Propagation(matched_by="id"),
    "deaot-s-match-both": Propagation(matched_by="both"),
    "deaot-s-self-visual": Propagation(self_matched_by="visual"),
    "deaot-s-self-id": Propagation(self_matched_by="id"),
    "deaot-s-kernel-0": Propagation(kernel=0),
    "deaot-s-kernel-3": Propagation(kernel=3),
    "deaot-s-kernel-9": Propagation(kernel=9),
}

ABLATIONS: dict[str, Variant] = {
    name: replace(VARIANTS["deaot-s"], name=name, propagation=propagation)
    for name, propagation in _TABLE_3.items()
}
"""The rows of Table 3, and two that it leaves out; the table's LSTT is ``aot-s``."""


def get_variant(name: str) -> Variant:
    """Look a published network or an ablation up by name.

    Raises:
        VariantError: the name is unknown; the message lists the names that exist.
    """
    variant = VARIANTS.get(name) or ABLATIONS.get(name)
    if variant is None:
        raise VariantError(
            f"unknown variant '{name}'; expected one of {', '.join(VARIANTS)}, or an ablation: "
            f"{', '.join(ABLATIONS)}"
        )
    return variant
