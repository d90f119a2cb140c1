"""The choice of a format by a parameter or the Accept header (RFC 9110, 12.5.1)."""

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
    """Return the key of the format that ``f`` or else Accept asks for (RFC 9110, 12.5.1).

    ``offered`` maps values of ``f`` to media types, the preferred one first. Raises ``InvalidParameterError`` for an
    unknown ``f`` and ``NotAcceptableError`` where Accept leaves none.
    """
    asked = query.get("f")
    if asked:
        for name, media_type in offered.items():
            if asked in (name, media_type):
                return name
        raise InvalidParameterError("f", f"f {asked[:60]!r} is invalid, it may be {', '.join(offered)}")
    accept = request.headers.get("Accept", "").lower()
    if not accept.strip():
        return next(iter(offered))
    weights = {name: _weight(accept, media_type) for name, media_type in offered.items()}
    best = max(weights, key=lambda name: weights[name])
    if weights[best] == 0:
        raise NotAcceptableError("Accept", f"this is {' or '.join(offered.values())}, Accept is {accept[:200]}")
    return best


def _weight(accept: str, media_type: str) -> float:
    """Return the weight that an Accept header gives a type: the most specific range counts."""
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
