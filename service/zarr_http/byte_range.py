"""Conditional and range requests of one object: which of its bytes a request gets (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aiohttp import hdrs

from lazytile.service.http.reply import matches

if TYPE_CHECKING:
    from collections.abc import Mapping

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.IGNORECASE)
"""One range; of a list of several, all bytes are sent, which RFC 9110, 14.2 allows."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request gets of an object."""

    status: int
    """200, 206, 304, 412 or 416."""
    start: int
    stop: int
    """The first byte and the one after the last; both 0 without a body."""
    size: int
    """Bytes of the whole object."""

    @classmethod
    def of(cls, method: str, headers: Mapping[str, str], etag: str, size: int) -> Self:
        """Evaluate the conditions of a request, then its range (RFC 9110, 13.2.2).

        Args:
            method: ``GET`` or ``HEAD``.
            headers: Of the request.
            etag: Strong entity tag of the object, quoted.
            size: Bytes of the object.

        Returns:
            The selection.
        """
        expected = headers.get(hdrs.IF_MATCH)
        if expected is not None and not matches(expected, etag):
            return cls(412, 0, 0, size)
        if matches(headers.get(hdrs.IF_NONE_MATCH), etag):
            return cls(304, 0, 0, size)
        text = headers.get(hdrs.RANGE)
        condition = headers.get(hdrs.IF_RANGE)
        found = None if text is None or method != "GET" else _RANGE.fullmatch(text)
        if found is None or (condition is not None and condition.strip() != etag):
            return cls(200, 0, size, size)
        first, last = found.groups()
        if not first:
            return cls._suffix(last, size)
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return cls(200, 0, size, size)  # not a range, so it is ignored (RFC 9110, 14.1.1)
        return cls(206, start, stop, size) if start < size else cls(416, 0, 0, size)

    @classmethod
    def _suffix(cls, length: str, size: int) -> Self:
        if not length:
            return cls(200, 0, size, size)
        wanted = min(int(length), size)
        return cls(206, size - wanted, size, size) if wanted else cls(416, 0, 0, size)

    @property
    def has_body(self) -> bool:
        """Whether bytes of the object are sent."""
        return self.status in (200, 206)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say which bytes these are."""
        if self.status == 206:
            return {"Content-Range": f"bytes {self.start}-{self.stop - 1}/{self.size}"}
        return {"Content-Range": f"bytes */{self.size}"} if self.status == 416 else {}
