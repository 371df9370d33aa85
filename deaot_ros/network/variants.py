"""The published DeAOT variants (paper section 5, Table 1)."""

from __future__ import annotations

from dataclasses import dataclass

from deaot_ros.errors import VariantError

MAX_OBJECTS_PER_GROUP = 10
"""Foreground identities of the ID bank (paper section 3: M = 10)."""

NEVER = 9999
"""Published long-term gap of the variants that remember reference frames only."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What distinguishes one published network from another.

    Attributes:
        name: public name, also the stem of the weights file.
        layers: number of gated propagation layers (paper: L).
        encoder: ``mobilenet_v2``, ``resnet50`` or ``swin_b``.
        align_corners: how maps are resampled; also decides whether network sides are
            ``16 k + 1`` (True) or ``16 k`` (False).
        memory_gap: frames between long-term memory writes as published.
    """

    name: str
    layers: int
    encoder: str
    align_corners: bool
    memory_gap: int

    @property
    def remembers_references_only(self) -> bool:
        """True for T, S and B: published inference never appends to long-term memory."""
        return self.memory_gap >= NEVER


VARIANTS: dict[str, Variant] = {
    v.name: v
    for v in (
        Variant("deaot-t", 1, "mobilenet_v2", True, NEVER),
        Variant("deaot-s", 2, "mobilenet_v2", True, NEVER),
        Variant("deaot-b", 3, "mobilenet_v2", True, NEVER),
        Variant("deaot-l", 3, "mobilenet_v2", True, 5),
        Variant("r50-deaot-l", 3, "resnet50", True, 5),
        Variant("swinb-deaot-l", 3, "swin_b", False, 5),
    )
}


def get_variant(name: str) -> Variant:
    """Look a variant up by name.

    Raises:
        VariantError: the name is unknown; the message lists the names that exist.
    """
    try:
        return VARIANTS[name]
    except KeyError:
        raise VariantError(
            f"unknown variant '{name}'; expected one of {', '.join(VARIANTS)}"
        ) from None
