"""Parsing of query strings and paths, within limits on their lengths."""

from __future__ import annotations

from urllib.parse import unquote, unquote_plus

from lazytile.pyramid.core.errors import InvalidParameterError, MissingParameterError
from lazytile.service.http.errors import TooLongError, ValueTooLongError

MAX_PARAMETERS = 100


class Query:
    """A query string: case-insensitive names, each at most once, and decoded values (OGC 06-121r3, 11.5.3)."""

    def __init__(self, raw: str, max_value_length: int) -> None:
        """Parse a query string.

        Args:
            raw: The query string as received, still percent-encoded.
            max_value_length: The most characters of a value.

        Raises:
            ValueTooLongError: There are too many parameters, or a value is too long.
            InvalidParameterError: A parameter has two different values.
        """
        pairs = [pair for pair in raw.split("&") if pair]
        if len(pairs) > MAX_PARAMETERS:
            raise ValueTooLongError("request", f"the request has {len(pairs)} parameters, it may have {MAX_PARAMETERS}")
        self.values: dict[str, str] = {}
        for pair in pairs:
            name, _, value = pair.partition("=")
            self._add(unquote_plus(name).lower(), unquote_plus(value), max_value_length)

    def _add(self, name: str, value: str, max_value_length: int) -> None:
        if len(value) > max_value_length:
            raise ValueTooLongError(
                name[:64], f"{name[:64]} has {len(value)} characters, a value may have {max_value_length}"
            )
        if self.values.setdefault(name, value) != value:
            raise InvalidParameterError(name, f"{name} is given twice with different values, it may be given once")

    def get(self, name: str) -> str:
        """Return the value of a parameter.

        Args:
            name: Of the parameter, in any case.

        Returns:
            The value, empty if the parameter is absent.
        """
        return self.values.get(name.lower(), "")

    def require(self, name: str) -> str:
        """Return the value of a mandatory parameter.

        Args:
            name: Of the parameter, in any case.

        Returns:
            The value.

        Raises:
            MissingParameterError: The parameter is absent or empty.
        """
        value = self.get(name)
        if not value:
            raise MissingParameterError(name, f"parameter {name} is missing")
        return value

    def require_one(self, name: str, allowed: str) -> None:
        """Check a mandatory parameter that has one valid value.

        Args:
            name: Of the parameter, in any case.
            allowed: The valid value.

        Raises:
            MissingParameterError: The parameter is absent or empty.
            InvalidParameterError: The parameter has another value.
        """
        value = self.require(name)
        if value != allowed:
            raise InvalidParameterError(name, f"{name} {value!r} is invalid, it must be {allowed}")


def segments_of(raw_path: str, prefix: str, max_value_length: int) -> list[str]:
    """Return the decoded segments of a path. The path is split before it is decoded, so a segment may contain a slash.

    Args:
        raw_path: The path as received, still percent-encoded.
        prefix: The start of the path to remove.
        max_value_length: The most characters of a segment.

    Returns:
        The segments after ``prefix``.

    Raises:
        TooLongError: A segment is too long.
    """
    segments = [unquote(segment) for segment in raw_path.removeprefix(prefix).split("/")]
    longest = max(segments, key=len)
    if len(longest) > max_value_length:
        raise TooLongError("request", f"a path segment has {len(longest)} characters, it may have {max_value_length}")
    return segments
