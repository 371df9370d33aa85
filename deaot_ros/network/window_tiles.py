"""The short-term attention for CPUs, tile by tile: cells far from the window are never computed."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from deaot_ros.network.window import WINDOW_RADIUS, Grid, window_columns

TILE = Grid(5, 14)
"""Queries of a tile: few enough that most of their keys are in most windows, enough to multiply."""


class Tile(NamedTuple):
    """Queries of some rows of a strip.

    Attributes:
        rows: of the grid.
        keys: their keys among those of the strip.
        column: int64 [queries, keys], see :func:`window_columns`.
    """

    rows: slice
    keys: slice
    column: Tensor


class Strip(NamedTuple):
    """Queries of some columns, the columns that their keys are in, and its tiles."""

    columns: slice
    key_columns: slice
    tiles: list[Tile]


@lru_cache(maxsize=4)
def strips(grid: Grid) -> list[Strip]:
    """The tiles of a grid."""
    found = []
    for left in range(0, grid.width, TILE.width):
        columns, key_columns = _reach(left, TILE.width, grid.width)
        tiles = []
        for top in range(0, grid.height, TILE.height):
            rows, key_rows = _reach(top, TILE.height, grid.height)
            wide = key_columns.stop - key_columns.start
            keys = slice(key_rows.start * wide, key_rows.stop * wide)
            column = window_columns((rows, columns), (key_rows, key_columns))
            tiles.append(Tile(rows, keys, column))
        found.append(Strip(columns, key_columns, tiles))
    return found


def attend_by_tiles(
    query: Tensor, keys: Tensor, values: Tensor, relative: Tensor, grid: Grid
) -> Tensor:
    """Attention of every cell to its window.

    Args:
        query: [B, T, 128], scaled.
        keys: [B, T, 128].
        values: [B, T, V].
        relative: [B, T, 226], added to the logits; the last column to those outside of the window.
        grid: of the T cells.

    Returns:
        [B, T, V].
    """
    groups = query.shape[0]
    q, k, v, r = (x.unflatten(1, grid) for x in (query, keys, values, relative))
    result = []
    for columns, key_columns, tiles in strips(grid):
        strip_keys = k[:, :, key_columns].flatten(1, 2).transpose(1, 2)
        strip_values = v[:, :, key_columns].flatten(1, 2)
        strip = []
        for rows, span, column in tiles:
            logits = torch.baddbmm(
                r[:, rows, columns].flatten(1, 2).gather(2, column.expand(groups, -1, -1)),
                q[:, rows, columns].flatten(1, 2), strip_keys[:, :, span],
            )  # fmt: skip
            found = torch.bmm(logits.softmax(-1), strip_values[:, span])
            strip.append(found.unflatten(1, (rows.stop - rows.start, -1)))
        result.append(torch.cat(strip, 1))
    return torch.cat(result, 2).flatten(1, 2)


def _reach(first: int, length: int, end: int) -> tuple[slice, slice]:
    """A stretch of queries that begins at ``first``, and the stretch that their keys are in."""
    last = min(first + length, end)
    reach = slice(max(0, first - WINDOW_RADIUS), min(end, last + WINDOW_RADIUS))
    return slice(first, last), reach
