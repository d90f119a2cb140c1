"""How many chunks a shard holds along each axis, and where each of them is in it.

A shard has several rows and columns of chunks, and where the planes of an array are small, those of several time steps.
The chunks of a shard are numbered step by step, row by row (Zarr v3, codec ``sharding_indexed``: C order).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ChunkPosition = tuple[tuple[int, ...], int, int]
"""Index along each leading dimension, row and column of a chunk in its array."""


def group_of(dim_index: tuple[int, ...], steps: int, axis: int | None) -> tuple[int, ...]:
    """Return the index of the planes that are stored together.

    Args:
        dim_index: Index of one of them along each leading dimension.
        steps: Time steps that are stored together.
        axis: Of time among the leading dimensions; None: each plane is stored for itself.

    Returns:
        The index, along the axis counted in groups of steps.
    """
    if axis is None:
        return dim_index
    return (*dim_index[:axis], dim_index[axis] // steps, *dim_index[axis + 1 :])


@dataclass(frozen=True, slots=True)
class ShardShape:
    """Chunks of a shard along each axis; along leading dimensions other than time it has one."""

    rows: int
    cols: int
    steps: int = 1
    axis: int | None = None
    """Of time among the leading dimensions; None: a shard holds chunks of one plane."""

    @property
    def count(self) -> int:
        """Chunks of a shard."""
        return self.steps * self.rows * self.cols

    def cells(self, leading: int, chunk: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape of a shard.

        Args:
            leading: Number of leading dimensions.
            chunk: Rows and columns of a chunk.

        Returns:
            Cells along each axis.
        """
        steps = [self.steps if at == self.axis else 1 for at in range(leading)]
        return (*steps, self.rows * chunk[0], self.cols * chunk[1])

    def locate(self, dim_index: tuple[int, ...], row: int, col: int) -> tuple[tuple[int, ...], int]:
        """Return where a chunk is.

        Args:
            dim_index: Index along each leading dimension.
            row: Of the chunk.
            col: Of the chunk.

        Returns:
            Index of the shard along every axis, and the number of the chunk in it.
        """
        (shard_row, down), (shard_col, across) = divmod(row, self.rows), divmod(col, self.cols)
        slot = 0 if self.axis is None else dim_index[self.axis] % self.steps
        group = group_of(dim_index, self.steps, self.axis)
        return (*group, shard_row, shard_col), (slot * self.rows + down) * self.cols + across

    def member(self, index: tuple[int, ...], number: int) -> ChunkPosition:
        """Return the position of a chunk in its array; it may lie beyond the array's edges.

        Args:
            index: Of the shard along every axis.
            number: Of the chunk in the shard.

        Returns:
            The position.
        """
        slot, rest = divmod(number, self.rows * self.cols)
        down, across = divmod(rest, self.cols)
        dim_index, row, col = index[:-2], index[-2] * self.rows + down, index[-1] * self.cols + across
        if self.axis is not None:
            at = self.axis
            dim_index = (*dim_index[:at], dim_index[at] * self.steps + slot, *dim_index[at + 1 :])
        return dim_index, row, col

    def members(self, index: tuple[int, ...]) -> Iterator[ChunkPosition]:
        """Yield the position of every chunk of a shard, in their order.

        Args:
            index: Of the shard along every axis.

        Yields:
            The positions; some may lie beyond the array's edges.
        """
        yield from (self.member(index, number) for number in range(self.count))

    def shards(self, lengths: tuple[int, ...], grid: tuple[int, int]) -> Iterator[tuple[int, ...]]:
        """Yield the index of every shard of an array.

        Args:
            lengths: Of the leading dimensions.
            grid: Chunks of a plane in rows and columns.

        Yields:
            Index along every axis.
        """
        last = group_of(tuple(length - 1 for length in lengths), self.steps, self.axis)
        rows, cols = -(-grid[0] // self.rows), -(-grid[1] // self.cols)
        yield from product(*(range(each + 1) for each in last), range(rows), range(cols))
