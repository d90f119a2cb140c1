"""Small tiles, rendered on the event loop: to hand one to a thread costs more than to render it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import NotComputedError
from lazytile.service.admission.work_class import WorkClass
from lazytile.service.tiles.loop_share import LoopShare

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.engines.protocol import TileEngine
    from lazytile.service.admission.admission import Admission
    from lazytile.service.claims.claims import Claims
    from lazytile.service.tiles.prepared_tile import PreparedTile, RenderedTiles
    from lazytile.service.tiles.shared_turns import SharedTurns

    Store = Callable[[PreparedTile, tuple[bytes, ...], float, float], RenderedTiles]


class InlineTiles:
    """Renders tiles where its caller runs. Belongs to one event loop; nothing here waits."""

    def __init__(
        self, engine: TileEngine, admission: Admission, turns: SharedTurns, claims: Claims | None, store: Store
    ) -> None:
        """Render with an engine.

        Args:
            engine: Renders the tiles.
            admission: Knows what is under way, and whether there is memory.
            turns: Says whether other hosts render too; then nothing is rendered here.
            claims: What other processes of this machine render; None: there are none.
            store: Caches the tiles of a task, and returns them; gets the times at which it was queued and began.
        """
        self._engine = engine
        self._admission = admission
        self._turns = turns
        self._claims = claims
        self._store = store
        self._share = LoopShare()

    def at_once(self, prepared: PreparedTile, since_ns: int) -> RenderedTiles | None:
        """Render a tile that somebody waits for, if it need not wait for its turn.

        Args:
            prepared: The tile, one that is not in memory.
            since_ns: When it was in no slower tier, by ``time.monotonic_ns``.

        Returns:
            The tile, which is in the caches now. None where it has to wait, or may not be rendered here.

        Raises:
            NotComputedError: Something else has to be computed for it first.
        """
        if not self._may_render(prepared, WorkClass.LIGHT) or not self._admission.turns.begins_at_once():
            return None
        return self._render(prepared, since_ns)

    def render(self, prepared: PreparedTile, since_ns: int, work_class: WorkClass) -> RenderedTiles | None:
        """Render a tile whose turn it is. Nothing is awaited between the last look into the memory and this.

        Args:
            prepared: The tile, one that is not in memory.
            since_ns: When it was in no slower tier, by ``time.monotonic_ns``.
            work_class: Whom it is for.

        Returns:
            The tile, which is in the caches now. None where it may not be rendered here, something else has to be
            computed for it first, or it is being rendered.
        """
        try:
            return self._render(prepared, since_ns) if self._may_render(prepared, work_class) else None
        except NotComputedError:
            return None

    def _may_render(self, prepared: PreparedTile, work_class: WorkClass) -> bool:
        return (
            prepared.is_small
            and prepared.is_single
            and self._share.allows(prepared.cost.ready_ms)
            and not self._turns.is_on
            and not self._admission.is_under_way(prepared.work_key)
            and self._admission.has_memory(work_class)
            and (work_class is not WorkClass.BACKGROUND or self._admission.is_quiet)
        )

    def _render(self, prepared: PreparedTile, since_ns: int) -> RenderedTiles | None:
        claims, key = self._claims, prepared.key
        if claims is not None and not claims.take_anew(key, since_ns):
            return None
        share = self._share
        began, began_ns = time.perf_counter(), time.thread_time_ns() if share.is_watching else None
        try:
            images = process.if_known(partial(self._engine.render_inline, prepared.task))
        except NotComputedError:  # the dataset is not open yet, for one, or an overview is not made
            if claims is not None:
                claims.give_up(key)
            raise
        except BaseException:
            if claims is not None:
                claims.release(key)
            raise
        if images is None:
            if claims is not None:
                claims.give_up(key)  # the work that renders it in a thread takes it again
            return None
        spent_ms = None if began_ns is None else (time.thread_time_ns() - began_ns) * 1e-6
        share.record(prepared.cost.ready_ms, (time.perf_counter() - began) * 1e3, spent_ms)
        return self._store(prepared, images, began, began)
