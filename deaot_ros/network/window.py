"""The 15x15 window of the short-term attention (SPEC 5.3), and the grid it moves over."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

WINDOW_RADIUS = 7
WINDOW_SIDE = 2 * WINDOW_RADIUS + 1
WINDOW_CELLS = WINDOW_SIDE**2


class Grid(NamedTuple):
    """Height and width of the stride-16 grid in cells."""

    height: int
    width: int

    @property
    def cells(self) -> int:
        return self.height * self.width

    def pixels(self, align_corners: bool) -> tuple[int, int]:
        """(height, width) of the network input that has this grid (SPEC section 2)."""
        if align_corners:
            return 16 * (self.height - 1) + 1, 16 * (self.width - 1) + 1
        return 16 * self.height, 16 * self.width


def window_columns(queries: tuple[slice, slice], keys: tuple[slice, slice]) -> Tensor:
    """Column of the relative term for every pair of a query and a key.

    Args:
        queries, keys: rows and columns of two rectangles of a grid.

    Returns:
        int64 [queries, keys]: ``(dy + 7) * 15 + (dx + 7)`` inside the window, 225 outside of it.
    """
    (query_y, query_x), (key_y, key_x) = _cells(*queries), _cells(*keys)
    dy = key_y[None, :] - query_y[:, None]
    dx = key_x[None, :] - query_x[:, None]
    inside = (dy.abs() <= WINDOW_RADIUS) & (dx.abs() <= WINDOW_RADIUS)
    index = (dy + WINDOW_RADIUS) * WINDOW_SIDE + dx + WINDOW_RADIUS
    return torch.where(inside, index, WINDOW_CELLS)


@lru_cache(maxsize=8)
def window_index(grid: Grid, device: torch.device) -> Tensor:
    """:func:`window_columns` of all cells and all cells, int64 [T, T]."""
    everything = slice(0, grid.height), slice(0, grid.width)
    return window_columns(everything, everything).to(device)


def _cells(rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
    """Row and column of each cell of a rectangle, row-major."""
    y, x = torch.arange(rows.start, rows.stop), torch.arange(columns.start, columns.stop)
    return y.repeat_interleave(len(x)), x.repeat(len(y))
