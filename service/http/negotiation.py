"""Content negotiation by the parameter ``f`` or the Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.service.http.errors import NotAcceptableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from lazytile.service.http.query import Query


_WEIGHT = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


def negotiate_format(request: web.Request, query: Query, offered: Mapping[str, str]) -> str:
    """Return the format that ``f`` or, without it, the Accept header selects (RFC 9110, 12.5.1).

    Args:
        request: The request.
        query: Its query string.
        offered: Media types by value of ``f``, the preferred one first.

    Returns:
        A key of ``offered``.

    Raises:
        InvalidParameterError: ``f`` names no format that is offered.
        NotAcceptableError: The Accept header excludes every format.
    """
    requested = query.get("f")
    if requested:
        for name, media_type in offered.items():
            if requested in (name, media_type):
                return name
        raise InvalidParameterError("f", f"f {requested[:60]!r} is invalid, it may be {', '.join(offered)}")
    accept = request.headers.get("Accept", "").lower()
    if not accept.strip():
        return next(iter(offered))
    weights = {name: _weight(accept, media_type) for name, media_type in offered.items()}
    best = max(weights, key=lambda name: weights[name])
    if weights[best] == 0:
        raise NotAcceptableError(
            "Accept", f"Accept {accept[:200]!r} excludes all available formats: {', '.join(offered.values())}"
        )
    return best


def _weight(accept: str, media_type: str) -> float:
    """Return the weight of a media type in an Accept header; the most specific range counts."""
    ranges = {media_type: 3, f"{media_type.partition('/')[0]}/*": 2, "*/*": 1}
    specific, weight = 0, 0.0
    for part in accept.split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        rank = ranges.get(media_range, 0)
        if rank > specific:
            specific = rank
            found = next((match for match in map(_WEIGHT.fullmatch, parameters) if match), None)
            weight = float(found[1]) if found else 1.0
    return weight
