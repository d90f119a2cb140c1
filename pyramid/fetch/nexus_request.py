"""Requests to an SDAP (NEXUS) server, https://sdap.apache.org: the points of a dataset in a box and a time.

A source ``nexus+https://HOST/PATH?ds=DATASET&b=W,S,E,N&startTime=START&endTime=END`` holds a whole request, so it can
stand wherever a file or URL can. ``datainbounds`` responds with every point as JSON. To bound each response, time is
requested in windows, and where a day is too much, space in parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from lazytile.pyramid.core.errors import ResponseTooLargeError, SourceError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.fetch.http_client import Client, HttpOptions, checked_url
from lazytile.pyramid.fetch.nexus_points import Points, parse_points

if TYPE_CHECKING:
    from collections.abc import Iterator

RESPONSE_BYTES = 64 << 20
"""Limit of one JSON response: about 200 000 points, which briefly become some 300 MB of Python objects."""
WINDOW_S = 31 * 86400
"""Longest time of one request."""
_DAY_S = 86400
_LEAST_SIDE_DEG = 0.25
_PREFIX = "nexus+"
_PATH = "/datainbounds"
_KEYS = ("ds", "b", "startTime", "endTime", "parameter")
_NO_DATA = re.compile(r"\bno data\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the Earth, in degrees."""

    west: float
    south: float
    east: float
    north: float
    shift: float = 0.0
    """Added to the longitudes of its points: 360 for what lies east of the antimeridian in a box across it."""

    @property
    def text(self) -> str:
        """As the server reads it."""
        return ",".join(f"{edge:.10g}" for edge in (self.west, self.south, self.east, self.north))

    def halves(self) -> tuple[Box, Box]:
        """Return two boxes that divide the longer side. Points on the cut are in both."""
        if self.east - self.west >= self.north - self.south:
            middle = (self.west + self.east) / 2
            return replace(self, east=middle), replace(self, west=middle)
        middle = (self.south + self.north) / 2
        return replace(self, north=middle), replace(self, south=middle)


@dataclass(frozen=True, slots=True)
class NexusRequest:
    """All points of a dataset in some boxes and from one second to another, both included."""

    base: str
    """URL of the server, without a slash at its end."""
    dataset: str
    boxes: tuple[Box, ...]
    start: int
    """Seconds since 1970."""
    end: int
    parameter: str = ""


def is_nexus(source: str) -> bool:
    """Return whether a source is a request to an SDAP server.

    Args:
        source: A path or URL.

    Returns:
        True for a ``nexus+`` URL.
    """
    return source.lower().startswith(_PREFIX)


def nexus_url(url: str, dataset: str | None, bbox: str | None, span: str | None) -> str:
    """Return a ``nexus+https`` URL completed by options.

    Args:
        url: As the user gave it.
        dataset: Short name of the dataset.
        bbox: West, south, east, north.
        span: ``START/END``, or one time.

    Returns:
        The URL.
    """
    parts = urlsplit(url)
    first, _, last = (span or "").partition("/")
    added = {"ds": dataset, "b": bbox, "startTime": first, "endTime": last or first}
    query = urlencode({name: value for name, value in added.items() if value}, safe=",:")
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, query) if part)))


def parse_request(source: str, options: HttpOptions) -> NexusRequest:
    """Parse a source into a request. The server's ``list`` completes times that it leaves out.

    Args:
        source: A ``nexus+`` URL.
        options: How to fetch.

    Returns:
        The request.

    Raises:
        SourceError: One line names what is missing or wrong.
    """
    parts = urlsplit(source)
    query = parse_qs(parts.query)
    strange = [name for name, values in query.items() if name not in _KEYS or len(values) > 1]
    if strange:
        raise SourceError(
            f"{source}: {', '.join(strange)} is unknown or repeated; the parameters are {', '.join(_KEYS)}"
        )
    given = {name: values[0] for name, values in query.items()}
    path = parts.path.rstrip("/").removesuffix(_PATH)
    base = checked_url(urlunsplit((parts.scheme[len(_PREFIX) :], parts.netloc, path, "", ""))).rstrip("/")
    if "ds" not in given:
        names = ", ".join(str(each.get("shortName")) for each in _listed(base, options)) or "none"
        raise SourceError(f"{base}: name a --dataset; it has {names}")
    if "startTime" not in given or "endTime" not in given:
        span = _span(base, given["ds"], options)
        given = {"startTime": span[0], "endTime": span[1], **given}
    start, end = _seconds(given["startTime"], last=False), _seconds(given["endTime"], last=True)
    if start > end:
        raise SourceError(f"the time from {given['startTime']} to {given['endTime']} ends before it begins")
    boxes = _boxes(given.get("b", "-180,-90,180,90"))
    return NexusRequest(base, given["ds"], boxes, start, end, given.get("parameter", ""))


class NexusReader:
    """Reads a request window by window, in an order that can be resumed."""

    def __init__(self, request: NexusRequest, options: HttpOptions) -> None:
        self._request = request
        self._options = options
        self._boxes = list(request.boxes)
        self._window_s = WINDOW_S
        self.done_bytes = 0
        """Of responses so far."""

    def windows(self, start: int) -> Iterator[tuple[int, int, Points]]:
        """Yield the points of each window.

        Args:
            start: Where to begin, seconds since 1970.

        Yields:
            First and last second of the window, and its points.

        Raises:
            SourceError: The server refuses, or sends more than the limit.
        """
        while start <= self._request.end:
            end = min(start + self._window_s - 1, self._request.end)
            points = self._window(start, end)
            if points is None:
                continue  # too large: the window is shorter now
            yield start, end, points
            start = end + 1

    def _window(self, start: int, end: int) -> Points | None:
        """Return the points of a window; None where it must be shorter."""
        found: list[Points] = []
        at = 0
        while at < len(self._boxes):
            box = self._boxes[at]
            try:
                points = self._points(box, start, end)
            except ResponseTooLargeError as error:
                if end - start >= _DAY_S:
                    self._window_s = (end - start + 1) // 2
                    return None
                if max(box.east - box.west, box.north - box.south) < _LEAST_SIDE_DEG:
                    raise SourceError(f"{error}, for {box.text} in less than a day") from error
                self._boxes[at : at + 1] = box.halves()
                continue
            found.append(points.between(start, end).shifted(box.shift))
            at += 1
        return Points.concatenate(found)

    def _points(self, box: Box, start: int, end: int) -> Points:
        request = self._request
        query = {"ds": request.dataset, "b": box.text, "startTime": _iso(start), "endTime": _iso(end), "output": "JSON"}
        if request.parameter:
            query["parameter"] = request.parameter
        url = f"{request.base}{_PATH}?{urlencode(query, safe=',:')}"
        body, document = _json(url, self._options)
        self.done_bytes += body
        if self.done_bytes > self._options.limit_bytes:
            raise SourceError(f"{request.base} has sent more than the limit of {self._options.limit_bytes} bytes")
        return parse_points(document, request.base, None if start != end else start)


def _json(url: str, options: HttpOptions) -> tuple[int, Any]:
    """Return length and content of a JSON response; an empty list where the server reports that there are no data."""
    client = Client(url, options)
    status, body = client.get(RESPONSE_BYTES, accept="application/json")
    where = url.partition("?")[0]
    try:
        document = parse_json(body)
    except ValueError as error:
        raise SourceError(f"{where} responds with {status} and no JSON; is it an SDAP server?") from error
    if isinstance(document, dict) and "error" in document:
        text = " ".join(str(document["error"]).split())[:300]
        if _NO_DATA.search(text):
            return len(body), []
        raise SourceError(f"{where} responds with {document.get('code', status)}: {text}")
    if status != 200:
        raise SourceError(f"{where} responds with {status}")
    return len(body), document


def _listed(base: str, options: HttpOptions) -> list[dict[str, Any]]:
    _, document = _json(f"{base}/list", options)
    if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
        raise SourceError(f"{base}/list does not list datasets; is it an SDAP server?")
    return document


def _span(base: str, dataset: str, options: HttpOptions) -> tuple[str, str]:
    """Return the first and last time of a dataset, as the server lists them."""
    listed = _listed(base, options)
    found = next((each for each in listed if each.get("shortName") == dataset), None)
    if found is None:
        names = ", ".join(str(each.get("shortName")) for each in listed) or "none"
        raise SourceError(f"{base} has no dataset {dataset!r}; it has {names}")
    if not (isinstance(found.get("iso_start"), str) and isinstance(found.get("iso_end"), str)):
        raise SourceError(f"{base} does not list the times of {dataset}; give --time START/END")
    return found["iso_start"], found["iso_end"]


def _boxes(text: str) -> tuple[Box, ...]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SourceError(f"--bbox takes WEST,SOUTH,EAST,NORTH, not {text!r}") from error
    if not (-180 <= west <= 180 and -180 <= east <= 180 and west != east and -90 <= south < north <= 90):
        raise SourceError(
            f"--bbox {text} is not a box: longitudes lie within -180..180, east of west or across the antimeridian, "
            f"latitudes within -90..90, north of south"
        )
    if west < east:
        return (Box(west, south, east, north),)
    return Box(west, south, 180.0, north), Box(-180.0, south, east, north, 360.0)


def _seconds(text: str, *, last: bool) -> int:
    """Return the seconds since 1970 of a time; a date alone is its first second, or its ``last``."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            moment = datetime.combine(datetime.fromisoformat(text), time(23, 59, 59) if last else time())
        else:
            moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign in a query is a space
    except ValueError as error:
        raise SourceError(f"--time takes dates or times such as 2014-01-01T00:00:00Z, not {text!r}") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
