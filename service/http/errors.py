"""What goes wrong in the service, and the one table from exception class to HTTP status and OWS exception code."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from aiohttp import web

from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError, LazytileError
from lazytile.pyramid.core.errors import (
    DatasetNotFoundError,
    EngineError,
    GenerationChangedError,
    InvalidParameterError,
    MissingParameterError,
    RequestError,
    TileOutOfRangeError,
)
from lazytile.service.http.parameter_names import parameter_of

LOG = logging.getLogger(__name__)


class ServiceError(LazytileError):
    """The server cannot be started, or cannot do what it was asked at the moment."""


class SettingsError(ServiceError):
    """A setting is unknown or has a value it may not have."""


class CacheError(ServiceError):
    """The folder of the tile cache cannot be used."""


class BusyError(ServiceError):
    """So much work waits already that more is refused; ``retry_after_s`` later there may be room."""

    def __init__(self, text: str, retry_after_s: int = 1) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class OverdueError(ServiceError):
    """A tile took longer than a request may take."""


class NotOfferedError(RequestError):
    """An operation that the standard knows and this server does not offer (OGC 07-057r7, Table 24)."""


class PointOutOfRangeError(RequestError):
    """I or J lies outside the tile (OGC 07-057r7, Table 27)."""


class VersionNegotiationError(RequestError):
    """None of the versions a client accepts is offered (OGC 06-121r3, Table 25)."""


class UpdateSequenceError(RequestError):
    """The client knows a later state of the capabilities than the server (OGC 06-121r3, Table 25)."""


class TooLongError(RequestError):
    """A request, or a value in it, is longer than any valid one."""


class NotAcceptableError(RequestError):
    """The Accept header leaves no format that this address can answer in (RFC 9110, 15.5.7)."""


class NotFoundError(RequestError):
    """An address leads to nothing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How an exception class is told to clients."""

    status: int
    """Where the culprit is a query parameter."""
    path_status: int
    """Where it is part of the path: an address that leads to nothing is 404 (OGC 07-057r7, 10)."""
    code: str
    """The exceptionCode of an ows:Exception."""
    locator: str | None = None
    """The parameter, where the exception itself names none."""
    says_text: bool = True
    """Whether the exception's own text is for clients; else it goes to the log."""
    has_locator: bool = True
    second_code: str | None = None
    """The exceptionCode of a second ows:Exception with the same locator."""


TABLE: dict[type[Exception], Rule] = {
    MissingParameterError: Rule(400, 404, "MissingParameterValue"),
    InvalidParameterError: Rule(400, 404, "InvalidParameterValue"),
    TileOutOfRangeError: Rule(400, 404, "TileOutOfRange"),
    # The text of the standard has the first, its test suite looks for the second: a report may hold both.
    PointOutOfRangeError: Rule(400, 404, "PointIJOutOfRange", second_code="TileOutOfRange"),
    DatasetNotFoundError: Rule(400, 404, "InvalidParameterValue", "Layer"),
    ColormapNotFoundError: Rule(400, 404, "InvalidParameterValue", "Style"),
    ColormapError: Rule(400, 404, "InvalidParameterValue", "Style"),
    NotOfferedError: Rule(501, 501, "OperationNotSupported"),
    VersionNegotiationError: Rule(400, 400, "VersionNegotiationFailed", has_locator=False),
    UpdateSequenceError: Rule(400, 400, "InvalidUpdateSequence", has_locator=False),
    TooLongError: Rule(414, 414, "InvalidParameterValue"),
    NotAcceptableError: Rule(406, 406, "InvalidParameterValue"),
    NotFoundError: Rule(404, 404, "NoApplicableCode", has_locator=False),
    BusyError: Rule(503, 503, "NoApplicableCode"),
    OverdueError: Rule(504, 504, "NoApplicableCode"),
    GenerationChangedError: Rule(503, 503, "NoApplicableCode"),
    EngineError: Rule(503, 503, "NoApplicableCode", says_text=False),
    Exception: Rule(500, 500, "NoApplicableCode", says_text=False),
}
"""The class itself decides, or the nearest of its bases that is here."""

_FAILED = "the server failed to answer this request; its log says why"
_UNAVAILABLE = "the server cannot compute tiles at the moment; its log says why"


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception as clients are told of it."""

    status: int
    code: str
    locator: str | None
    text: str
    headers: dict[str, str]
    second_code: str | None = None
    """Code of a second exception in the same report."""


def culprit_of(error: Exception) -> str | None:
    """Return the parameter that an exception names, as requests spell it; None where it names none."""
    return parameter_of(error.field) if isinstance(error, RequestError) else None


def failure_of(error: Exception, *, in_path: bool) -> Failure:
    """Return what to tell of an exception. What is no fault of the client's is logged with its traceback."""
    if isinstance(error, web.HTTPException):
        return _http_failure(error)
    rule = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    culprit = culprit_of(error)
    locator = culprit or rule.locator
    headers = {}
    if rule.status == 503:
        headers["Retry-After"] = str(getattr(error, "retry_after_s", 1))
    text = one_line(str(error) if culprit is None or not isinstance(error, RequestError) else error.spelled(culprit))
    if not rule.says_text:
        LOG.error("%s: %s", type(error).__name__, text, exc_info=error)
        text = _FAILED if rule.status == 500 else _UNAVAILABLE
    status = rule.path_status if in_path else rule.status
    return Failure(status, rule.code, locator if rule.has_locator else None, text, headers, rule.second_code)


def _http_failure(error: web.HTTPException) -> Failure:
    """Return what aiohttp itself found: no such address, or no such method for it."""
    headers = {name: value for name, value in error.headers.items() if name == "Allow"}
    if isinstance(error, web.HTTPMethodNotAllowed):
        text = f"{error.method} is not allowed here, allowed are GET, HEAD and OPTIONS"
        return Failure(error.status, "OperationNotSupported", "request", one_line(text), headers)
    if error.status == 404:
        return Failure(404, "NoApplicableCode", None, "there is nothing at this address", headers)
    return Failure(error.status, "NoApplicableCode", None, one_line(error.reason), headers)


_NOT_XML = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
MAX_TEXT = 2000


def one_line(text: str) -> str:
    """Return a text that any document and terminal can hold: one line, no control characters, no lone surrogates."""
    clean = _NOT_XML.sub(" ", text).strip()
    return clean if len(clean) <= MAX_TEXT else f"{clean[:MAX_TEXT]}..."
