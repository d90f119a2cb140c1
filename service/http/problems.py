"""Problem documents (RFC 9457)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazytile.service.http.errors import Failure


PROBLEM_TYPE = "application/problem+json"


def problem_document(failure: Failure) -> bytes:
    """Return a problem document (RFC 9457)."""
    members = {
        "type": "about:blank",
        "title": failure.code,
        "status": failure.status,
        "detail": failure.text,
    }
    if failure.locator is not None:
        members["parameter"] = failure.locator
    return json.dumps(members).encode()
