"""DescribeDomains, as GIBS defines it: the area and the values of the dimensions of a layer, in pages.

Capabilities list the last hundred periods of a layer; this operation lists all. KVP:
``request=DescribeDomains&layer=&TileMatrixSet=[&domains=bbox,time][&bbox=][&time=START/END][&limit=][&offset=]``;
RESTful: ``1.0.0/{Layer}/default/{TileMatrixSet}/{bbox or all}/{START--END or all}.xml[?limit=&offset=]``.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from lxml import etree

from lazytile.pyramid.catalog.layer_bounds import bounds_in
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.times.periods import periods_of
from lazytile.pyramid.times.time_axis import time_axis
from lazytile.service.http import ows_xml
from lazytile.service.http.errors import NotFoundError, one_line
from lazytile.service.http.parameter_names import TIME, parameter_name
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.views import context_of

if TYPE_CHECKING:
    from aiohttp import web

    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet
    from lazytile.service.http.endpoint import Endpoint
    from lazytile.service.http.query import Query

ALL = "all"
PAGE = 25_000
"""Values on a page, unless the request has a smaller limit."""
MAX_OFFSET = 100_000_000
SPACE = "bbox"
MAX_AGE_S = 60


@dataclass(frozen=True, slots=True)
class RawDomainsRequest:
    """The parameters of a request, as text that is not validated yet."""

    layer: str
    tms: str
    domains: str
    bbox: str
    time: str
    limit: str
    offset: str
    is_kvp: bool


@dataclass(frozen=True, slots=True)
class Domain:
    """The values of one dimension."""

    name: str
    values: tuple[str, ...]


def domains_request_of_kvp(query: Query) -> RawDomainsRequest:
    """Parse a KVP DescribeDomains. VERSION is optional, since clients of GIBS omit it.

    Args:
        query: The query string.

    Returns:
        The parameters.

    Raises:
        MissingParameterError: The layer or the tile matrix set is missing.
        InvalidParameterError: The version is not 1.0.0.
    """
    if query.get("version"):
        query.require_one("version", "1.0.0")
    return RawDomainsRequest(
        query.require("Layer"),
        query.require("TileMatrixSet"),
        query.get("domains"),
        query.get("bbox"),
        query.get("time"),
        query.get("limit"),
        query.get("offset"),
        is_kvp=True,
    )


def domains_request_of_rest(segments: list[str], query: Query) -> RawDomainsRequest:
    """Parse ``{Layer}/{Style}/{TileMatrixSet}/{bbox}/{times}.xml``.

    Args:
        segments: The five segments of the path.
        query: The query string, for ``limit`` and ``offset``.

    Returns:
        The parameters.

    Raises:
        NotFoundError: The extension is not ``xml``.
    """
    layer, _, tms, bbox, last = segments
    span, dot, extension = last.rpartition(".")
    if not dot or extension != "xml":
        raise NotFoundError(
            "request", "there is nothing at this address; domains are at 1.0.0/LAYER/default/SET/all/all.xml"
        )
    start, between, end = span.partition("--")
    time = f"{start}/{end}" if between else span
    return RawDomainsRequest(layer, tms, "", bbox, time, query.get("limit"), query.get("offset"), is_kvp=False)


async def domains_response(
    request: web.Request, domains_request: RawDomainsRequest, endpoint: Endpoint
) -> web.Response:
    """Return the response to DescribeDomains.

    Args:
        request: The HTTP request.
        domains_request: Its parameters.
        endpoint: The endpoint that the client uses.

    Returns:
        The response.

    Raises:
        InvalidParameterError: A parameter is invalid.
        DatasetNotFoundError: There is no such layer.
    """
    context = context_of(request)
    layer = (await context.catalogue.at(domains_request.layer)).layer(domains_request.layer)
    next_page = _next_page(context.base_url(request), endpoint, domains_request)

    def respond() -> web.Response:
        tms = layer.tile_matrix_set(domains_request.tms)
        limit = _integer("limit", domains_request.limit, PAGE, 1, PAGE)
        offset = _integer("offset", domains_request.offset, 0, 0, MAX_OFFSET)
        names = _requested(layer, domains_request.domains)
        root = etree.Element("Domains", nsmap={"ows": ows_xml.OWS})
        if SPACE in names:
            _space(root, layer, tms, domains_request.bbox)
        for domain in (_domain(dimension, domains_request.time) for dimension in layer.variable.dimensions):
            if domain.name.lower() in names:
                _dimension(root, domain, offset, limit, next_page)
        body = ows_xml.document(root)
        headers = {"Cache-Control": f"public, max-age={MAX_AGE_S}"}
        digest = hashlib.sha256(body).hexdigest()
        return text_response(request, body, ows_xml.CONTENT_TYPE, digest=digest, headers=headers)

    return await context.admission.document(respond)


def _integer(name: str, text: str, default: int, low: int, high: int) -> int:
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise InvalidParameterError(name, f"{name} {text[:40]!r} is invalid, it may be {low} to {high}")
    return int(text)


def _requested(layer: Layer, text: str) -> frozenset[str]:
    known = [SPACE, *(parameter_name(dimension).lower() for dimension in layer.variable.dimensions)]
    requested = [name.strip().lower() for name in text.split(",")] if text not in ("", ALL) else known
    for name in requested:
        if name not in known and name != TIME.lower():
            raise InvalidParameterError(
                "domains", f"domain {name[:40]!r} is invalid for {layer.name}, it may be {', '.join(known)}"
            )
    return frozenset(requested)


def _space(root: etree._Element, layer: Layer, tms: TileMatrixSet, text: str) -> None:
    bounds = bounds_in(layer, tms)
    shown: Bounds | None = bounds
    if text not in ("", ALL):
        limits = _bbox(text)
        west, east = max(bounds.west, limits.west), min(bounds.east, limits.east)
        south, north = max(bounds.south, limits.south), min(bounds.north, limits.north)
        shown = Bounds(west, south, east, north) if west < east and south < north else None
    space = etree.SubElement(root, "SpaceDomain")
    if shown is not None:
        corners = {"minx": shown.west, "miny": shown.south, "maxx": shown.east, "maxy": shown.north}
        etree.SubElement(
            space,
            "BoundingBox",
            {"crs": tms.supported_crs, **{name: ows_xml.double(at) for name, at in corners.items()}},
        )


def _bbox(text: str) -> Bounds:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        west = south = east = north = math.nan
    if not (math.isfinite(west + south + east + north) and west < east and south < north):
        raise InvalidParameterError("bbox", f"bbox {text[:80]!r} is invalid, it is MINX,MINY,MAXX,MAXY or {ALL}")
    return Bounds(west, south, east, north)


def _domain(dimension: Dimension, time: str) -> Domain:
    """Return the values of a dimension; of time, the periods between the requested ends."""
    if dimension.kind != "time":
        return Domain(parameter_name(dimension), dimension.labels)
    first, last = _ends(dimension, time)
    if (first, last) == (0, len(dimension.labels)):
        return Domain(TIME.lower(), tuple(periods_of(dimension.labels, always=True)))
    chosen = dimension.labels[first:last]
    return Domain(TIME.lower(), tuple(periods_of(chosen, always=True)) if chosen else ())


def _ends(dimension: Dimension, text: str) -> tuple[int, int]:
    """Return the slice of the axis for ``START/END`` (either may be empty), ``START`` or ``all``."""
    labels, axis = dimension.labels, time_axis(dimension.labels)
    if text in ("", ALL, "/") or axis is None:
        return 0, len(labels)
    start, slash, end = text.partition("/")
    spans = [axis.calendar.parse(part) if part else None for part in (start, end)]
    for part, span in zip((start, end), spans, strict=True):
        if part and span is None:
            form = f"START/END in ISO 8601, or {ALL}"
            raise InvalidParameterError(TIME, f"Time {text[:80]!r} is invalid, it may be {form}")
    first, last = 0, len(labels)
    if spans[0] is not None:
        first = next((at for at, end_us in enumerate(axis.ends_us) if end_us > spans[0].start_us), len(labels))
    if not slash and spans[0] is not None:
        spans[1] = spans[0]
    if spans[1] is not None:
        last = next((at for at, start_us in enumerate(axis.starts_us) if start_us >= spans[1].end_us), len(labels))
    return first, max(first, last)


def _dimension(root: etree._Element, domain: Domain, offset: int, limit: int, page: _Page) -> None:
    element = etree.SubElement(root, "DimensionDomain")
    etree.SubElement(element, f"{{{ows_xml.OWS}}}Identifier").text = one_line(domain.name)
    shown = domain.values[offset : offset + limit]
    etree.SubElement(element, "Domain").text = ",".join(one_line(value) for value in shown)
    etree.SubElement(element, "Size").text = str(len(domain.values))
    if offset + limit < len(domain.values):
        etree.SubElement(element, "NextPage").text = page.address(offset + limit, limit)


@dataclass(frozen=True, slots=True)
class _Page:
    """The address of the other pages of a response."""

    base: str
    parameters: tuple[tuple[str, str], ...]

    def address(self, offset: int, limit: int) -> str:
        return f"{self.base}?{urlencode([*self.parameters, ('LIMIT', str(limit)), ('OFFSET', str(offset))])}"


def _next_page(base_url: str, endpoint: Endpoint, domains_request: RawDomainsRequest) -> _Page:
    if not domains_request.is_kvp:
        path = "/".join(
            quote(part, safe=",")
            for part in (domains_request.layer, "default", domains_request.tms, domains_request.bbox or ALL)
        )
        span = quote(domains_request.time.replace("/", "--") or ALL)
        return _Page(f"{base_url}{endpoint.path}/1.0.0/{path}/{span}.xml", ())
    given = {
        "SERVICE": "WMTS",
        "VERSION": "1.0.0",
        "REQUEST": "DescribeDomains",
        "LAYER": domains_request.layer,
        "TILEMATRIXSET": domains_request.tms,
        "DOMAINS": domains_request.domains,
        "BBOX": domains_request.bbox,
        "TIME": domains_request.time,
    }
    parameters = tuple((name, value) for name, value in given.items() if value)
    return _Page(f"{base_url}{endpoint.kvp_path}", parameters)
