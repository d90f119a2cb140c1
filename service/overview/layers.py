"""The overview of all layers, made once for each snapshot of the catalogue."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyproj

from lazytile.colormaps.core.errors import ColormapError
from lazytile.colormaps.synthesis.named import named_colormap_names
from lazytile.pyramid.catalog.layer_bounds import bounds_in
from lazytile.pyramid.catalog.linked_sets import linked_sets
from lazytile.pyramid.catalog.style_catalog import offered_styles
from lazytile.pyramid.core import process
from lazytile.pyramid.tiling.tms import metres_per_unit
from lazytile.pyramid.times.periods import periods_of
from lazytile.service.http.json_document import json_bytes
from lazytile.service.http.parameter_names import parameter_name
from lazytile.service.overview.documents import (
    ColormapSummary,
    DatasetSummary,
    DimensionSummary,
    LayerSummary,
    MatrixSummary,
    OverviewDocument,
    SetSummary,
)
from lazytile.service.overview.percentiles import stretch_of

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap
    from lazytile.pyramid.catalog.snapshot import Snapshot
    from lazytile.pyramid.core.grid import Bounds
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet
    from lazytile.service.http.settings import Settings

WORLD_CRSS = frozenset({"EPSG:4326", "EPSG:3857"})
PREVIEW_COLOURS = 16
MAX_COLORMAPS = 400
"""Colormaps that the overview lists; a request may name any other."""
MAX_PERIODS = 20_000
"""Instants and periods that the overview lists of one layer, the latest ones."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The document and the hash for its entity tag."""

    body: bytes
    digest: str

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return len(self.body)


def overview_of(snapshot: Snapshot, settings: Settings) -> Overview:
    """Return the overview of a snapshot, made once. It blocks.

    Args:
        snapshot: The catalogue.
        settings: Where the title and the background map come from.

    Returns:
        The document.
    """

    def make() -> Overview:
        body = json_bytes(_document(snapshot, settings))
        return Overview(body, hashlib.sha256(body).hexdigest())

    key = (
        "overview",
        snapshot.folder,
        snapshot.generation,
        snapshot.hidden,
        settings.capabilities_title,
        settings.base_map,
    )
    found: Overview = process.cache("documents").get(key, make)
    return found


@dataclass(slots=True)
class _Shared:
    """What several layers have in common, each once."""

    sets: dict[str, SetSummary] = field(default_factory=dict)
    times: dict[tuple[str, ...], int] = field(default_factory=dict)
    styles: dict[tuple[str, ...], int] = field(default_factory=dict)


def _document(snapshot: Snapshot, settings: Settings) -> OverviewDocument:
    shared = _Shared()
    layers = [_layer(snapshot, layer, shared) for layer in snapshot.layers()]
    datasets = {
        each.description.name: DatasetSummary(title=each.description.title, source=each.description.source)
        for each in snapshot.datasets()
    }
    return OverviewDocument(
        title=settings.capabilities_title,
        base_map=settings.base_map,
        base_map_attribution=settings.base_map_attribution,
        datasets=datasets,
        layers=layers,
        times=[periods_of(labels)[-MAX_PERIODS:] for labels in shared.times],
        styles=[list(names) for names in shared.styles],
        sets=shared.sets,
        colormaps=_colormaps(snapshot),
    )


def _layer(snapshot: Snapshot, layer: Layer, shared: _Shared) -> LayerSummary:
    variable, dataset = layer.variable, layer.dataset
    sets = [tms for tms in linked_sets(layer) if tms.has_square_pixels]
    native = layer.native_set
    if native.has_square_pixels and native not in sets:
        sets.append(native)
    extents: dict[str, tuple[float, float, float, float]] = {}
    for tms in sets:
        crs = _crs_of(tms)
        shared.sets.setdefault(tms.identifier, _set(tms, crs))
        # A native grid of longitudes may begin elsewhere than the sets of the world.
        extents.setdefault(tms.identifier if tms.is_native else crs, _corners(bounds_in(layer, tms)))
    time, bounds, grid = variable.time, layer.geographic_bounds(), dataset.grid
    styles = tuple(style.name for style in offered_styles(layer, snapshot.known_colormaps))
    stretch = first_range(snapshot, layer)
    return LayerSummary(
        id=layer.name,
        dataset=dataset.name,
        variable=variable.name,
        title=layer.title,
        long_name=str(variable.attributes.get("long_name", "")),
        standard_name=variable.standard_name,
        units=variable.units,
        is_classes=variable.is_classes,
        bounds=_corners(bounds),
        cell_m=min(grid.x.cell_size, -grid.y.cell_size) * metres_per_unit(grid.crs),
        generation=dataset.generation,
        times=None if time is None else shared.times.setdefault(time.labels, len(shared.times)),
        path=[parameter_name(dimension) for dimension in variable.dimensions],
        dimensions=[
            DimensionSummary(name=parameter_name(each), title=each.name, units=each.units, values=list(each.labels))
            for each in variable.dimensions
            if each.kind != "time"
        ],
        styles=shared.styles.setdefault(styles, len(shared.styles)),
        sets=[tms.identifier for tms in sets],
        extents=extents,
        stretch=None if stretch is None else stretch[0],
        spacing="keep" if stretch is None else stretch[1],
    )


def first_range(snapshot: Snapshot, layer: Layer) -> tuple[tuple[float, float], str] | None:
    """Return the range of colours with which the viewer shows a layer at first.

    Args:
        snapshot: The catalogue.
        layer: The layer.

    Returns:
        Low, high, and the spacing; None where the colours are those of the colormap, as of one made for the layer.
    """
    return None if has_own_colormap(snapshot, layer) else stretch_of(layer.variable)


def has_own_colormap(snapshot: Snapshot, layer: Layer) -> bool:
    """Return whether a colormap was made or chosen for a layer.

    Args:
        snapshot: The catalogue.
        layer: The layer.

    Returns:
        True if it was chosen at conversion, or has the name of the layer.
    """
    names = (layer.variable.colormap, layer.name, layer.dataset.name, layer.variable.name)
    return any(name in snapshot.colormaps.files for name in names if name)


def _crs_of(tms: TileMatrixSet) -> str:
    """Return the name of a set's CRS on the page: native ones are named by their set, unless the world has them."""
    return tms.identifier if tms.is_native and tms.crs not in WORLD_CRSS else tms.crs


def _set(tms: TileMatrixSet, crs: str) -> SetSummary:
    return SetSummary(
        title=tms.title,
        crs=crs,
        definition="" if crs in WORLD_CRSS else _proj_string(tms.crs),
        extent=_corners(tms.bounds),
        matrices=[
            MatrixSummary(
                id=matrix.identifier,
                cell=matrix.cell_width,
                origin=(matrix.origin_x, matrix.origin_y),
                tile=(matrix.tile_width, matrix.tile_height),
                size=(matrix.matrix_width, matrix.matrix_height),
            )
            for matrix in tms.matrices
        ],
    )


def _definition(crs: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a PROJ string has no names and no areas, which nobody misses
        return pyproj.CRS.from_user_input(crs).to_proj4()


_proj_string = process.slow_memo(_definition)


def _corners(bounds: Bounds) -> tuple[float, float, float, float]:
    return bounds.west, bounds.south, bounds.east, bounds.north


def _colormaps(snapshot: Snapshot) -> dict[str, ColormapSummary]:
    found = {each.colormap.name: each.colormap for each in snapshot.known_colormaps[:MAX_COLORMAPS]}
    for name in named_colormap_names():
        try:
            found.setdefault(name, snapshot.colormaps.find(name))
        except ColormapError:
            continue
    return {name: _colormap(colormap) for name, colormap in found.items()}


def _colormap(colormap: Colormap) -> ColormapSummary:
    colours = [entry.rgba for entry in colormap.main_part.entries if not entry.nodata and entry.rgba.alpha]
    if colormap.is_classification:
        stops = colours[:PREVIEW_COLOURS]
    else:
        last = len(colours) - 1
        stops = [colours[round(at * last / (PREVIEW_COLOURS - 1))] for at in range(PREVIEW_COLOURS)] if colours else []
    return ColormapSummary(
        title=colormap.title or colormap.name,
        units=colormap.units,
        is_classes=colormap.is_classification,
        stops=[colour.hex() for colour in stops],
    )
