"""Responses: conditional requests, compression, and the headers of every response (RFC 9110, RFC 9111)."""

from __future__ import annotations

import importlib
import random
import re
import zlib
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from lazytile.pyramid.core import process
from lazytile.service.http.long_text import PIECE_BYTES, LongText

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Accept-Ranges, Content-Location, Content-Range, ETag, Layer-Time-Actual, Layer-Time-Request, Retry-After, "
        "Server-Timing, Warning, X-Request-Id"
    ),
    "Timing-Allow-Origin": "*",
}
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Range, Range, X-Request-Id, "
        "X-Requested-With"
    ),
    "Access-Control-Max-Age": "86400",
    "Allow": "GET, HEAD, OPTIONS",
}
COMPRESSED_MIN_BYTES = 860
"""Below this size one packet carries the text anyway."""
_BACKGROUND = re.compile(r"(?:^|,)\s*u=7\s*(?:[,;]|$)")
BACKGROUND_HEADERS = {"Priority": "u=7"}
"""What a client sends whose requests may wait for everybody else's."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _gzip(body: bytes) -> bytes:
    # A third of the default level's time, for a few per cent more bytes.
    compressor = zlib.compressobj(4, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return compressor.compress(body) + compressor.flush()


def _codings() -> dict[str, Callable[[bytes], bytes]]:
    """Return the available content codings, the preferred one first."""
    try:
        brotli = importlib.import_module("brotli")  # an optional extra without types
    except ImportError:
        return {"gzip": _gzip}
    return {"br": lambda body: bytes(brotli.compress(body, quality=4)), "gzip": _gzip}


CODINGS = _codings()


def request_id_of(request: web.Request) -> str:
    """Return the ID of a request.

    Args:
        request: The request.

    Returns:
        The client's own X-Request-Id if it is safe to log, else a new one.
    """
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else new_request_id()


def is_background(headers: Mapping[str, str]) -> bool:
    """Return whether a request is of the lowest urgency, that of background tasks (RFC 9218, 4.1).

    Args:
        headers: Of the request.

    Returns:
        True where Priority says so.
    """
    priority = headers.get("Priority")
    return priority is not None and _BACKGROUND.search(priority) is not None


def is_request_id(text: str) -> bool:
    """Return whether a text may be the ID of a request: whether it is safe to log.

    Args:
        text: Value of X-Request-Id.

    Returns:
        True for at most 64 letters, digits, dots, underscores and hyphens.
    """
    return _REQUEST_ID.fullmatch(text) is not None


def new_request_id() -> str:
    """Return a new ID: 16 hexadecimal digits, without a system call. It is no secret."""
    return f"{random.getrandbits(64):016x}"


def matches(if_none_match: str | None, etag: str) -> bool:
    """Return whether If-None-Match names an entity tag: ``*``, or a list compared weakly (RFC 9110, 13.1.2).

    Args:
        if_none_match: Value of the header, None without one.
        etag: The entity tag, quoted.

    Returns:
        True where the client has the entity.
    """
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return etag in re.findall(r'(?:^|,)\s*(?:W/)?("[^"]*")', if_none_match)


def coding_for(request: web.Request) -> str:
    """Return the available content coding that the client prefers.

    A weight of 0 forbids a coding (RFC 9110, 12.5.3). Brotli is available where its package is installed.

    Args:
        request: The request.

    Returns:
        ``br``, ``gzip``, or empty for none.
    """
    weights: dict[str, float] = {}
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weights[coding] = _weight(parameters)
    weights["gzip"] = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    best = max(CODINGS, key=lambda coding: weights.get(coding, 0.0))
    return best if weights.get(best, 0.0) > 0 else ""


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        match = re.fullmatch(r"q=([01](?:\.[0-9]{0,3})?)", parameter)
        if match:
            return float(match[1])
    return 1.0


def text_response(
    request: web.Request,
    body: bytes,
    content_type: str,
    *,
    digest: str | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a text, compressed where the client accepts it, or 304 where the client has it.

    Args:
        request: The request.
        body: The text, encoded.
        content_type: Its media type.
        digest: Hash of the text, for its entity tag; each compressed form has its own, since a strong tag names bytes.
        status: HTTP status.
        headers: Further headers.

    Returns:
        The response.
    """
    fields = {"Vary": "Accept-Encoding", **(headers or {})}
    if digest is not None:
        tags = [f'"{digest}"', *(f'"{digest}-{coding}"' for coding in CODINGS)]
        wanted = request.headers.get("If-None-Match")
        known = next((tag for tag in tags if matches(wanted, tag)), None)
        if known is not None:
            return web.Response(status=304, headers={**fields, "ETag": known})
    coding = coding_for(request) if len(body) >= COMPRESSED_MIN_BYTES else ""
    if coding:
        # Compressing a capabilities document takes longer than sending it.
        cache, original = process.cache("documents"), body
        make = partial(CODINGS[coding], original)
        body = cache.get(("compressed", digest, coding), make) if digest else make()
        fields["Content-Encoding"] = coding
    if digest is not None:
        fields["ETag"] = f'"{digest}-{coding}"' if coding else f'"{digest}"'
    fields = {"Content-Type": content_type, **fields}
    if len(body) > PIECE_BYTES and request.method != hdrs.METH_HEAD:
        return LongText(body, status=status, headers=fields)
    return web.Response(status=status, body=body, headers=fields)


def server_timing(stages_s: Mapping[str, float], **described: str) -> str:
    """Return a Server-Timing header.

    Args:
        stages_s: Seconds by name of the stage.
        described: Words by name, such as the cache tier.

    Returns:
        The value of the header, in milliseconds.
    """
    parts = [f"{name};desc={word}" for name, word in described.items()]
    parts += [f"{name};dur={seconds * 1000:.2f}" for name, seconds in stages_s.items()]
    return ", ".join(parts)
