"""The exceptions of the service, and the table from exception class to HTTP status and OWS exception code."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

from lazytile.colormaps.core.errors import ColormapError, ColormapNotFoundError, LazytileError
from lazytile.pyramid.chunks.damage import DamagedChunkError, DamageRecord
from lazytile.pyramid.core.errors import (
    DamagedDescriptionError,
    DatasetNotFoundError,
    EngineError,
    EngineUnavailableError,
    GenerationChangedError,
    InvalidParameterError,
    MissingParameterError,
    RequestError,
    SourceUnavailableError,
    StoreError,
    StoreUnavailableError,
    TileOutOfRangeError,
)
from lazytile.pyramid.core.stop_flag import StoppedError
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.service.http.parameter_names import parameter_of

LOG = logging.getLogger(__name__)


class ServiceError(LazytileError):
    """The server cannot start, or cannot do its work at the moment."""


class SettingsError(ServiceError):
    """A setting is unknown or has an invalid value."""

    def __init__(self, *problems: str) -> None:
        """Report problems; the text is the first one.

        Args:
            problems: Each names a setting and what is wrong with it, in one line.
        """
        super().__init__(problems[0])
        self.problems = problems


class CacheError(ServiceError):
    """The folder of the tile cache is unusable."""


class BusyError(ServiceError):
    """The queue is full; there may be room ``retry_after_s`` later."""

    def __init__(self, text: str, retry_after_s: int = 1) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class TooManyRequestsError(BusyError):
    """A client asks more often than it may (RFC 6585, 4)."""


class AccessError(StoreError):
    """The dataset is for clients with a token (RFC 6750, 3)."""

    challenge = 'Bearer realm="lazytile"'
    """Value of WWW-Authenticate."""


class TokenRequiredError(AccessError):
    """The request has no token."""

    def __init__(self, dataset: str) -> None:
        super().__init__(f"dataset {dataset!r} needs a token: send the header Authorization: Bearer TOKEN")


class WrongTokenError(AccessError):
    """The request has a token that is not known."""

    challenge = 'Bearer realm="lazytile", error="invalid_token"'

    def __init__(self, dataset: str) -> None:
        super().__init__(f"dataset {dataset!r} needs a token, and the one that was sent is not valid")


class InsufficientTokenError(AccessError):
    """The token does not open the dataset."""

    challenge = 'Bearer realm="lazytile", error="insufficient_scope"'

    def __init__(self, dataset: str) -> None:
        super().__init__(f"dataset {dataset!r} needs another token than the one that was sent")


class OverdueError(ServiceError):
    """The work took longer than a request may take."""


class NotOfferedError(RequestError):
    """An operation of the standard that this server does not offer (OGC 07-057r7, Table 24)."""


class PointOutOfRangeError(RequestError):
    """I or J lies outside the tile (OGC 07-057r7, Table 27)."""


class VersionNegotiationError(RequestError):
    """No version that the client accepts is offered (OGC 06-121r3, Table 25)."""


class UpdateSequenceError(RequestError):
    """The client has a later state of the capabilities than the server (OGC 06-121r3, Table 25)."""


class MisdirectedError(RequestError):
    """The request names a host that this server does not answer for (RFC 9110, 15.5.20)."""


class TooLongError(RequestError):
    """The address of a request exceeds the maximum length (RFC 9110, 15.5.15)."""


class ValueTooLongError(RequestError):
    """A value exceeds the maximum length, or there are too many."""


class NotAcceptableError(RequestError):
    """The Accept header excludes every format of the resource (RFC 9110, 15.5.7)."""


class NotFoundError(RequestError):
    """There is no resource at the address."""


class GoneError(RequestError):
    """What the address names is no longer there, and readers must not take it for empty (RFC 9110, 15.5.11)."""


class Logs(Enum):
    """What the log gets of an error whose text clients do not get."""

    TRACEBACK = "the text and the traceback"
    LINE = "the text"
    NOTHING = "nothing: whoever noticed the state logged it once"


@dataclass(frozen=True, slots=True)
class Rule:
    """How an exception class is reported to clients."""

    status: int
    """If the parameter at fault is in the query."""
    path_status: int
    """If it is in the path: an address without a resource is 404 (OGC 07-057r7, 10)."""
    code: str
    """The exceptionCode of an ows:Exception."""
    locator: str | None = None
    """The parameter, for an exception that names none."""
    has_public_text: bool = True
    """Whether clients get the exception's text; if not, it is logged."""
    has_locator: bool = True
    logs: Logs = Logs.TRACEBACK
    second_code: str | None = None
    """The exceptionCode of a second ows:Exception with the same locator."""


RULES: dict[type[Exception], Rule] = {
    MissingParameterError: Rule(400, 404, "MissingParameterValue"),
    InvalidParameterError: Rule(400, 404, "InvalidParameterValue"),
    TileOutOfRangeError: Rule(400, 404, "TileOutOfRange"),
    # The standard has the first code, its test suite expects the second: a report may contain both.
    PointOutOfRangeError: Rule(400, 404, "PointIJOutOfRange", second_code="TileOutOfRange"),
    DatasetNotFoundError: Rule(400, 404, "InvalidParameterValue", "Layer"),
    ColormapNotFoundError: Rule(400, 404, "InvalidParameterValue", "Style"),
    ColormapError: Rule(400, 404, "InvalidParameterValue", "Style"),
    NotOfferedError: Rule(501, 501, "OperationNotSupported"),
    VersionNegotiationError: Rule(400, 400, "VersionNegotiationFailed", has_locator=False),
    UpdateSequenceError: Rule(400, 400, "InvalidUpdateSequence", has_locator=False),
    MisdirectedError: Rule(421, 421, "NoApplicableCode", has_locator=False),
    TooLongError: Rule(414, 414, "InvalidParameterValue"),
    ValueTooLongError: Rule(400, 400, "InvalidParameterValue"),
    NotAcceptableError: Rule(406, 406, "InvalidParameterValue"),
    NotFoundError: Rule(404, 404, "NoApplicableCode", has_locator=False),
    GoneError: Rule(410, 410, "NoApplicableCode", has_locator=False),
    TooManyRequestsError: Rule(429, 429, "NoApplicableCode"),
    AccessError: Rule(401, 401, "NoApplicableCode", "Layer"),
    InsufficientTokenError: Rule(403, 403, "NoApplicableCode", "Layer"),
    BusyError: Rule(503, 503, "NoApplicableCode"),
    OverdueError: Rule(504, 504, "NoApplicableCode"),
    StoppedError: Rule(503, 503, "NoApplicableCode", has_public_text=False, logs=Logs.NOTHING),
    GenerationChangedError: Rule(503, 503, "NoApplicableCode"),
    SourceUnavailableError: Rule(503, 503, "NoApplicableCode", has_public_text=False, logs=Logs.NOTHING),
    StoreUnavailableError: Rule(503, 503, "NoApplicableCode", has_public_text=False, logs=Logs.LINE),
    StorageError: Rule(503, 503, "NoApplicableCode", has_public_text=False, logs=Logs.LINE),
    EngineError: Rule(503, 503, "NoApplicableCode", has_public_text=False, logs=Logs.LINE),
    EngineUnavailableError: Rule(503, 503, "NoApplicableCode", has_public_text=False, logs=Logs.NOTHING),
    DamagedChunkError: Rule(500, 500, "NoApplicableCode", has_public_text=False),
    DamagedDescriptionError: Rule(500, 500, "NoApplicableCode", has_public_text=False, logs=Logs.NOTHING),
    StoreError: Rule(500, 500, "NoApplicableCode", has_public_text=False, logs=Logs.LINE),
    Exception: Rule(500, 500, "NoApplicableCode", has_public_text=False),
}
"""By class; a class without a rule has that of its nearest base."""

_FAILED = "the server failed to answer this request; the reason is in its log"
_DAMAGED = "stored data that this request needs is damaged; the server's log names it"
_UNAVAILABLE = "the server cannot compute tiles at the moment; the reason is in its log"


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that is reported to a client."""

    status: int
    code: str
    locator: str | None
    text: str
    headers: dict[str, str]
    second_code: str | None = None
    """The exceptionCode of a second exception in the report."""


def parameter_at_fault(error: Exception) -> str | None:
    """Return the parameter that an exception names.

    Args:
        error: The exception.

    Returns:
        The parameter as requests spell it, or None if the exception names none.
    """
    return parameter_of(error.field) if isinstance(error, RequestError) else None


def failure_of(error: Exception, *, in_path: bool) -> Failure:
    """Return the error to report for an exception. One that is not the client's fault is logged.

    Args:
        error: The exception.
        in_path: Whether the parameter at fault is part of the path.

    Returns:
        The error, with everything that OWS reports and problem documents contain.
    """
    if isinstance(error, web.HTTPException):
        return _http_failure(error)
    rule = next(RULES[kind] for kind in type(error).__mro__ if kind in RULES)
    locator, text = rule.locator, str(error)
    if isinstance(error, RequestError):
        locator = parameter_of(error.field)
        text = error.spelled(locator)
    text = short_line(without_paths(text))
    headers = {"WWW-Authenticate": error.challenge} if isinstance(error, AccessError) else {}
    if rule.status in (429, 503):
        headers["Retry-After"] = str(getattr(error, "retry_after_s", 1))
    if isinstance(error, DamagedChunkError):
        # Logged once in a while, not with each request. A chunk that a Dask worker met is noted here too.
        DamageRecord.current().note(error)
        text = _DAMAGED
    elif not rule.has_public_text:
        if rule.logs is not Logs.NOTHING:
            LOG.error("%s: %s", type(error).__name__, text, exc_info=error if rule.logs is Logs.TRACEBACK else None)
        text = _FAILED if rule.status == 500 else _UNAVAILABLE
        if isinstance(error, DamagedDescriptionError):
            text = _DAMAGED
    status = rule.path_status if in_path else rule.status
    return Failure(status, rule.code, locator if rule.has_locator else None, text, headers, rule.second_code)


def _http_failure(error: web.HTTPException) -> Failure:
    """Return the error that aiohttp itself found: no such address, or no such method."""
    headers = {name: value for name, value in error.headers.items() if name == "Allow"}
    if isinstance(error, web.HTTPMethodNotAllowed):
        text = f"{error.method} is not allowed here, allowed are GET, HEAD and OPTIONS"
        return Failure(error.status, "OperationNotSupported", "request", short_line(text), headers)
    if error.status == 404:
        return Failure(404, "NoApplicableCode", None, "there is nothing at this address", headers)
    return Failure(error.status, "NoApplicableCode", None, short_line(error.reason), headers)


_PATH = re.compile(r"(?<![\w./:])(/[\w.@+~-]+)(/[\w.@+~-]+)+")


def without_paths(text: str) -> str:
    """Return a text without the folders of the server: clients learn no more than the names of its files.

    Args:
        text: The text of an error.

    Returns:
        The text, with each absolute path of this machine replaced by its last part. The path of an address stays.
    """
    return _PATH.sub(lambda found: found[2][1:] if os.path.lexists(found[1]) else found[0], text)


_NOT_XML = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")
MAX_TEXT = 2000
"""Most characters of the text of an error, which may quote a request. Data is never cut."""


def one_line(text: str) -> str:
    """Return a text as one line without control characters and lone surrogates, safe in any document and terminal.

    Args:
        text: The text.

    Returns:
        The line, whole.
    """
    return _NOT_XML.sub(" ", text).strip()


def short_line(text: str) -> str:
    """Return the text of an error as one line of bounded length.

    Args:
        text: The text.

    Returns:
        The line, cut off after ``MAX_TEXT`` characters.
    """
    clean = one_line(text)
    return clean if len(clean) <= MAX_TEXT else f"{clean[:MAX_TEXT]}..."
