"""How much arithmetic a frame needs, and how long the machine's own matrix product takes for it."""

from __future__ import annotations

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from deaot_ros.network import DeAOT, get_variant
from deaot_ros.network.layer import LayerMemory
from deaot_ros.network.window import WINDOW_RADIUS, Grid

_SIDE = 1024


def frame_flop(
    variant: str, size: tuple[int, int], groups: int = 1, memory_frames: int = 1
) -> dict[str, int]:
    """Floating point operations of the products and convolutions of a frame, by stage.

    Counted as far as the answer needs them: short-term attention within its window alone, and
    nothing for the ID bank, because what it makes of hard labels can be looked up. A product and
    a sum are two operations; norms, activations, softmax and resampling do not count.

    Args:
        variant: name.
        size: (height, width) of the network input.
        groups: of ten objects.
        memory_frames: in long-term memory.
    """
    height, width = size
    counts: dict[str, int] = {}
    with torch.device("meta"), torch.no_grad():
        network = DeAOT(get_variant(variant)).eval()
        labels = torch.empty(groups, height, width, dtype=torch.uint8)
        with FlopCounterMode(display=False) as counter:
            features = network.encode(torch.empty(1, 3, height, width))
        counts["encode"] = counter.get_total_flops()
        short = network.reference(features, labels)[1]
        long = [LayerMemory(*(part.repeat(1, memory_frames, 1) for part in m)) for m in short]
        with FlopCounterMode(display=False) as counter:
            propagated = network.propagate(features, long, short)
        cells = features.grid.cells
        outside = cells**2 - _window_pairs(features.grid)
        widths = sum(m.keys.shape[2] + m.values.shape[2] for m in short)
        counts["propagate"] = counter.get_total_flops() - 2 * groups * outside * widths
        with FlopCounterMode(display=False) as counter:
            network.decode(features, propagated.features)
        counts["decode"] = counter.get_total_flops()
        with FlopCounterMode(display=False) as counter:
            network.memorise(propagated.contexts, labels)
        bank = 2 * groups * cells * network.patch_wise_id_bank.weight.numel()
        counts["memorise"] = counter.get_total_flops() - bank
    return counts


def _window_pairs(grid: Grid) -> int:
    """Pairs of a cell and a cell of its window."""

    def along(side: int) -> int:
        return sum(
            min(side, i + WINDOW_RADIUS + 1) - max(0, i - WINDOW_RADIUS) for i in range(side)
        )

    return along(grid.height) * along(grid.width)


class MatrixProducts:
    """As much arithmetic as asked for, done by the machine's matrix product and nothing else."""

    def __init__(self, flop: int, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        side = _SIDE
        while 2 * side**3 > flop and side > 64:
            side //= 2
        self._count = max(1, round(flop / (2 * side**3)))
        self._scale = flop / (2 * side**3 * self._count)
        self._a = torch.rand(side, side, device=device, dtype=dtype)
        self._b = torch.rand(side, side, device=device, dtype=dtype)
        self._c = torch.empty_like(self._a)

    def run(self) -> tuple[float, float]:
        """Do it once; gives seconds on the clock and seconds of this process's CPUs."""
        self._wait()
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(self._count):
            torch.mm(self._a, self._b, out=self._c)
        self._wait()
        spent, cpu_spent = time.perf_counter() - start, time.process_time() - cpu
        return spent * self._scale, cpu_spent * self._scale

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
