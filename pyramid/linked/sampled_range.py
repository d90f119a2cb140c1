"""Statistics of a variable that is not copied: exact where it is small, else the range of a sample."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.processors import processor_count
from lazytile.pyramid.ingest.build import stages_of
from lazytile.pyramid.ingest.convert import with_statistics
from lazytile.pyramid.store.code_statistics import CodeStatistics, statistics_of
from lazytile.pyramid.store.layout import CHUNK_CELLS, Block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazytile.pyramid.linked.opened_source import OpenedSource
    from lazytile.pyramid.linked.reading_cost import ReadingCost
    from lazytile.pyramid.sources.source_variable import SourceVariable
    from lazytile.pyramid.store.dataset import Variable

EXACT_BYTES = 64 << 20
"""Codes of a variable that are read whole on linking."""
SAMPLE_BYTES = 64 << 20
"""What is read of a larger one, about."""
MIN_BLOCKS, MAX_BLOCKS = 4, 64
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class MeasuredVariable:
    """A variable with its range, and with all statistics of level 0 where it was read whole."""

    variable: Variable
    remark: str = ""
    """What was not read, in one line."""


def measured(
    opened: OpenedSource,
    each: SourceVariable,
    cost: ReadingCost,
    *,
    is_exact: bool,
    progress: Callable[[int], None] | None = None,
) -> MeasuredVariable:
    """Read a variable, or a sample of it, for its range.

    Args:
        opened: The source.
        each: Variable of the source.
        cost: Of reading it.
        is_exact: Whether to read all of it, however large.
        progress: Called with the bytes of codes that were read, after each block of those.

    Returns:
        The variable; with all statistics of level 0, or only with the range of a sample.

    Raises:
        SourceError: The source cannot be read.
    """
    variable, packing = each.variable, each.variable.packing
    reader = opened.reader(each)
    steps = [len(dimension.labels) for dimension in variable.dimensions]
    cells = math.prod(steps) * opened.source.found.grid.shape.rows * opened.source.found.grid.shape.cols
    if is_exact or cells * np.dtype(packing.dtype).itemsize <= EXACT_BYTES:
        total = CodeStatistics()
        for part, nbytes in _whole(opened, each):
            total += part
            if progress is not None:
                progress(nbytes)
        return MeasuredVariable(with_statistics(variable, [total]))
    total = CodeStatistics()
    for block in _sample(opened, each, cost):
        total += statistics_of(reader.read(block), packing)
    found = total.statistics(packing)
    if found.minimum is None or found.maximum is None:
        return MeasuredVariable(variable, f"{variable.name}: a sample of {total.cells} cells holds no data")
    share = 100 * total.cells / cells
    remark = f"{variable.name}: the range is that of a sample of {share:.2g} % of the cells; --exact reads all of them"
    return MeasuredVariable(replace(variable, first_range=(found.minimum, found.maximum)), remark)


def _whole(opened: OpenedSource, each: SourceVariable) -> Iterator[tuple[CodeStatistics, int]]:
    """Yield the statistics and bytes of each block in order. As many are read at once as there are processors."""
    reader, packing = opened.reader(each), each.variable.packing

    def read(block: Block) -> tuple[CodeStatistics, int]:
        codes = reader.read(block)
        return statistics_of(codes, packing, binned=True), codes.nbytes

    threads = ThreadPoolExecutor(processor_count(), thread_name_prefix="range")
    try:
        yield from threads.map(read, stages_of(opened.source, each)[0].blocks)
    finally:
        threads.shutdown(cancel_futures=True)


def _sample(opened: OpenedSource, each: SourceVariable, cost: ReadingCost) -> Iterator[Block]:
    """Yield blocks that are spread over rows, columns and steps without a period, about a chunk of the source each."""
    shape = opened.source.found.grid.shape
    high, wide = (
        min(length, max(CHUNK_CELLS, min(chunk, 8 * CHUNK_CELLS)))
        for length, chunk in zip((shape.rows, shape.cols), each.placement.chunks[-2:], strict=True)
    )
    steps = [len(dimension.labels) for dimension in each.variable.dimensions]
    counts = (*steps, -(-shape.rows // high), -(-shape.cols // wide))
    every = math.prod(counts)
    wanted = min(every, max(MIN_BLOCKS, min(MAX_BLOCKS, SAMPLE_BYTES // max(1, cost.tile_bytes))))
    taken: set[tuple[int, ...]] = set()
    for number in range(wanted):
        # The multiples of the golden ratio's powers fill a box evenly from the first few on.
        index = tuple(int(count * ((0.5 + number * _GOLDEN ** (axis + 1)) % 1.0)) for axis, count in enumerate(counts))
        if index in taken:
            continue
        taken.add(index)
        *leading, row, col = index
        rows = row * high, min(shape.rows, (row + 1) * high)
        cols = col * wide, min(shape.cols, (col + 1) * wide)
        yield Block(tuple((step, step + 1) for step in leading), rows, cols, 0)
