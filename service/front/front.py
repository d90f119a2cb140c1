"""The handler in front of the application: tiles of known addresses are answered here, everything else goes on.

aiohttp's application resolves routes, builds middleware and writes headers one by one, which takes longer than a tile
in memory is worth. Its runner shows the handler of its connections (``AppRunner.server.request_handler``); this one
takes its place. It learns from the application's own responses: a family (an address without row and column) is what
one response said, so that both paths give the same answers. What is learned holds for one snapshot of the catalogue and
is forgotten with it. A response is only learned from if it depends on its target alone, and a request is only answered
here if nothing but its target, If-None-Match and X-Request-Id can matter.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11
from multidict import istr

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import GenerationChangedError, NotComputedError
from lazytile.service.access.exchange import GONE, Sent
from lazytile.service.front.family import Family, KnownTarget
from lazytile.service.front.heads import NOT_MODIFIED, Tail, is_template
from lazytile.service.front.prepared_response import PreparedResponse
from lazytile.service.front.target import is_ambiguous, split_target
from lazytile.service.http.errors import BusyError
from lazytile.service.http.reply import is_background, is_request_id, new_request_id, server_timing
from lazytile.service.protocol.middleware import route_of
from lazytile.service.protocol.tile_answer import ARRIVED, OUTCOME, Outcome, TileResponse
from lazytile.service.tiles.prepared_tile import matching_etag

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any

    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.service.protocol.context import AppContext

    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

LOG = logging.getLogger(__name__)
_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_REQUEST_ID = istr("X-Request-Id")
TARGET_BYTES = 300
"""Estimate for a known target besides its text."""
FREED = 1000
"""Targets and families that are freed in a tenth of a millisecond or two."""
_IN_MEMORY = server_timing({"resolve": 0.0}, cache="memory")
_AT_CLIENT = server_timing({"resolve": 0.0}, cache="client")


class Front:
    """Answers requests for tiles of known families. Belongs to one event loop."""

    def __init__(
        self,
        inner: Handler,
        context: AppContext,
        cache: BytesLru[Family | KnownTarget],
        admits: Callable[[web.BaseRequest], bool] | None = None,
    ) -> None:
        """Stand in front of an application.

        Args:
            inner: The handler of the application.
            context: Its context.
            cache: Bounds what is learned, in bytes.
            admits: Whether a request may be answered here, asked each time: for checks of clients that the application
                makes in its middleware. Without it every request may.
        """
        self._inner = inner
        self._context = context
        self._cache = cache
        self._admits = admits
        self._catalogue = context.catalogue
        self._broker = context.broker
        self._counts = context.metrics.counts
        self._exchanges = context.exchanges
        self._limit = context.settings.max_query_bytes
        self._tail = Tail()
        self._generation = 0
        self._freeing: set[asyncio.Task[None]] = set()
        context.catalogue.on_change(self._forget)

    def _forget(self) -> None:
        self._generation += 1
        freeing = asyncio.get_running_loop().create_task(free_in_parts(self._cache.detach()))
        self._freeing.add(freeing)
        freeing.add_done_callback(self._freeing.discard)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request.

        Args:
            request: The request.

        Returns:
            The response.
        """
        if not self._is_plain(request):
            return await self._inner(request)
        began = time.perf_counter()
        target = request.raw_path
        known = self._cache.peek(target) or self._find(target)
        if isinstance(known, KnownTarget) and (
            self._catalogue.is_quiet or self._catalogue.is_current(known.family.dataset)
        ):
            at_once = self._at_once(request, known, began)
            response = at_once or await self._later(request, known, began)
            if response is not None:
                return response
        generation = self._generation
        await self._turn(request, began)
        response = await self._inner(request)
        if generation == self._generation and isinstance(response, TileResponse):
            self._learn(target, response)
        return response

    def _is_plain(self, request: web.BaseRequest) -> bool:
        """Return whether nothing but target and conditions decides the answer."""
        return (
            request.method in _METHODS
            and request.version == HttpVersion11
            and request.keep_alive
            and hdrs.EXPECT not in request.headers
            and not request.body_exists
            and (self._admits is None or self._admits(request))
        )

    def _find(self, target: str) -> KnownTarget | None:
        """Return a target of a known family, not requested before."""
        split = split_target(target) if len(target) <= self._limit else None
        if split is None:
            return None
        family = self._cache.peek(split.family)
        if not isinstance(family, Family) or split.row not in family.rows or split.col not in family.cols:
            return None
        key = family.keys.key(split.row, split.col)
        return KnownTarget(family, split.row, split.col, key, TARGET_BYTES + len(target))

    def _at_once(self, request: web.BaseRequest, known: KnownTarget, began: float) -> web.StreamResponse | None:
        """Return the response that needs no waiting: the client has the tile, or it is in memory."""
        wanted = request.headers.get(hdrs.IF_NONE_MATCH)
        if wanted is not None:
            etag = matching_etag(known.key, wanted)
            if etag is not None:
                self._counts.tiles["client"] += 1
                self._counts.layer_tiles[known.family.layer, "client"] += 1
                request_id = _id_of(request)
                content = known.family.heads.known(etag, _AT_CLIENT, request_id, self._tail.now())
                self._note(request, known.family, Sent(NOT_MODIFIED, 0, request_id, _AT_CLIENT), began)
                return PreparedResponse(NOT_MODIFIED, content)
        data = self._broker.peek(known.key)
        if data is None:
            return None
        if not known.is_kept:
            # A tile that is in memory is likely to be asked for again; most others never are.
            known.is_kept = True
            self._cache.put(request.raw_path, known)
        self._counts.layer_tiles[known.family.layer, "memory"] += 1
        request_id = _id_of(request)
        head = known.family.heads.found(f'"{known.key}"', _IN_MEMORY, request_id, len(data), self._tail.now())
        return self._found(request, known.family, head, data, request_id=request_id, timing=_IN_MEMORY, began=began)

    def _arrive(self, request: web.BaseRequest) -> None:
        """Begin the time limit of a request."""
        request[ARRIVED] = asyncio.get_running_loop().time()
        self._context.admission.arrived(request[ARRIVED], request.transport)

    async def _turn(self, request: web.BaseRequest, began: float) -> None:
        """Wait until the application may have a request."""
        if ARRIVED not in request:
            self._arrive(request)
        if OUTCOME in request:
            return
        try:
            await self._context.admission.turn()
        except BusyError as error:
            request[OUTCOME] = Outcome(error, began)
        except asyncio.CancelledError:
            self._context.metrics.cancelled.inc()
            raise

    async def _later(self, request: web.BaseRequest, known: KnownTarget, began: float) -> web.StreamResponse | None:
        """Find or render the tile; None where its address has to be resolved again."""
        prepared = known.family.prepared(known.row, known.col, known.key)
        if prepared is None:
            return None
        resolved_s = time.perf_counter() - began
        for_nobody = is_background(request.headers)
        tile, in_thread = None, False
        try:
            try:
                tile = None if for_nobody else self._broker.now(prepared)
            except NotComputedError:
                in_thread = True
            if tile is not None:
                self._context.admission.visitors.seen(request.transport)
            else:
                self._arrive(request)
                tile = await self._broker.tile(prepared, again=True, is_background=for_nobody, in_thread=in_thread)
        except GenerationChangedError:
            return None
        except asyncio.CancelledError:
            self._context.metrics.cancelled.inc()
            seconds = time.perf_counter() - began
            self._exchanges.add(request, known.family.route, Sent(GONE, 0, _id_of(request)), seconds)
            raise
        except Exception as error:  # noqa: BLE001 - each protocol reports it in its own way
            request[OUTCOME] = Outcome(error, began)
            return None
        stages_s = {"resolve": resolved_s, **tile.stages_s}
        self._counts.tile(known.family.layer, tile.tier, stages_s)
        timing = server_timing(stages_s, cache=tile.tier)
        request_id = _id_of(request)
        head = known.family.heads.found(prepared.etag_of(tile), timing, request_id, len(tile.data), self._tail.now())
        return self._found(request, known.family, head, tile.data, request_id=request_id, timing=timing, began=began)

    def _found(
        self,
        request: web.BaseRequest,
        family: Family,
        head: bytes,
        data: bytes,
        *,
        request_id: str,
        timing: str,
        began: float,
    ) -> web.StreamResponse:
        content, size = (head, 0) if request.method == hdrs.METH_HEAD else (head + data, len(data))
        self._note(request, family, Sent(200, size, request_id, timing), began)
        return PreparedResponse(200, content)

    def _note(self, request: web.BaseRequest, family: Family, sent: Sent, began: float) -> None:
        """Count and log a response."""
        seconds = time.perf_counter() - began
        self._counts.route(family.route).answered(sent.status, seconds)
        self._exchanges.add(request, family.route, sent, seconds)

    def _learn(self, target: str, response: TileResponse) -> None:
        """Take note of how a target was resolved, if that says how all of its family are."""
        split = split_target(target)
        request = response.tile.request
        if (
            split is None
            or not response.is_like_others
            or (split.row, split.col) != (request.row, request.col)
            or response.status not in (200, NOT_MODIFIED)
            or is_ambiguous(target)
            or not is_template(response.headers)
        ):
            return
        route = route_of(target.partition("?")[0])
        try:
            family = process.if_known(partial(Family, response, response.headers, route, self._broker.metatile))
        except NotComputedError:
            return  # its limits have left the cache
        except ValueError as error:
            LOG.warning("tiles at addresses like %.200s take the long way: %s", target, error)
            return
        self._cache.remove(split.family)  # its style may have left the cache
        self._cache.put(split.family, family)


async def free_in_parts(held: Iterable[OrderedDict[Any, Any]]) -> None:
    """Free what a cache held, a part in each round of the event loop.

    Args:
        held: As ``BytesLru.detach`` returns it.
    """
    for each in held:
        while each:
            for _ in range(min(len(each), FREED)):
                each.popitem()
            await asyncio.sleep(0)


def _id_of(request: web.BaseRequest) -> str:
    given = request.headers.get(_REQUEST_ID)
    return given if given is not None and is_request_id(given) else new_request_id()
