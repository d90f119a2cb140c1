"""Problem documents (RFC 9457)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.service.http.json_document import JsonDocument, json_bytes

if TYPE_CHECKING:
    from lazytile.service.http.errors import Failure


PROBLEM_TYPE = "application/problem+json"


class Problem(JsonDocument):
    """A problem document (RFC 9457, 3.1) with the extension member ``parameter`` (3.2)."""

    type: str
    """``about:blank``: the status code is all that identifies the problem (RFC 9457, 4.2.1)."""
    title: str
    """The exception code that OWS Common has for the problem."""
    status: int
    detail: str
    parameter: str | None = None
    """The request parameter at fault."""


def problem_document(failure: Failure) -> bytes:
    """Return the problem document of a failure.

    Args:
        failure: What went wrong, as clients may read it.

    Returns:
        The document as JSON.
    """
    return json_bytes(
        Problem(
            type="about:blank",
            title=failure.code,
            status=failure.status,
            detail=failure.text,
            parameter=failure.locator,
        )
    )
