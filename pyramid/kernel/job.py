"""The batch seam: what a kernel computes, and what every kernel offers.

A tile is made in four steps. *Plan*: a ``Job`` states where the pixels of a block lie in the cells of a level, how they
are resampled, how the cells are packed and which palette colours them; making it reads no data. *Fetch*: the chunks
that ``Kernel.positions`` names are read, in that order, and joined to the job as a ``FilledJob``. *Run*: a kernel
computes a batch of filled jobs. *Encode*: the results become files.

Three kernels have this signature, and equal results bit for bit: NumPy (``numpy_kernel``, the reference, always there),
native (``native_kernel``, C++ on the processor) and CUDA. A kernel that cannot compute a job says so in ``handles``,
and NumPy does it: ``selection.kernel_for``.

Filters and expressions are NumPy between two runs: the first run returns values, ``paint`` colours the result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from lazytile.pyramid.resampling.method import Resampling

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lazytile.colormaps.compiled.palette import Palette
    from lazytile.pyramid.core.grid import Shape
    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.core.stop_flag import StopFlag
    from lazytile.pyramid.resampling.location import Location
    from lazytile.pyramid.resampling.read_plan import AxisCells
    from lazytile.pyramid.resampling.taps import AxisBlend
    from lazytile.pyramid.resampling.value_tile import ValueTile

    Position = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A block of pixels of one plane of a variable, before any data is read."""

    location: Location
    method: Resampling
    shape: Shape
    """Of the level, in cells."""
    chunk: Shape
    wraps: bool
    """Whether the last column's neighbour is the first."""
    packing: Packing
    palette: Palette | None = None
    """What colours the pixels; None where only values are asked for."""

    @property
    def pixels(self) -> tuple[int, int]:
        """Size in pixels: (height, width)."""
        x, y = self.location.x, self.location.y
        return (x.shape[0], x.shape[1]) if self.location.is_mesh else (y.size, x.size)

    def rows(self, part: slice) -> Job:
        """Return the job of some rows of pixels.

        Args:
            part: The rows.

        Returns:
            Their job.
        """
        return replace(self, location=self.location.rows(part))

    def blends(self) -> tuple[AxisBlend, AxisBlend]:
        """Return the cells that contribute to rows and to columns of pixels. For axes, and methods but nearest."""
        down, across = self.location.axes()
        return (
            down.blend(self.method, self.shape.rows, wraps=False),
            across.blend(self.method, self.shape.cols, wraps=self.wraps),
        )

    def wanted(self) -> tuple[AxisCells, AxisCells]:
        """Return the rows and columns of cells that the pixels want. For axes."""
        if self.method is Resampling.NEAREST:
            down, across = self.location.axes()
            return down.cells, across.cells
        rows, cols = self.blends()
        return rows.wanted, cols.wanted

    def axis_positions(self) -> tuple[Position, ...]:
        """Return the chunks of axes: one for each pair of a run of rows and a run of columns, row by row."""
        rows, cols = self.wanted()
        col_runs = cols.runs(self.chunk.cols)
        return tuple((row.chunk, col.chunk) for row in rows.runs(self.chunk.rows) for col in col_runs)


@dataclass(frozen=True, slots=True, eq=False)
class FilledJob:
    """A job and the chunks that it needs."""

    job: Job
    positions: Sequence[Position]
    """Row and column of each chunk, as ``Kernel.positions`` returned them."""
    chunks: Sequence[Any]
    """The chunks: arrays of shape ``job.chunk``, dtype of the codes, read-only; or what ``Kernel.held`` returned."""
    keys: Sequence[Hashable] | None = None
    """What identifies each chunk, for kernels that hold chunks."""


class BlockKernel(Protocol):
    """What a compiled kernel does to whole blocks of codes faster than NumPy, with equal results bit for bit.

    None is the answer where NumPy is to do it: for types, packings or numbers that the kernel does not take.
    """

    def reduce(self, codes: NDArray[Any], packing: Packing, reduction: str) -> NDArray[Any] | None:
        """Return the next coarser level.

        Args:
            codes: Shape (rows, cols), the packing's dtype.
            packing: Of the codes.
            reduction: One of ``dataset.REDUCTIONS``.

        Returns:
            As ``store.reduce.reduce_level``.
        """
        ...

    def count(self, codes: NDArray[Any]) -> NDArray[np.int64]:
        """Count integer codes of 8 or 16 bits.

        Args:
            codes: Shape (n,), unsigned.

        Returns:
            How often each occurs: shape (256 or 65536,), int64.
        """
        ...

    def select(self, codes: NDArray[Any], packing: Packing) -> tuple[int, NDArray[Any]] | None:
        """Select the numbers that statistics are about.

        Args:
            codes: Shape (n,), floats of the packing's dtype.
            packing: Of the codes.

        Returns:
            How many are data, infinite ones too; the finite ones in their order, the same dtype.
        """
        ...

    def bin(self, numbers: NDArray[Any], exponent: int, first: int, bins: int) -> NDArray[np.int64] | None:
        """Count numbers in bins ``[i * 2**exponent, (i + 1) * 2**exponent)``.

        Args:
            numbers: Shape (n,), finite floats.
            exponent: Of the width.
            first: Number i of the first bin.
            bins: How many bins there are.

        Returns:
            The counts, shape (bins,), int64.
        """
        ...


class PictureEncoder(Protocol):
    """Encodes palette indices as an 8-bit paletted PNG."""

    @property
    def name(self) -> str:
        """Its name: encoders of one name make the same bytes of a picture."""
        ...

    def encode(self, index: NDArray[np.uint8], palette_chunks: bytes) -> bytes:
        """Encode a picture.

        Args:
            index: Shape (height, width), uint8; neither is 0.
            palette_chunks: The chunks PLTE and tRNS.

        Returns:
            The file.
        """
        ...


class Kernel(Protocol):
    """What computes pixels. Thread-safe."""

    @property
    def name(self) -> str:
        """Name for people, such as ``numpy``, ``native AVX2`` or ``cuda sm_90``."""
        ...

    @property
    def reuses_values(self) -> bool:
        """Whether colouring kept values is so much cheaper than a run that they are worth their memory."""
        ...

    @property
    def holds_chunks(self) -> bool:
        """Whether the kernel has a memory of its own, where chunks may lie already."""
        ...

    @property
    def blocks(self) -> BlockKernel | None:
        """What it does to whole blocks of codes, for conversion; None where NumPy does it."""
        ...

    @property
    def png(self) -> PictureEncoder | None:
        """What encodes palette indices as PNG; None where ``render.image`` does it."""
        ...

    def held(self, job: Job, keys: Sequence[Hashable]) -> Sequence[Any]:
        """Return the chunks that lie in the kernel's own memory.

        Args:
            job: The job that needs them.
            keys: What identifies each chunk.

        Returns:
            What ``FilledJob.chunks`` takes in the place of each; None for one that has to be read.
        """
        ...

    def handles(self, job: Job) -> bool:
        """Return whether the kernel can compute a job.

        Args:
            job: The job.

        Returns:
            False where NumPy has to.
        """
        ...

    def positions(self, job: Job) -> Sequence[Position]:
        """Return the chunks that a job needs: all of them, and no other.

        Args:
            job: The job.

        Returns:
            Row and column of each, in the order in which ``run`` takes them.
        """
        ...

    def run(self, batch: Sequence[FilledJob], stop: StopFlag) -> list[NDArray[Any]]:
        """Compute palette indices.

        Args:
            batch: Jobs with palettes.
            stop: Looked at between strips of rows.

        Returns:
            For each job shape (height, width), uint8, or uint16 where the palette has over 256 colours; 0 for no data.

        Raises:
            StoppedError: ``stop`` was set.
        """
        ...

    def values(self, batch: Sequence[FilledJob], stop: StopFlag) -> list[ValueTile]:
        """Compute values, before any colour.

        Args:
            batch: The jobs.
            stop: Looked at between strips of rows.

        Returns:
            The value tile of each job.

        Raises:
            StoppedError: ``stop`` was set.
        """
        ...

    def hillshade(self, values: NDArray[Any], exaggeration: float, stop: StopFlag) -> NDArray[Any]:
        """Shade values as heights.

        Args:
            values: Shape (height + 2, width + 2), float64.
            exaggeration: Height of a unit, in pixels.
            stop: Looked at between strips of rows.

        Returns:
            As ``relief.hillshade``.

        Raises:
            StoppedError: ``stop`` was set.
        """
        ...

    def paint(self, tile: ValueTile, palette: Palette) -> NDArray[Any]:
        """Colour values.

        Args:
            tile: The values.
            palette: The palette.

        Returns:
            Shape of the tile, as ``run`` returns it.
        """
        ...
