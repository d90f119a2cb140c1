"""The addresses ``/zarr/{dataset}/{key}``, and ``/zarr/{dataset}@{generation}/{key}``, which never change.

Zarr readers take 404 for a chunk that is all fill value. Only a chunk of which the table of checksums says so gets it;
whatever is missing for another reason is 410 or an error, so that no reader shows empty what is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from aiohttp import hdrs, web

from lazytile.pyramid.chunks.damage import DamagedChunkError
from lazytile.pyramid.core.errors import DatasetNotFoundError
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.pyramid.store.generation_attempts import generation_attempts
from lazytile.pyramid.store.layer import Layer
from lazytile.pyramid.store.layout import shard_shape
from lazytile.service.admission.work_class import WorkClass
from lazytile.service.http.documents import with_problem_responses
from lazytile.service.http.errors import GoneError, NotFoundError
from lazytile.service.http.json_document import JSON
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.tile_response import layer_cache_control
from lazytile.service.protocol.views import context_of
from lazytile.service.zarr_http.address import PREFIX, ZarrAddress, store_url
from lazytile.service.zarr_http.byte_range import Selection
from lazytile.service.zarr_http.bytes_in_flight import BytesInFlight
from lazytile.service.zarr_http.hierarchy import hierarchy_of
from lazytile.service.zarr_http.responses import PIECE_BYTES, DataResponse, FileResponse
from lazytile.service.zarr_http.shard_object import FETCH_BYTES, FETCHES, FileObject, ShardObject
from lazytile.service.zarr_http.stored_object import WholeObject, open_object

if TYPE_CHECKING:
    from lazytile.pyramid.store.store import StoredDataset
    from lazytile.service.http.settings import Settings
    from lazytile.service.protocol.context import AppContext
    from lazytile.service.zarr_http.hierarchy import Hierarchy

PATH = f"{PREFIX}/{{path:.*}}"
FLOW: web.AppKey[BytesInFlight] = web.AppKey("zarr bytes in flight")
IMMUTABLE = "public, max-age=31536000, immutable"
CHECKED_BYTES_PER_MS = 500_000
"""Bytes that are read and compared with their checksums in a millisecond, at least."""


def add_routes(router: web.UrlDispatcher) -> None:
    """Add the addresses.

    Args:
        router: The router of the application.
    """
    router.add_get(PATH, with_problem_responses(store_object))


def open_flow(settings: Settings) -> BytesInFlight:
    """Return the bound on what is sent at a time, to be kept under ``FLOW``.

    Args:
        settings: The settings.

    Returns:
        The bound.
    """
    return BytesInFlight(settings.zarr_bytes_in_flight, settings.queue_length, settings.queue_wait_s)


async def store_object(request: web.Request) -> web.StreamResponse:
    """Respond with a metadata document, a chunk or a shard of a dataset."""
    context = context_of(request)
    address = ZarrAddress.parse(request.match_info["path"])
    if not address.is_key:
        raise NotFoundError(
            "path",
            "this is no key of a Zarr store: a store is at /zarr/DATASET, its metadata at /zarr/DATASET/zarr.json",
        )
    response: web.StreamResponse | None = None
    for attempt in generation_attempts():
        with attempt:
            snapshot = await context.catalogue.at(address.dataset, again=attempt.is_repeated)
            try:
                stored = snapshot.dataset(address.dataset)
            except DatasetNotFoundError as error:
                if address.chunk is None:
                    raise
                raise GoneError("path", str(error)) from error
            _check_generation(address, stored)
            response = await _response(request, context, address, stored)
    assert response is not None
    return response


def _check_generation(address: ZarrAddress, stored: StoredDataset) -> None:
    if address.generation not in (None, stored.description.generation):
        name = address.dataset
        raise GoneError("path", f"dataset {name} has changed since this address was made: open {PREFIX}/{name} again")


async def _response(
    request: web.Request, context: AppContext, address: ZarrAddress, stored: StoredDataset
) -> web.StreamResponse:
    is_fixed = address.generation is not None
    if address.chunk is None:
        root = store_url(context.base_url(request), address.dataset, stored.description.generation)
        return await context.admission.document(lambda: _metadata(request, address, stored, root))
    hierarchy = await context.admission.document(lambda: hierarchy_of(stored))
    _check_index(address, hierarchy)
    level, _, array = address.node.partition("/")
    place = int(level), array, address.chunk
    kept = IMMUTABLE if is_fixed else _cache_control(context.settings, stored, place)
    return await _object_response(request, context, stored, place, kept)


def _metadata(request: web.Request, address: ZarrAddress, stored: StoredDataset, root: str) -> web.Response:
    """Return the document of a group or an array, which may be long."""
    node = hierarchy_of(stored).nodes.get(address.node)
    if node is None:
        raise NotFoundError("path", f"dataset {address.dataset} has no group or array {address.node[:100]!r}")
    location = "/".join(filter(None, (root, address.node, "zarr.json")))
    headers = {
        "Cache-Control": "no-cache" if address.generation is None else IMMUTABLE, "Content-Location": location
    }  # fmt: skip
    return text_response(request, node.body, JSON, digest=node.digest, headers=headers)


def _check_index(address: ZarrAddress, hierarchy: Hierarchy) -> None:
    """Check that an array has a chunk; one that a reader of older metadata asks for may be gone."""
    node = hierarchy.nodes.get(address.node)
    counts = None if node is None else node.chunk_counts
    index = address.chunk
    assert index is not None
    if counts is None:
        raise GoneError("path", f"dataset {address.dataset} has no array {address.node[:100]!r}")
    if len(index) != len(counts) or any(at >= count for at, count in zip(index, counts, strict=True)):
        raise GoneError("path", f"array {address.node} of dataset {address.dataset} has no such chunk")


def _cache_control(settings: Settings, stored: StoredDataset, place: tuple[int, str, tuple[int, ...]]) -> str:
    """Return how long clients may keep a chunk at the address that stays when the dataset changes: as its tiles."""
    level, array, index = place
    variable = next((each for each in stored.description.variables if each.name == array), None)
    if variable is None:
        return "no-cache"  # the times grow with each append
    axis, is_latest = variable.time_axis, None
    if axis is not None:
        shard = shard_shape(stored.description, variable, level)
        last = len(variable.dimensions[axis].labels) - 1
        is_latest = index[axis] == last // (1 if shard is None else shard.steps)
    return layer_cache_control(settings, Layer(stored.description, variable), is_latest)


async def _object_response(
    request: web.Request,
    context: AppContext,
    stored: StoredDataset,
    place: tuple[int, str, tuple[int, ...]],
    cache_control: str,
) -> web.StreamResponse:
    reservation = await request.app[FLOW].take(_bytes_in_memory(stored))
    try:
        found = await context.admission.in_thread(WorkClass.LIGHT, lambda _: _there(stored, place))
        selection = Selection.of(request.method, request.headers, found.etag, found.size)
        if isinstance(found, ShardObject) and selection.has_body and request.method == hdrs.METH_GET:
            found = await _checked(context, stored, place, found, selection)
    except BaseException:
        reservation.release()
        raise
    headers = {
        "ETag": found.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store" if selection.status in (412, 416) else cache_control,
        **selection.headers,
    }
    if not selection.has_body:
        reservation.release()
        return web.Response(status=selection.status, headers=headers)
    if isinstance(found, WholeObject):
        return DataResponse(found, selection, reservation, headers)
    timeout_s = context.settings.client_timeout_s
    return FileResponse(request, found, selection, reservation, headers, timeout_s=timeout_s)


def _there(stored: StoredDataset, place: tuple[int, str, tuple[int, ...]]) -> WholeObject | FileObject:
    found = open_object(stored, *place)
    if found is None:
        raise NotFoundError("path", "this chunk is empty: it has nothing but the fill value")
    return found


def _bytes_in_memory(stored: StoredDataset) -> int:
    """Return the bytes that a response holds: a chunk, or pieces of a shard."""
    description = stored.description
    is_remote = isinstance(stored.path, ObjectPath)
    piece = FETCHES * FETCH_BYTES if is_remote else PIECE_BYTES
    if description.shard:
        return piece
    chunk = max(
        description.chunk.rows * description.chunk.cols * np.dtype(variable.packing.dtype).itemsize
        for variable in description.variables
    )
    return max(chunk, piece) if description.shard_steps else chunk


async def _checked(
    context: AppContext,
    stored: StoredDataset,
    place: tuple[int, str, tuple[int, ...]],
    shard: ShardObject,
    selection: Selection,
) -> FileObject:
    """Compare what a response will send of a shard with its checksums; what is damaged is made again first."""
    work_class = context.admission.class_of((selection.stop - selection.start) / CHECKED_BYTES_PER_MS)

    def check() -> FileObject:
        try:
            shard.check(selection.start, selection.stop)
        except DamagedChunkError as error:
            shard.repair(error)
        else:
            return shard
        again = open_object(stored, *place)
        if not isinstance(again, ShardObject) or (again.etag, again.size) != (shard.etag, shard.size):
            raise GoneError("path", "the shard has changed, ask for it again")
        again.check(selection.start, selection.stop)
        return again

    return await context.admission.in_thread(work_class, lambda _: check())
