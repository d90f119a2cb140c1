"""What is asked of an SDAP (NEXUS) server, https://sdap.apache.org: the points of a dataset in a box and a time.

A source ``nexus+https://HOST/PATH?ds=DATASET&b=W,S,E,N&startTime=START&endTime=END`` says all of it, so it can stand
wherever a file or URL can. ``datainbounds`` answers with every point as JSON; to keep each answer within a bound, time
is asked for in windows, and where a day is too much, space in parts.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from lazytile.pyramid.core.errors import AnswerTooLongError, SourceError
from lazytile.pyramid.fetch.http_client import Client, HttpOptions, checked_url
from lazytile.pyramid.fetch.nexus_points import Points, points_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_BYTES = 64 << 20
"""Of JSON that are taken at once: about 200 000 points, which become some 300 MB of Python objects for a moment."""
WINDOW_S = 31 * 86400
"""Longest time that is asked for at once."""
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
    turn: float = 0.0
    """What is added to the longitudes of its points: 360 for what lies east of the antimeridian in a box across it."""

    @property
    def text(self) -> str:
        """As the server reads it."""
        return ",".join(f"{edge:.10g}" for edge in (self.west, self.south, self.east, self.north))

    def halves(self) -> tuple[Box, Box]:
        """Cut the longer side in two. Points on the cut are in both."""
        if self.east - self.west >= self.north - self.south:
            middle = (self.west + self.east) / 2
            return replace(self, east=middle), replace(self, west=middle)
        middle = (self.south + self.north) / 2
        return replace(self, north=middle), replace(self, south=middle)


@dataclass(frozen=True, slots=True)
class NexusRequest:
    """All points of a dataset in some boxes and from one second to another, both included."""

    base: str
    """URL of the server, without the slash at its end."""
    dataset: str
    boxes: tuple[Box, ...]
    start: int
    """Seconds since 1970."""
    end: int
    parameter: str = ""


def is_nexus(source: str) -> bool:
    """Return whether a source is a request to an SDAP server."""
    return source.lower().startswith(_PREFIX)


def nexus_url(url: str, dataset: str | None, bbox: str | None, span: str | None) -> str:
    """Return a ``nexus+https`` URL with what options say beside it; ``span`` is START/END, or one time."""
    parts = urlsplit(url)
    first, _, last = (span or "").partition("/")
    added = {"ds": dataset, "b": bbox, "startTime": first, "endTime": last or first}
    query = urlencode({name: value for name, value in added.items() if value}, safe=",:")
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, query) if part)))


def read_request(source: str, fetching: HttpOptions) -> NexusRequest:
    """Return the request that a source is, asking the server's ``list`` for times that it does not say.

    Raises ``SourceError`` with one line that says what is missing or wrong.
    """
    parts = urlsplit(source)
    query = parse_qs(parts.query)
    strange = [name for name, values in query.items() if name not in _KEYS or len(values) > 1]
    if strange:
        raise SourceError(f"{source}: {', '.join(strange)} is unknown or there twice; there are {', '.join(_KEYS)}")
    given = {name: values[0] for name, values in query.items()}
    path = parts.path.rstrip("/").removesuffix(_PATH)
    base = checked_url(urlunsplit((parts.scheme[len(_PREFIX) :], parts.netloc, path, "", ""))).rstrip("/")
    if "ds" not in given:
        names = ", ".join(str(each.get("shortName")) for each in _listed(base, fetching)) or "none"
        raise SourceError(f"{base}: say which --dataset; it has {names}")
    if "startTime" not in given or "endTime" not in given:
        span = _span(base, given["ds"], fetching)
        given = {"startTime": span[0], "endTime": span[1], **given}
    start, end = _seconds(given["startTime"], last=False), _seconds(given["endTime"], last=True)
    if start > end:
        raise SourceError(f"the time {given['startTime']} to {given['endTime']} ends before it begins")
    boxes = _boxes(given.get("b", "-180,-90,180,90"))
    return NexusRequest(base, given["ds"], boxes, start, end, given.get("parameter", ""))


class NexusReader:
    """Reads a request window by window, in an order that it can go on with."""

    def __init__(self, request: NexusRequest, fetching: HttpOptions) -> None:
        self._request = request
        self._fetching = fetching
        self._boxes = list(request.boxes)
        self._window_s = WINDOW_S
        self.done_bytes = 0
        """Of answers so far."""

    def windows(self, start: int) -> Iterator[tuple[int, int, Points]]:
        """Yield the points of one window after the other from ``start`` on, with its first and last second."""
        while start <= self._request.end:
            end = min(start + self._window_s - 1, self._request.end)
            points = self._window(start, end)
            if points is None:
                continue  # it was too much: the window is shorter now
            yield start, end, points
            start = end + 1

    def _window(self, start: int, end: int) -> Points | None:
        """Return the points of a window; None where it must be a shorter one."""
        found: list[Points] = []
        at = 0
        while at < len(self._boxes):
            box = self._boxes[at]
            try:
                points = self._points(box, start, end)
            except AnswerTooLongError as error:
                if end - start >= _DAY_S:
                    self._window_s = (end - start + 1) // 2
                    return None
                if max(box.east - box.west, box.north - box.south) < _LEAST_SIDE_DEG:
                    raise SourceError(f"{error}, for {box.text} in less than a day") from error
                self._boxes[at : at + 1] = box.halves()
                continue
            found.append(points.within(start, end).turned(box.turn))
            at += 1
        return Points.joined(found)

    def _points(self, box: Box, start: int, end: int) -> Points:
        request = self._request
        query = {"ds": request.dataset, "b": box.text, "startTime": _iso(start), "endTime": _iso(end), "output": "JSON"}
        if request.parameter:
            query["parameter"] = request.parameter
        url = f"{request.base}{_PATH}?{urlencode(query, safe=',:')}"
        body, document = _answer(url, self._fetching)
        self.done_bytes += body
        if self.done_bytes > self._fetching.limit_bytes:
            raise SourceError(f"{request.base} has sent over {self._fetching.limit_bytes} bytes, which is the limit")
        return points_of(document, request.base, None if start != end else start)


def _answer(url: str, fetching: HttpOptions) -> tuple[int, Any]:
    """Return length and content of a JSON answer; an empty list where the server says that there are no data."""
    client = Client(url, fetching)
    status, body = client.get(ANSWER_BYTES, accept="application/json")
    where = url.partition("?")[0]
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where} answers {status} and no JSON; is it an SDAP server?") from error
    if isinstance(document, dict) and "error" in document:
        text = " ".join(str(document["error"]).split())[:300]
        if _NO_DATA.search(text):
            return len(body), []
        raise SourceError(f"{where} answers {document.get('code', status)}: {text}")
    if status != 200:
        raise SourceError(f"{where} answers {status}")
    return len(body), document


def _listed(base: str, fetching: HttpOptions) -> list[dict[str, Any]]:
    _, document = _answer(f"{base}/list", fetching)
    if not isinstance(document, list) or not all(isinstance(each, dict) for each in document):
        raise SourceError(f"{base}/list lists no datasets; is it an SDAP server?")
    return document


def _span(base: str, dataset: str, fetching: HttpOptions) -> tuple[str, str]:
    """Return the first and last time that a server says a dataset has."""
    listed = _listed(base, fetching)
    found = next((each for each in listed if each.get("shortName") == dataset), None)
    if found is None:
        names = ", ".join(str(each.get("shortName")) for each in listed) or "none"
        raise SourceError(f"{base} has no dataset {dataset!r}, it has {names}")
    if not (isinstance(found.get("iso_start"), str) and isinstance(found.get("iso_end"), str)):
        raise SourceError(f"{base} does not say which times {dataset} has: say --time START/END")
    return found["iso_start"], found["iso_end"]


def _boxes(text: str) -> tuple[Box, ...]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SourceError(f"--bbox takes WEST,SOUTH,EAST,NORTH, not {text!r}") from error
    if not (-180 <= west <= 180 and -180 <= east <= 180 and west != east and -90 <= south < north <= 90):
        raise SourceError(
            f"--bbox {text} is no box: longitudes lie within -180..180, east of west or across the antimeridian, "
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
