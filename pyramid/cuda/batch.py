"""A batch on the GPU: one copy in, one launch that places what is new, one for each kind of job, one copy out."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.cuda.device import THREADS, Device, DeviceArray, GpuMemoryError
from lazytile.pyramid.cuda.slab import aligned
from lazytile.pyramid.kernel.structs import JobStruct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lazytile.pyramid.cuda.device_cache import DeviceCache, Upload
    from lazytile.pyramid.cuda.request import Request
    from lazytile.pyramid.cuda.slab import Slab

_PLACE_BLOCKS = 32
"""Blocks of threads that place one array; each thread copies 16 bytes at a time."""
_NOTHING = np.empty(0, np.uint8)


class _MoveStruct(ctypes.Structure):
    """``Move`` of ``pixels.cu``."""

    _fields_ = [("source", ctypes.c_uint64), ("to", ctypes.c_uint64), ("nbytes", ctypes.c_int64)]


MOVE_BYTES = ctypes.sizeof(_MoveStruct)
STAGES = ("upload", "kernel", "download")
"""Of a batch on the GPU."""


@dataclass(slots=True, eq=False)
class Flight:
    """A batch that the GPU works on."""

    slab: Slab
    requests: list[Request]
    out: DeviceArray
    pixels: NDArray[np.uint8]
    done: Any
    placed: Any
    """The event after which everything that the batch brought is in its place."""
    marks: list[Any]
    """Events before and after each of ``STAGES``, where times are recorded."""

    def finish(self) -> None:
        """Wait for the GPU and hand out the pixels."""
        self.done.synchronize()
        for request in self.requests:
            piece = self.pixels[request.offset : request.offset + request.out_bytes]
            request.result.set_result(piece.view(request.dtype).reshape(request.job.pixels).copy())


def launch(
    device: Device,
    cache: DeviceCache,
    slab: Slab,
    pixels: Callable[[int], NDArray[np.uint8]],
    after: Any | None,
) -> Flight | None:
    """Start a batch.

    Args:
        device: The GPU.
        cache: Takes what the batch brings.
        slab: What has gathered. Its requests that were stopped meanwhile are answered at once.
        pixels: Returns page-locked memory of at least so many bytes, for the output.
        after: The event after which everything that earlier batches brought is in its place.

    Returns:
        The batch in flight; None where no request is left.

    Raises:
        GpuMemoryError: There is no room even without the cache.
    """
    requests = []
    for request in slab.requests:
        if request.stop.is_set:
            request.result.set_exception(StoppedError())
        else:
            requests.append(request)
    _allocate(device, cache, slab.uploads)
    total = 0
    for request in requests:
        request.offset = total
        total += aligned(request.out_bytes)
    out = _room(device, cache, max(1, total))
    moves = _moves(slab)
    batches = _structs(slab, requests, out)
    marks: list[Any] = []
    device.mark(marks, slab.stream)
    device.copy_in(slab.device, slab.host, slab.used, slab.stream)
    device.mark(marks, slab.stream)
    if after is not None:
        slab.stream.wait_event(after)
    if slab.uploads:
        device.launch("lt_place", (_PLACE_BLOCKS, len(slab.uploads), 1), moves, slab.stream)
    placed = device.event(slab.stream)
    for name, group, address in batches:
        height = max(request.job.pixels[0] for request in group)
        width = max(request.job.pixels[1] for request in group)
        device.launch(name, (-(-width // THREADS), height, len(group)), address, slab.stream)
    device.mark(marks, slab.stream)
    host = pixels(max(1, total))
    if requests:
        device.copy_out(host, out, total, slab.stream)
    device.mark(marks, slab.stream)
    for upload in slab.uploads:
        if upload.is_chunk:
            upload.host = _NOTHING
    return Flight(slab, requests, out, host, device.event(slab.stream), placed, marks)


def _allocate(device: Device, cache: DeviceCache, uploads: Sequence[Upload]) -> None:
    for upload in uploads:
        upload.array = _room(device, cache, aligned(upload.nbytes))


def _room(device: Device, cache: DeviceCache, nbytes: int) -> DeviceArray:
    """Allocate memory; where there is none, the cache gives way. Raises ``GpuMemoryError``."""
    try:
        return device.allocate(nbytes)
    except GpuMemoryError:
        cache.shed()
        device.free_unused()
    return device.allocate(nbytes)


def _moves(slab: Slab) -> int:
    """Put the moves into a slab; return their address on the GPU."""
    moves = (_MoveStruct * max(1, len(slab.uploads)))()
    for move, upload in zip(moves, slab.uploads, strict=False):
        move.source, move.to, move.nbytes = slab.device.address + upload.offset, upload.address, upload.nbytes
    return slab.put(moves)


def _structs(slab: Slab, requests: Sequence[Request], out: DeviceArray) -> list[tuple[str, list[Request], int]]:
    """Put the structs of all jobs into a slab; return for each kernel its jobs and the address of their structs."""
    groups: dict[str, list[Request]] = {}
    for request in requests:
        groups.setdefault(request.function, []).append(request)
    found = []
    for name, group in groups.items():
        jobs = (JobStruct * len(group))()
        for request, struct in zip(group, jobs, strict=True):
            request.fill(struct, slab, out.address)
        found.append((name, group, slab.put(jobs)))
    return found
