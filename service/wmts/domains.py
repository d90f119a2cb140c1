"""DescribeDomains, as GIBS has it: which area and which values of its dimensions a layer has, page by page.

Capabilities list the last hundred periods of a layer; here are all of them. KVP:
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

from lazytile.pyramid.catalog.tile_limits import bounds_in
from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.times.periods import periods_of
from lazytile.pyramid.times.time_axis import time_axis
from lazytile.service.http import ows_xml
from lazytile.service.http.errors import NotFoundError, one_line
from lazytile.service.http.parameter_names import TIME, parameter_name
from lazytile.service.http.reply import text_response
from lazytile.service.protocol.context import APP_CONTEXT

if TYPE_CHECKING:
    from aiohttp import web

    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.layer import Layer
    from lazytile.pyramid.tiling.tms import TileMatrixSet
    from lazytile.service.http.endpoint import Endpoint
    from lazytile.service.http.query import Query

ALL = "all"
PAGE = 25_000
"""Values on a page, unless fewer are asked for."""
MAX_OFFSET = 100_000_000
SPACE = "bbox"
MAX_AGE_S = 60


@dataclass(frozen=True, slots=True)
class RawDomainsRequest:
    """The words of a request; nothing is known of their meaning yet."""

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
    """Take a KVP DescribeDomains apart. VERSION may be left out, as GIBS's clients do."""
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
    """Take ``{Layer}/{Style}/{TileMatrixSet}/{bbox}/{times}.xml`` apart. Raises ``NotFoundError``."""
    layer, _, tms, bbox, last = segments
    span, dot, extension = last.rpartition(".")
    if not dot or extension != "xml":
        raise NotFoundError(
            "request", "there is nothing at this address; domains are at 1.0.0/LAYER/default/SET/all/all.xml"
        )
    start, between, end = span.partition("--")
    time = f"{start}/{end}" if between else span
    return RawDomainsRequest(layer, tms, "", bbox, time, query.get("limit"), query.get("offset"), is_kvp=False)


def domains_response(request: web.Request, words: RawDomainsRequest, endpoint: Endpoint) -> web.Response:
    """Answer with the domains of a layer."""
    context = request.app[APP_CONTEXT]
    layer = context.store.layer(words.layer)
    tms = layer.tile_matrix_set(words.tms)
    limit = _whole("limit", words.limit, PAGE, 1, PAGE)
    offset = _whole("offset", words.offset, 0, 0, MAX_OFFSET)
    wanted = _wanted(layer, words.domains)
    root = etree.Element("Domains", nsmap={"ows": ows_xml.OWS})
    if SPACE in wanted:
        _space(root, layer, tms, words.bbox)
    for domain in (_domain(dimension, words.time) for dimension in layer.variable.dimensions):
        if domain.name.lower() in wanted:
            _dimension(root, domain, offset, limit, _next_page(context.base_url(request), endpoint, words))
    body = ows_xml.document(root)
    headers = {"Cache-Control": f"public, max-age={MAX_AGE_S}"}
    return text_response(request, body, ows_xml.CONTENT_TYPE, digest=hashlib.sha256(body).hexdigest(), headers=headers)


def _whole(name: str, text: str, default: int, low: int, high: int) -> int:
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise InvalidParameterError(name, f"{name} {text[:40]!r} is invalid, it may be {low} to {high}")
    return int(text)


def _wanted(layer: Layer, text: str) -> frozenset[str]:
    known = [SPACE, *(parameter_name(dimension).lower() for dimension in layer.variable.dimensions)]
    asked = [word.strip().lower() for word in text.split(",")] if text not in ("", ALL) else known
    for word in asked:
        if word not in known and word != TIME.lower():
            raise InvalidParameterError(
                "domains", f"domain {word[:40]!r} is none of {layer.name}'s, they are {', '.join(known)}"
            )
    return frozenset(asked)


def _space(root: etree._Element, layer: Layer, tms: TileMatrixSet, text: str) -> None:
    bounds = bounds_in(layer, tms)
    shown: Bounds | None = bounds
    if text not in ("", ALL):
        asked = _bbox(text)
        west, east = max(bounds.west, asked.west), min(bounds.east, asked.east)
        south, north = max(bounds.south, asked.south), min(bounds.north, asked.north)
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
    """Return all values of a dimension, of time as periods between the ends that are asked for."""
    if dimension.kind != "time":
        return Domain(parameter_name(dimension), dimension.labels)
    first, last = _ends(dimension, time)
    if (first, last) == (0, len(dimension.labels)):
        return Domain(TIME.lower(), tuple(periods_of(dimension.labels, always=True)))
    chosen = dimension.labels[first:last]
    return Domain(TIME.lower(), tuple(periods_of(chosen, always=True)) if chosen else ())


def _ends(dimension: Dimension, text: str) -> tuple[int, int]:
    """Return the part of the axis that ``START/END`` (either may be empty), ``START`` or ``all`` means."""
    labels, axis = dimension.labels, time_axis(dimension.labels)
    if text in ("", ALL, "/") or axis is None:
        return 0, len(labels)
    start, slash, end = text.partition("/")
    spans = [axis.calendar.read(part) if part else None for part in (start, end)]
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
    """Where the other pages of an answer are."""

    base: str
    parameters: tuple[tuple[str, str], ...]

    def address(self, offset: int, limit: int) -> str:
        return f"{self.base}?{urlencode([*self.parameters, ('LIMIT', str(limit)), ('OFFSET', str(offset))])}"


def _next_page(base_url: str, endpoint: Endpoint, words: RawDomainsRequest) -> _Page:
    if not words.is_kvp:
        place = "/".join(quote(part, safe=",") for part in (words.layer, "default", words.tms, words.bbox or ALL))
        span = quote(words.time.replace("/", "--") or ALL)
        return _Page(f"{base_url}{endpoint.path}/1.0.0/{place}/{span}.xml", ())
    given = {
        "SERVICE": "WMTS",
        "VERSION": "1.0.0",
        "REQUEST": "DescribeDomains",
        "LAYER": words.layer,
        "TILEMATRIXSET": words.tms,
        "DOMAINS": words.domains,
        "BBOX": words.bbox,
        "TIME": words.time,
    }
    parameters = tuple((name, value) for name, value in given.items() if value)
    return _Page(f"{base_url}{endpoint.kvp_path}", parameters)
