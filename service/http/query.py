"""Query strings and path segments: taken apart within limits, their meaning not yet known."""

from __future__ import annotations

from urllib.parse import unquote, unquote_plus

from lazytile.pyramid.core.errors import InvalidParameterError, MissingParameterError
from lazytile.service.http.errors import TooLongError

MAX_PARAMETERS = 100


class Query:
    """A query string: names without regard to case, each one once, values percent-decoded (OGC 06-121r3, 11.5.3)."""

    def __init__(self, raw: str, max_value_length: int) -> None:
        """Take ``raw``, the query string as it was sent. Raises ``TooLongError`` or ``InvalidParameterError``."""
        pairs = [pair for pair in raw.split("&") if pair]
        if len(pairs) > MAX_PARAMETERS:
            raise TooLongError("request", f"the request has {len(pairs)} parameters, it may have {MAX_PARAMETERS}")
        self.values: dict[str, str] = {}
        for pair in pairs:
            name, _, value = pair.partition("=")
            self._add(unquote_plus(name).lower(), unquote_plus(value), max_value_length)

    def _add(self, name: str, value: str, max_value_length: int) -> None:
        if len(value) > max_value_length:
            raise TooLongError(
                name[:64], f"{name[:64]} has {len(value)} characters, a value may have {max_value_length}"
            )
        if self.values.setdefault(name, value) != value:
            raise InvalidParameterError(name, f"{name} is given twice with different values, it may be given once")

    def get(self, name: str) -> str:
        """Return the value of a parameter, empty where it is absent."""
        return self.values.get(name.lower(), "")

    def require(self, name: str) -> str:
        """Return the value of a parameter or raise ``MissingParameterError``."""
        value = self.get(name)
        if not value:
            raise MissingParameterError(name, f"parameter {name} is missing")
        return value

    def require_one(self, name: str, allowed: str) -> None:
        """Raise unless the parameter is there with the one value that is allowed."""
        value = self.require(name)
        if value != allowed:
            raise InvalidParameterError(name, f"{name} {value!r} is invalid, it must be {allowed}")


def segments_of(raw_path: str, prefix: str, max_value_length: int) -> list[str]:
    """Return the percent-decoded segments of a path below ``prefix``. Raises ``TooLongError``.

    The path is cut before it is decoded, so that a value may hold a slash.
    """
    segments = [unquote(segment) for segment in raw_path.removeprefix(prefix).split("/")]
    longest = max(segments, key=len)
    if len(longest) > max_value_length:
        raise TooLongError("request", f"a path segment has {len(longest)} characters, it may have {max_value_length}")
    return segments
