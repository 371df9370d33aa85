"""What a propagation layer, of whichever module, remembers and hands on.

A layer has three functions, which :class:`~deaot_ros.network.stack.PropagationStack` calls:
``project`` a frame before any memory is read, ``propagate`` the memories to it, and ``memorise``
it once its mask is known.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class LayerMemory(NamedTuple):
    """What one layer remembers of one or more frames.

    Attributes:
        keys: [B, S, K]; DeAOT: 128.
        values: [B, S, V]. DeAOT: 1024, visual values in the first half, identity values in the
            second. A module with one branch has visual and identity mixed.
    """

    keys: Tensor
    values: Tensor


class LayerContext(NamedTuple):
    """What a layer computes from a frame before it reads any memory.

    Attributes:
        key: [B, T, K]; query and key are one (SPEC 5.1).
        value: what the frame adds to its values in memory. DeAOT: [B, T, 512], the visual values
            V. A module with one branch: [B, T, C], the normalised feature.
        id_feature: [B, T, C], the normalised ID feature P; None in layer 0 and without ID branch.
        gate: [B, T, V]; None where the module has no gates.
    """

    key: Tensor
    value: Tensor
    id_feature: Tensor | None
    gate: Tensor | None
