"""The health document: whether the server is up, and what it serves."""

from __future__ import annotations

from lazytile.service.http.json_document import JsonDocument


class Health(JsonDocument):
    """State of a server process."""

    status: str
    """``ok``."""
    version: str
    """Of lazytile."""
    engine: str
    datasets: int
    """Number of datasets in the store."""
