"""Replies: conditional requests, compression, the headers that every answer has (RFC 9110, RFC 9111)."""

from __future__ import annotations

import importlib
import re
import secrets
import zlib
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from lazytile.pyramid.core import process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "ETag, Layer-Time-Actual, Layer-Time-Request, Retry-After, Server-Timing, Warning, X-Request-Id"
    ),
    "Timing-Allow-Origin": "*",
}
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, If-None-Match, If-Modified-Since, X-Request-Id",
    "Access-Control-Max-Age": "86400",
    "Allow": "GET, HEAD, OPTIONS",
}
COMPRESSED_MIN_BYTES = 860
"""Below this a packet is as good as half a packet."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _gzip(body: bytes) -> bytes:
    # A level that takes a third of the time of the usual one, for a few per cent more bytes.
    compressor = zlib.compressobj(4, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return compressor.compress(body) + compressor.flush()


def _codings() -> dict[str, Callable[[bytes], bytes]]:
    """Return the content codings there are, the best first."""
    try:
        brotli = importlib.import_module("brotli")  # an optional extra without types
    except ImportError:
        return {"gzip": _gzip}
    return {"br": lambda body: bytes(brotli.compress(body, quality=4)), "gzip": _gzip}


CODINGS = _codings()


def request_id_of(request: web.Request) -> str:
    """Return the client's own X-Request-Id if it is a harmless word, else a new one."""
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def matches(if_none_match: str | None, etag: str) -> bool:
    """Tell whether If-None-Match names the entity tag: ``*``, or a list compared weakly (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return etag in re.findall(r'(?:^|,)\s*(?:W/)?("[^"]*")', if_none_match)


def coding_for(request: web.Request) -> str:
    """Return the content coding that the client likes best of those there are: ``br``, ``gzip``, or none, empty.

    A weight of 0 forbids one (RFC 9110, 12.5.3). Brotli is there where its package is installed.
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
    """Return a text, compressed where the client takes it, or 304 where it has it.

    ``digest`` makes the entity tag; each compressed form has another one, since a strong tag names bytes.
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
    return web.Response(status=status, body=body, headers={"Content-Type": content_type, **fields})


def server_timing(stages_s: Mapping[str, float], **described: str) -> str:
    """Return a Server-Timing header: stages in milliseconds, and words such as the cache tier."""
    parts = [f"{name};desc={word}" for name, word in described.items()]
    return ", ".join([*parts, *(f"{name};dur={seconds * 1000:.2f}" for name, seconds in stages_s.items())])
