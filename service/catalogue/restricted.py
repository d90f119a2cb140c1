"""A catalogue as those see it who may not see every dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.service.catalogue.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.core.errors import StoreError


class RestrictedCatalogue(Catalogue):
    """A catalogue without some datasets: nothing lists them, and asking for one is an error that says so.

    It follows another one, which it neither opens nor closes. Belongs to the same event loop. See ``Catalogue``.
    """

    def __init__(self, whole: Catalogue, hidden: frozenset[str], refusal: Callable[[str], StoreError]) -> None:
        """Show a catalogue.

        Args:
            whole: The catalogue.
            hidden: The datasets to leave out.
            refusal: Returns the error for the name of such a dataset.
        """
        self._whole = whole
        self._hidden = hidden
        self._refusal = refusal
        self._last: tuple[Snapshot, Snapshot] | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The current snapshot."""
        return self._shown(self._whole.snapshot)

    def is_current(self, name: str) -> bool:
        """Return whether the snapshot has a dataset as it is on disk."""
        return self._whole.is_current(name)

    async def at(self, layer: str, *, again: bool = False) -> Snapshot:
        """Return a snapshot that has the dataset of a layer as it is now."""
        return self._shown(await self._whole.at(layer, again=again))

    async def whole(self) -> Snapshot:
        """Return a snapshot that has every dataset as it is now."""
        return self._shown(await self._whole.whole())

    def note(self, names: Iterable[str] | None = None) -> None:
        """Take note that something may have changed."""
        self._whole.note(names)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a function whenever the snapshot is replaced."""
        self._whole.on_change(listener)

    def _shown(self, snapshot: Snapshot) -> Snapshot:
        if self._last is None or self._last[0] is not snapshot:
            self._last = snapshot, snapshot.without(self._hidden, self._refusal)
        return self._last[1]
