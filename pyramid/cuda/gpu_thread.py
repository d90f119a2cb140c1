"""The one thread that owns a GPU. While a batch runs there, the next one gathers.

Any thread submits requests. It copies what the GPU lacks into the slab that gathers, all cores at once, and waits for
its pixels. The owner takes the slab, launches it behind the batch that runs, and hands out the pixels of that one. No
timer waits for more requests: at low load a batch is one tile.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import EngineError
from lazytile.pyramid.cuda.batch import MOVE_BYTES, STAGES, Flight, launch
from lazytile.pyramid.cuda.device import Device, GpuMemoryError
from lazytile.pyramid.cuda.device_cache import DeviceCache, Upload
from lazytile.pyramid.cuda.request import ARGUMENT_BYTES
from lazytile.pyramid.cuda.slab import Slab, aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lazytile.pyramid.cuda.request import Request

STREAMS = 2
"""Batches in flight: one computes while the other is copied."""
SLABS = STREAMS + 1
"""One more gathers."""
PART_BYTES = 8 + MOVE_BYTES
"""What the address of an array and its move take."""
CACHE_SHARE = 0.75
"""Of the GPU memory that the pool may take: the cache. The rest is for batches."""


@dataclass(frozen=True, slots=True)
class GpuLimits:
    """How much a GPU may use."""

    memory_bytes: int | None = None
    """Of the GPU's memory; None: a share of it."""
    slab_bytes: int = 72 << 20
    """Page-locked memory of one batch; there are three."""
    is_timed: bool = False
    """Whether to record the time of each stage on the GPU, for benchmarks."""


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A request and the arrays that it needs on the GPU."""

    request: Request
    tables: Sequence[NDArray[Any]]
    chunks: Sequence[Upload | tuple[Hashable, NDArray[Any]]]
    """What is on the GPU, or the key and the array of what is not."""

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that may have to be copied, at most."""
        arrays = [*self.tables, *(chunk[1] for chunk in self.chunks if not isinstance(chunk, Upload))]
        return sum(aligned(array.nbytes) for array in arrays)


@dataclass(slots=True)
class GpuCounts:
    """What a GPU has done."""

    batches: int = 0
    tiles: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    """Spent in each stage on the GPU, where times are recorded."""


class GpuThread:
    """Owns a GPU and runs batches on it."""

    def __init__(self, cupy: Any, limits: GpuLimits | None = None) -> None:
        """Start the thread, which compiles the kernels and allocates the slabs.

        Args:
            cupy: The module.
            limits: How much the GPU may use.

        Raises:
            Exception: What CuPy raises where the GPU does not work.
        """
        self.limits = limits or GpuLimits()
        self.counts = GpuCounts()
        self._changed = threading.Condition()
        self._free: deque[Slab] = deque()
        self._gathering: Slab | None = None
        self._broken: BaseException | None = None
        self._closed = False
        self._buffers: list[NDArray[np.uint8]] = []
        started: Future[tuple[str, DeviceCache]] = Future()
        self._thread = threading.Thread(target=self._run, args=(cupy, started), name="lazytile-gpu", daemon=True)
        self._thread.start()
        self.name, self.cache = started.result()

    def submit(self, pending: Sequence[Pending]) -> None:
        """Copy what the GPU lacks, and queue requests for one batch; for several where they do not fit into one.

        Args:
            pending: The requests and what they need.

        Raises:
            GpuMemoryError: A request is larger than a slab.
            EngineError: The GPU has failed.
        """
        taken = self._take_room(pending)
        if taken is None:
            half = len(pending) // 2
            self.submit(pending[:half])
            self.submit(pending[half:])
            return
        slab, new = taken
        try:
            for upload in new:
                slab.write(upload.host, upload.offset)
        finally:
            with self._changed:
                slab.writers -= 1
                self._changed.notify_all()

    @property
    def gathered(self) -> int:
        """Requests that wait for the next batch."""
        with self._changed:
            return 0 if self._gathering is None else len(self._gathering.requests)

    def close(self) -> None:
        """End the thread; requests that wait fail."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def fits(self, nbytes: int, parts: int) -> bool:
        """Return whether a request fits into a slab.

        Args:
            nbytes: Of its arrays.
            parts: Number of them.

        Returns:
            Whether it fits.
        """
        return nbytes + ARGUMENT_BYTES + parts * PART_BYTES <= self.limits.slab_bytes

    def _take_room(self, pending: Sequence[Pending]) -> tuple[Slab, list[Upload]] | None:
        """Queue requests in the slab that gathers and reserve room; None where no slab holds them all."""
        with self._changed:
            while True:
                self._check()
                new: list[Upload] = []
                parts = 0
                for one in pending:
                    one.request.uploads.tables = {
                        id(table): self._entry(("table", id(table)), table, new, is_chunk=False) for table in one.tables
                    }
                    one.request.uploads.chunks = [
                        chunk if isinstance(chunk, Upload) else self._entry(*chunk, new, is_chunk=True)
                        for chunk in one.chunks
                    ]
                    parts += len(one.tables) + len(one.chunks)
                needed = sum(aligned(upload.nbytes) for upload in new)
                arguments = len(pending) * ARGUMENT_BYTES + parts * PART_BYTES
                slab = self._slab()
                if slab is not None and slab.has_room(needed + arguments):
                    break
                if needed + arguments > self.limits.slab_bytes:
                    if len(pending) > 1:
                        return None
                    limit = self.limits.slab_bytes
                    raise GpuMemoryError(f"a block needs {needed} bytes at once, a batch holds {limit}")
                self._changed.wait()
            for upload in new:
                upload.offset = slab.reserve(upload.nbytes)
                self.cache.add(upload)
            slab.promised += arguments
            slab.uploads += new
            slab.requests += [one.request for one in pending]
            slab.writers += 1
            self._changed.notify_all()
            return slab, new

    def _entry(self, key: Hashable, array: NDArray[Any], new: list[Upload], *, is_chunk: bool) -> Upload:
        """Return what lies under a key, or a new upload."""
        entry = self.cache.get(key)
        if entry is None:
            entry = next((upload for upload in new if upload.key == key), None)
        if entry is None or entry.error is not None:
            entry = Upload(key, array, array.nbytes, is_chunk)
            new.append(entry)
        return entry

    def _slab(self) -> Slab | None:
        if self._gathering is None and self._free:
            self._gathering = self._free.popleft()
        return self._gathering

    def _check(self) -> None:
        if self._broken is not None:
            raise EngineError(f"the GPU has failed: {self._broken}") from self._broken
        if self._closed:
            raise EngineError("the GPU is closed")

    def _run(self, cupy: Any, started: Future[tuple[str, DeviceCache]]) -> None:
        try:
            device = Device(cupy, self.limits.memory_bytes, is_timed=self.limits.is_timed)
            cache = DeviceCache(int(device.limit_bytes * CACHE_SHARE))
            streams = [device.stream() for _ in range(STREAMS)]
            for _ in range(SLABS):
                size = self.limits.slab_bytes
                self._free.append(Slab(device.pinned(size), device.allocate(size), None))
            self.name, self.cache = device.name, cache
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            started.set_exception(error)
            return
        started.set_result((device.name, cache))
        flights: deque[Flight] = deque()
        placed: Any = None
        turn = 0
        while True:
            slab = self._take(wait=not flights)
            if slab is None and not flights:
                return
            if slab is not None:
                slab.stream = streams[turn % STREAMS]
                turn += 1
                flight = self._launch(device, slab, placed)
                if flight is not None:
                    placed = flight.placed
                    flights.append(flight)
            if flights and (slab is None or len(flights) == STREAMS):
                self._finish(device, flights.popleft())

    def _take(self, *, wait: bool) -> Slab | None:
        """Return the slab that has gathered; None where there is nothing, and, if waiting, once the GPU is closed."""
        with self._changed:
            while True:
                slab = self._gathering
                if slab is not None and slab.requests:
                    self._gathering = None  # whoever comes now writes into another one
                    self._changed.notify_all()
                    while slab.writers:
                        self._changed.wait()
                    return slab
                if not wait or self._closed:
                    return None
                self._changed.wait()

    def _launch(self, device: Device, slab: Slab, after: Any) -> Flight | None:
        try:
            self._check()
            return launch(device, self.cache, slab, self._pixels(device), after)
        except BaseException as error:  # noqa: BLE001 - the threads that wait raise it
            self._fail(slab, error, is_broken=not isinstance(error, GpuMemoryError))
            return None

    def _finish(self, device: Device, flight: Flight) -> None:
        try:
            flight.finish()
            for stage, seconds in zip(STAGES, device.seconds_between(flight.marks), strict=False):
                self.counts.seconds[stage] += seconds
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(flight.slab, error, is_broken=True)
            return
        self._buffers.append(flight.pixels)
        self.counts.batches += 1
        self.counts.tiles += len(flight.requests)
        self._release(flight.slab)

    def _fail(self, slab: Slab, error: BaseException, *, is_broken: bool) -> None:
        """Answer the requests of a batch that did not run. A CUDA error stays: no later batch would run either."""
        reason = error.with_traceback(None)
        for upload in slab.uploads:
            upload.error = reason
            self.cache.discard(upload)
        for request in slab.requests:
            if not request.result.done():
                request.result.set_exception(reason)
        if is_broken:
            with self._changed:
                self._broken = self._broken or reason
        self._release(slab)

    def _release(self, slab: Slab) -> None:
        with self._changed:
            slab.clear()
            self._free.append(slab)
            self._changed.notify_all()

    def _pixels(self, device: Device) -> Callable[[int], NDArray[np.uint8]]:
        """Return what provides page-locked memory for output; at most ``STREAMS`` pieces, which grow as needed."""

        def provide(nbytes: int) -> NDArray[np.uint8]:
            piece = self._buffers.pop() if self._buffers else None
            return piece if piece is not None and piece.size >= nbytes else device.pinned(aligned(2 * nbytes))

        return provide
