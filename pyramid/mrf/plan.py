"""The plan of an export: files, headers, and the tasks that render the pages. Made without touching data."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.mrf.file_names import file_stems, sliced_stems, year_of
from lazytile.pyramid.mrf.header import exported_set, finest_index, header_of, level_matrix, notes_of, with_page_size
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.render.location import TileBlock
from lazytile.pyramid.render.render_task import RenderTask, shown_variables
from lazytile.pyramid.render.tile_reach import chunk_counts, tile_reach
from lazytile.pyramid.store.store import store_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.mrf.model import MrfHeader
    from lazytile.pyramid.mrf.options import ExportOptions
    from lazytile.pyramid.mrf.page_encoding import PageFormat
    from lazytile.pyramid.render.style import Style
    from lazytile.pyramid.render.tile_reach import TileReach
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrix

JOB_PIXELS = 64 * 256 * 256
"""Pixels of the pages of one task: some 50 ms of work, which hides Dask's overhead for a task."""


@dataclass(frozen=True, slots=True)
class PageRun:
    """Adjacent pages of one row of a level. ``task`` renders them; without one none of them holds data."""

    count: int
    task: RenderTask | None


@dataclass(frozen=True, slots=True)
class MrfPlan:
    """One MRF to write."""

    path: Path
    header: MrfHeader
    layer: Layer
    matrices: tuple[TileMatrix, ...]
    """Tile matrix of each level, full resolution first."""
    task: RenderTask
    """The template of every task: only step, matrix and block differ."""
    slices: tuple[tuple[int, ...], ...]
    """Index along each dimension of every z slice; one where the MRF holds one map."""
    overviews: str
    """As in ``ExportOptions``."""
    page_format: PageFormat
    shares_pages: bool
    """Whether equal pages are stored once."""

    def runs(self, first: int = 0) -> Iterator[PageRun]:
        """Plan the pages from a record on.

        Args:
            first: Number of the first record.

        Yields:
            Runs of pages, in the order of the index.
        """
        variables = list(self.task.variables)
        known: dict[tuple[int, ...], tuple[NDArray[np.int64], ...]] = {}
        for level, matrix in zip(self.header.levels, self.matrices, strict=True):
            reach = self._reach(matrix, level.pages)
            positions = itertools.product(self.slices, range(level.pages.rows))
            for number, (dim_index, row) in enumerate(positions):
                begun = first - level.first_record - number * level.pages.cols
                if begun < level.pages.cols:
                    generation = self.layer.dataset.content_generation(variables, dim_index)
                    pattern = replace(self.task, generation=generation, dim_index=dim_index, matrix=matrix)
                    holds = np.ones(level.pages.cols, np.bool_)
                    if reach is not None:
                        if dim_index not in known:
                            known = {dim_index: self._counts(dim_index)}
                        # A picture of several variables shows pixels that all of them have.
                        holds = np.logical_and.reduce([reach.holding(each, row) for each in known[dim_index]])
                    yield from self._row(pattern, row, max(0, begun), holds)

    def _row(self, pattern: RenderTask, row: int, begin: int, reached: NDArray[np.bool_]) -> Iterator[PageRun]:
        matrix = pattern.matrix
        pages_per_task = max(1, JOB_PIXELS // (matrix.tile_width * matrix.tile_height))
        stops = (np.flatnonzero(np.diff(reached)) + 1).tolist()
        for start, stop in itertools.pairwise([0, *stops, len(reached)]):
            left = max(start, begin)
            if not reached[start]:
                if left < stop:
                    yield PageRun(stop - left, None)
                continue
            for col in range(left, stop, pages_per_task):
                count = min(pages_per_task, stop - col)
                block = TileBlock(row, col, 1, count)
                yield PageRun(count, replace(pattern, block=block))

    def _counts(self, dim_index: tuple[int, ...]) -> tuple[NDArray[np.int64], ...]:
        """Return how many chunks of level 0 above and left of each corner may hold data, of each variable shown.

        Shapes (chunks in rows + 1, chunks in columns + 1).
        """
        counts = []
        stored = store_at(self.task.store).dataset(self.task.dataset)
        for name in self.task.variables:
            if self.layer.dataset.variable(name).packing.fill_code is None:
                # Without a code for no data a chunk without a file holds values: only what is past the grid is empty.
                occupied = np.ones(chunk_counts(self.layer.dataset), np.int64)
            else:
                occupied = stored.occupied(name, dim_index).astype(np.int64)
            counts.append(np.pad(occupied.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0))))
        return tuple(counts)

    def _reach(self, matrix: TileMatrix, pages: Shape) -> TileReach | None:
        """Return the chunks that pages may show; None where every page has to be rendered to know."""
        if self.task.rgb is None and not self.page_format.omits_empty(self.task.palette.rgba):
            return None  # empty pages are stored
        dataset = self.layer.dataset
        return tile_reach(dataset, self.task.tms, matrix, pages, dataset.chunk)


def plan_mrfs(store: Path, layer: Layer, style: Style, folder: Path, options: ExportOptions) -> list[MrfPlan]:
    """Plan the MRFs of a layer in one style, one for each step of its dimensions.

    Args:
        store: Folder of datasets.
        layer: To export.
        style: Its colours.
        folder: Of the MRFs.
        options: How to export.

    Returns:
        The plans.
    """
    chosen = with_page_size(layer, exported_set(layer, options.tms), options.page)
    position = finest_index(chosen, layer, options.finest)
    page_format = options.page_format
    header = header_of(layer, style, chosen, chosen.matrices[position], page_format, rgb=options.rgb)
    variables = list(shown_variables(layer.variable.name, None, options.rgb))
    matrices = tuple(level_matrix(chosen, position, level) for level in header.levels)
    plans = []
    for path, slices in _files(layer, folder, options):
        task = RenderTask(
            str(store.resolve()),
            layer.dataset.name,
            layer.dataset.content_generation(variables, slices[0]),
            layer.variable.name,
            slices[0],
            chosen,
            matrices[0],
            TileBlock(0, 0),
            style.palette,
            rgb=options.rgb,
        )
        notes = notes_of(layer, style, chosen, matrices[0], slices, rgb=options.rgb)
        notes += (("encoder", page_format.encoder), ("shared", str(options.share_pages).lower()))
        notes += (("overviews", options.overviews),)
        own = replace(header, notes=notes, slices=len(slices))
        if options.onearth and header.compression is Compression.JPNG:
            # OnEarth knows the data file by the media type, which is that of PNG.
            own = replace(own, data_file=f"{path.stem}.{Compression.PNG.extension}")
        plans.append(
            MrfPlan(path, own, layer, matrices, task, slices, options.overviews, page_format, options.share_pages)
        )
    return plans


def _files(layer: Layer, folder: Path, options: ExportOptions) -> Iterator[tuple[Path, tuple[tuple[int, ...], ...]]]:
    """Yield each file to write and the index of its maps."""
    if options.as_slices:
        for stem, slices in sliced_stems(layer, options.select):
            yield folder / f"{stem}.mrf", slices
        return
    for stem, dim_index in file_stems(layer, options.select):
        year = year_of(layer, dim_index) if options.by_year else None
        yield (folder / year if year else folder) / f"{stem}.mrf", (dim_index,)
