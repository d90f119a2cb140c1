"""Tile matrix sets as JSON (OGC 17-083r4), and the tilesets of layers (OGC 20-057)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyproj

from lazytile.pyramid.catalog.axis_order import position
from lazytile.pyramid.catalog.layer_bounds import bounds_in
from lazytile.pyramid.catalog.linked_sets import linked_sets
from lazytile.pyramid.catalog.tile_limits import tiles_with_data
from lazytile.service.http.documents import link
from lazytile.service.http.parameters import ChoiceParameter
from lazytile.service.ogcapi.tile_models import (
    BoundingBox,
    CrsDefinition,
    TileMatrixDocument,
    TileMatrixLimits,
    TileMatrixSetDocument,
    TileMatrixSetEntry,
    TileMatrixSetsList,
    Tileset,
    TilesetEntry,
    TilesetsList,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrix, TileMatrixSet
    from lazytile.service.ogcapi.tile_models import Crs

REL = "http://www.opengis.net/def/rel/ogc/1.0"
TILING_SCHEME = f"{REL}/tiling-scheme"
TILING_SCHEMES = f"{REL}/tiling-schemes"
TILESETS_MAP = f"{REL}/tilesets-map"
TILE_FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
"""Media types of tiles by the value of ``f``, the preferred one first."""

_REGISTER = "http://www.opengis.net/def/tilematrixset/OGC/1.0"
_IN_REGISTER = frozenset({
    "CDB1GlobalGrid", "EuropeanETRS89_LAEAQuad", "GNOSISGlobalGrid", "UPSAntarcticWGS84Quad", "UPSArcticWGS84Quad",
    "UTM31WGS84Quad", "WebMercatorQuad", "WorldCRS84Quad", "WorldMercatorWGS84Quad",
})  # fmt: skip
VERSION_1 = "17-083r2"
"""Version 1.0 of the standard, whose JSON has other names for the same members."""
COMPAT = ChoiceParameter("compat", "names of another version of OGC 17-083 as well", values=(VERSION_1,))


def crs_of(tms: TileMatrixSet) -> Crs:
    """Return the CRS of a set as JSON names it.

    Args:
        tms: The set.

    Returns:
        The http URI of the CRS, with version 0, any version, where its URN has none; PROJJSON for a CRS without a code.
    """
    if not tms.supported_crs:
        return CrsDefinition(wkt=pyproj.CRS.from_user_input(tms.crs).to_json_dict())
    *_, authority, version, code = tms.supported_crs.replace(":EPSG:6.18:3:", ":EPSG::").split(":")
    return f"http://www.opengis.net/def/crs/{authority}/{version or '0'}/{code}"


@dataclass(frozen=True, slots=True)
class SetWriter:
    """Makes the documents of tile matrix sets and tilesets, for clients of one base URL."""

    root: str
    """Address of the API, without a trailing slash."""

    def address(self, tms: TileMatrixSet) -> str:
        """Return the address of the document of a set.

        Args:
            tms: The set.

        Returns:
            The URL.
        """
        return f"{self.root}/tileMatrixSets/{quote(tms.identifier, safe='')}"

    def uri(self, tms: TileMatrixSet) -> str:
        """Return the URI of a set.

        Args:
            tms: The set.

        Returns:
            The URI that the OGC registered, or the address of the document.
        """
        return f"{_REGISTER}/{tms.identifier}" if tms.identifier in _IN_REGISTER else self.address(tms)

    def listing(self, sets: Iterable[TileMatrixSet]) -> TileMatrixSetsList:
        """Return the list of sets.

        Args:
            sets: Every set that can be described.

        Returns:
            The document.
        """
        entries = [
            TileMatrixSetEntry(
                id=tms.identifier,
                title=tms.title,
                uri=self.uri(tms),
                crs=crs_of(tms),
                links=[link(self.address(tms), "self", title=tms.title)],
            )
            for tms in sets
        ]
        return TileMatrixSetsList(tile_matrix_sets=entries, links=[link(f"{self.root}/tileMatrixSets", "self")])

    def definition(self, tms: TileMatrixSet, *, with_version_1: bool = False) -> TileMatrixSetDocument:
        """Return a set in full.

        Args:
            tms: The set.
            with_version_1: Whether to add the names that 17-083r2 had for the same members.

        Returns:
            The document.
        """
        scale_set = tms.well_known_scale_set
        uri = f"http://www.opengis.net/def/wkss/OGC/1.0/{scale_set.rpartition(':')[2]}" if scale_set else None
        crs = crs_of(tms)
        return TileMatrixSetDocument(
            id=tms.identifier,
            title=tms.title,
            uri=self.uri(tms),
            crs=crs,
            tile_matrices=[_matrix(tms, matrix, with_version_1=with_version_1) for matrix in tms.matrices],
            links=[link(self.address(tms), "self")],
            well_known_scale_set=uri,
            type="TileMatrixSetType" if with_version_1 else None,
            identifier=tms.identifier if with_version_1 else None,
            supported_crs=crs if with_version_1 else None,
        )

    def tilesets(self, layer: Layer, address: str) -> TilesetsList:
        """Return the tilesets of a layer.

        Args:
            layer: The layer.
            address: The URL of the list itself.

        Returns:
            The document.
        """
        entries = [TilesetEntry(**self._entry(layer, tms, address)) for tms in linked_sets(layer)]
        return TilesetsList(tilesets=entries, links=[link(address, "self")])

    def tileset(self, layer: Layer, tms: TileMatrixSet, address: str) -> Tileset:
        """Return the metadata of one tileset, with limits and the templates of its tiles.

        Args:
            layer: The layer.
            tms: The set of the tileset.
            address: The URL of the list of the layer's tilesets.

        Returns:
            The document.
        """
        limits = (tiles_with_data(layer, tms, matrix) for matrix in tms.matrices)
        bounds = bounds_in(layer, tms)
        template = f"{self._tileset_address(address, tms)}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"
        members = self._entry(layer, tms, address)
        members["links"] += [
            link(f"{template}?f={name}", "item", media_type, f"Tiles as {name}", templated=True)
            for name, media_type in TILE_FORMATS.items()
        ]
        return Tileset(
            **members,
            tile_matrix_set_limits=[
                TileMatrixLimits(
                    tile_matrix=each.matrix,
                    min_tile_row=each.min_row,
                    max_tile_row=each.max_row,
                    min_tile_col=each.min_col,
                    max_tile_col=each.max_col,
                )
                for each in limits
            ],
            bounding_box=BoundingBox(
                lower_left=position(tms, bounds.west, bounds.south),
                upper_right=position(tms, bounds.east, bounds.north),
                crs=crs_of(tms),
            ),
        )

    def _tileset_address(self, address: str, tms: TileMatrixSet) -> str:
        return f"{address}/{quote(tms.identifier, safe='')}"

    def _entry(self, layer: Layer, tms: TileMatrixSet, address: str) -> dict[str, Any]:
        """Return the members of a tileset that its entry in the list has too."""
        title = f"{layer.title}, {tms.title}"
        return {
            "title": title,
            "tile_matrix_set_id": tms.identifier,
            "tile_matrix_set_uri": self.uri(tms),
            "data_type": "map",
            "crs": crs_of(tms),
            "links": [
                link(self._tileset_address(address, tms), "self", title=title),
                # GDAL before 3.8 follows this and knows no other names; morecantile refuses the ones it knows.
                link(f"{self.address(tms)}?compat={VERSION_1}", TILING_SCHEME, title=tms.title),
            ],
        }


def _matrix(tms: TileMatrixSet, matrix: TileMatrix, *, with_version_1: bool) -> TileMatrixDocument:
    origin = position(tms, matrix.origin_x, matrix.origin_y)
    return TileMatrixDocument(
        id=matrix.identifier,
        scale_denominator=matrix.scale_denominator,
        cell_size=matrix.cell_width,
        corner_of_origin="topLeft",
        point_of_origin=origin,
        tile_width=matrix.tile_width,
        tile_height=matrix.tile_height,
        matrix_width=matrix.matrix_width,
        matrix_height=matrix.matrix_height,
        identifier=matrix.identifier if with_version_1 else None,
        top_left_corner=origin if with_version_1 else None,
    )
