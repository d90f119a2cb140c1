"""The endpoints of WMTS: our own, and those of GIBS, so that clients of GIBS need only another host name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base address of WMTS."""

    path: str
    """Precedes ``/1.0.0/WMTSCapabilities.xml`` and the layer of a RESTful tile."""
    kvp_path: str
    crs: str | None = None
    """If set, the capabilities list only tile matrix sets of this CRS."""
    requires_style: bool = True
    """Whether STYLE is mandatory, as the standard requires (OGC 07-057r7, Table 29)."""
    is_limited: bool = True
    """Whether tiles outside TileMatrixSetLimits are errors, as the standard requires; GIBS returns empty tiles."""


MAIN = Endpoint("/wmts", "/wmts")
GIBS_PROJECTIONS = {"epsg4326": "EPSG:4326", "epsg3857": "EPSG:3857", "epsg3413": "EPSG:3413", "epsg3031": "EPSG:3031"}
GIBS_CATALOGUES = frozenset({"best", "std", "nrt", "all"})
"""The catalogues of GIBS, by data quality; each of ours has every layer."""
GIBS_SCRIPT = "wmts.cgi"


def split_endpoint(segments: list[str]) -> tuple[Endpoint, list[str]]:
    """Split a path into its endpoint and the rest.

    Args:
        segments: The segments of the path below ``/wmts/``.

    Returns:
        The endpoint, and the segments after it.
    """
    if len(segments) > 2 and segments[0] in GIBS_PROJECTIONS and segments[1] in GIBS_CATALOGUES:
        path = f"/wmts/{segments[0]}/{segments[1]}"
        gibs = Endpoint(
            path, f"{path}/{GIBS_SCRIPT}", GIBS_PROJECTIONS[segments[0]], requires_style=False, is_limited=False
        )
        return gibs, segments[2:]
    return MAIN, segments
