"""The catalogue at one moment: datasets, layers, colormaps and compiled styles, which requests use without any I/O.

A ``Snapshot`` never changes. ``SnapshotReader`` makes the next one from the disk; it blocks, so a server calls it from
a thread and then replaces the snapshot as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lazytile.colormaps.library.listing import ColormapListing
from lazytile.pyramid.catalog.resolver import Resolver
from lazytile.pyramid.catalog.style_catalog import KnownColormap, StyleCatalog
from lazytile.pyramid.core.errors import (
    DamagedDescriptionError,
    DatasetNotFoundError,
    StoreError,
    StoreUnavailableError,
)
from lazytile.pyramid.render.style import StyleNotCompiledError, Styles
from lazytile.pyramid.storage.pointer import LEAST_S
from lazytile.pyramid.store.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from lazytile.colormaps.library.catalog import ColormapCatalog
    from lazytile.pyramid.catalog.dimension_names import DimensionNaming
    from lazytile.pyramid.core.byte_lru import BytesLru
    from lazytile.pyramid.render.style import Rescale, Style, StyleKey
    from lazytile.pyramid.store.store import Store, StoredDataset


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What the store and the colormap folders held at one moment. See ``LayerSource``."""

    generation: int
    """Counts the snapshots of a process."""
    folder: Path
    """Folder of the store."""
    stored: Mapping[str, StoredDataset]
    """The datasets by name, in the order of names."""
    damaged: Mapping[str, StoreError]
    """Why the other datasets cannot be read."""
    colormaps: ColormapListing
    known_colormaps: tuple[KnownColormap, ...]
    """The colormaps that styles are offered from."""
    styles: Styles
    """Compiles styles; this takes too long for an event loop."""
    name_of: DimensionNaming
    hidden: frozenset[str] = frozenset()
    """Datasets that are left out: they count as damaged, by an error that says why, and nothing lists them."""
    _layers: Mapping[str, Layer] = field(default_factory=dict, repr=False)
    _layer_names: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Name of the dataset and of the layer, of each layer, those of hidden datasets included."""

    def __post_init__(self) -> None:
        if self._layers:
            return
        layers = [
            Layer(each.description, variable)
            for each in self.stored.values()
            for variable in each.description.variables
        ]
        by_name = {f"{layer.dataset.name}.{layer.variable.name}": layer for layer in layers}
        by_name |= {layer.name: layer for layer in layers}
        object.__setattr__(self, "_layers", by_name)  # the dataclass is frozen
        object.__setattr__(self, "_layer_names", tuple((layer.dataset.name, layer.name) for layer in layers))

    def names(self) -> list[str]:
        """Return the names of the datasets, damaged ones too, sorted."""
        return sorted({*self.stored, *self.damaged} - self.hidden)

    def dataset(self, name: str) -> StoredDataset:
        """Return a dataset."""
        found = self.stored.get(name)
        if found is not None:
            return found
        if name in self.damaged:
            raise self.damaged[name].with_traceback(None)  # it is raised again and again
        raise DatasetNotFoundError(f"there is no dataset {name!r}, there is {', '.join(self.names()) or 'none'}")

    def datasets(self) -> Iterator[StoredDataset]:
        """Yield every dataset that can be read, by name."""
        yield from self.stored.values()

    def layers(self) -> Iterator[Layer]:
        """Yield every layer of every dataset that can be read, by name."""
        for each in self.stored.values():
            for variable in each.description.variables:
                yield self._layers[f"{each.description.name}.{variable.name}"]

    def layer(self, name: str) -> Layer:
        """Return a layer."""
        found = self._layers.get(name)
        if found is not None:
            return found
        dataset, _, variable = name.partition(".")
        if dataset in self.damaged:
            raise self.damaged[dataset].with_traceback(None)
        stored = self.stored.get(dataset)
        if stored is not None and not variable and len(stored.description.variables) == 1:
            return Layer(stored.description, stored.description.variables[0])
        names = ", ".join([layer for dataset, layer in self._layer_names if dataset not in self.hidden])
        raise DatasetNotFoundError(f"there is no layer {name!r}, there is {names or 'none'}")

    def without(self, names: frozenset[str], refusal: Callable[[str], StoreError]) -> Snapshot:
        """Return the same snapshot without some datasets. Takes a quarter of a millisecond for a thousand datasets.

        Args:
            names: The datasets.
            refusal: Returns the error that is raised for one of them.

        Returns:
            The smaller snapshot.
        """
        return replace(
            self,
            stored={name: each for name, each in self.stored.items() if name not in names},
            damaged={name: each for name, each in self.damaged.items() if name not in names}
            | {name: refusal(name) for name in names},
            hidden=names,
            _layers={name: layer for name, layer in self._layers.items() if layer.dataset.name not in names},
        )

    def resolver(self, compiled: Mapping[StyleKey, Style] | None = None) -> Resolver:
        """Return a resolver that compiles no style, so that it may run on an event loop.

        Args:
            compiled: Styles to use besides those in the cache.

        Returns:
            The resolver; it raises ``StyleNotCompiledError`` for any other style.
        """
        return Resolver(self, _CompiledStyles(self.styles, compiled or {}), self.name_of)


class _CompiledStyles:
    """The styles that are compiled already. A ``StyleSource``."""

    def __init__(self, styles: Styles, compiled: Mapping[StyleKey, Style]) -> None:
        self._styles = styles
        self._compiled = compiled

    def style(self, layer: Layer, name: str, rescale_to: Rescale | None = None) -> Style:
        """Return a style that is compiled, or raise ``StyleNotCompiledError``."""
        found = self._compiled.get(self._styles.key(layer, name, rescale_to)) if self._compiled else None
        found = found or self._styles.compiled(layer, name, rescale_to)
        if found is None:
            raise StyleNotCompiledError(layer, name, rescale_to)
        return found


class SnapshotReader:
    """Makes snapshots from the disk. Blocking; belongs to one thread at a time."""

    def __init__(
        self, store: Store, catalog: ColormapCatalog, name_of: DimensionNaming, cache: BytesLru[Any] | None = None
    ) -> None:
        """Read a store and a catalog.

        Args:
            store: The datasets.
            catalog: The colormaps.
            name_of: Returns the name of a dimension in requests.
            cache: Cache of colormaps and compiled styles; without one, the process's own.
        """
        self._store = store
        self._catalog = catalog
        self._name_of = name_of
        self._cache = cache

    def entries(self) -> list[str]:
        """Return the names that datasets of the store have or may get."""
        return self._store.entries()

    def is_same(self, snapshot: Snapshot, name: str) -> bool:
        """Return whether a dataset is as a snapshot has it. It takes one system call.

        Args:
            snapshot: The snapshot.
            name: Of the dataset.

        Returns:
            False where the dataset was changed, added or removed. A damaged one counts as the same.
        """
        stored = snapshot.stored.get(name)
        return name in snapshot.damaged or self._store.stamp_of(name) == (None if stored is None else stored.stamp)

    def has_other_colormaps(self, snapshot: Snapshot) -> bool:
        """Return whether the colormap files differ from those of a snapshot.

        Args:
            snapshot: The snapshot.

        Returns:
            Whether any was changed, added or removed.
        """
        return ColormapListing.of(self._catalog).version != snapshot.colormaps.version

    def read(self, last: Snapshot | None = None, names: Iterable[str] | None = None) -> Snapshot:
        """Return the present state.

        Args:
            last: The snapshot before, if there is one.
            names: Datasets to look at, where only these and no colormap may have changed; None for everything.

        Returns:
            A new snapshot without styles of what is gone; ``last`` itself if nothing has changed.
        """
        self._store.refresh(LEAST_S)
        if last is None or names is None:
            stored, damaged = self._open(self._store.names())
            colormaps = ColormapListing.of(self._catalog)
        else:
            names, colormaps = frozenset(names), last.colormaps
            found, failed = self._open(sorted(names))
            stored = dict(
                sorted(({name: each for name, each in last.stored.items() if name not in names} | found).items())
            )
            damaged = {name: each for name, each in last.damaged.items() if name not in names} | failed
        if last is not None and _is_same(last, stored, damaged, colormaps):
            return last
        is_known = last is not None and last.colormaps.version == colormaps.version
        known = last.known_colormaps if last is not None and is_known else self._known(colormaps)
        generation = 1 if last is None else last.generation + 1
        styles = Styles(colormaps, self._cache, owner=self)
        styles.drop_dead({name: each.description.generation for name, each in stored.items()})
        return Snapshot(generation, self._store.folder, stored, damaged, colormaps, known, styles, self._name_of)

    def _known(self, colormaps: ColormapListing) -> tuple[KnownColormap, ...]:
        return StyleCatalog(colormaps, self._cache, owner=self).known()

    def _open(self, names: Iterable[str]) -> tuple[dict[str, StoredDataset], dict[str, StoreError]]:
        stored: dict[str, StoredDataset] = {}
        damaged: dict[str, StoreError] = {}
        for name in names:
            try:
                stored[name] = self._store.dataset(name)
            except DatasetNotFoundError:
                continue
            except StoreUnavailableError as error:
                damaged[name] = error
            except StoreError as error:
                damaged[name] = DamagedDescriptionError(str(error))
        return stored, damaged


def _is_same(
    last: Snapshot,
    stored: Mapping[str, StoredDataset],
    damaged: Mapping[str, StoreError],
    colormaps: ColormapListing,
) -> bool:
    return (
        colormaps.version == last.colormaps.version
        and stored.keys() == last.stored.keys()
        and all(each is last.stored[name] for name, each in stored.items())
        and {name: str(each) for name, each in damaged.items()}
        == {name: str(each) for name, each in last.damaged.items()}
    )
