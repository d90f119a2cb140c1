"""The addresses that WMTS is offered at: our own, and those of GIBS, whose clients then change only their host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place where WMTS is offered."""

    path: str
    """Before ``/1.0.0/WMTSCapabilities.xml`` and before the layer of a RESTful tile."""
    kvp_path: str
    crs: str | None = None
    """Where given, the capabilities show the sets of this CRS alone."""
    requires_style: bool = True
    """Whether STYLE is mandatory, as the standard has it (OGC 07-057r7, Table 29)."""
    is_limited: bool = True
    """Whether tiles outside TileMatrixSetLimits are errors, as the standard has it; GIBS answers with empty ones."""


MAIN = Endpoint("/wmts", "/wmts")
GIBS_PROJECTIONS = {"epsg4326": "EPSG:4326", "epsg3857": "EPSG:3857", "epsg3413": "EPSG:3413", "epsg3031": "EPSG:3031"}
GIBS_CATALOGUES = frozenset({"best", "std", "nrt", "all"})
"""GIBS has layers of several qualities; ours all are in each."""
GIBS_SCRIPT = "wmts.cgi"


def split_endpoint(segments: list[str]) -> tuple[Endpoint, list[str]]:
    """Return which endpoint a path below ``/wmts/`` belongs to, and what follows it."""
    if len(segments) > 2 and segments[0] in GIBS_PROJECTIONS and segments[1] in GIBS_CATALOGUES:
        path = f"/wmts/{segments[0]}/{segments[1]}"
        gibs = Endpoint(
            path, f"{path}/{GIBS_SCRIPT}", GIBS_PROJECTIONS[segments[0]], requires_style=False, is_limited=False
        )
        return gibs, segments[2:]
    return MAIN, segments
