"""The health documents: whether the server is up, what it serves, and what is wrong."""

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


class StandingCondition(JsonDocument):
    """A problem that stands at the moment."""

    key: str
    """Names the part at fault."""
    problem: str
    """What is wrong."""
    ready: bool
    """Whether the server can serve nevertheless."""
    since: str
    """When it was first reported, as RFC 3339 in UTC."""


class Readiness(JsonDocument):
    """Whether the server can serve, and what is wrong."""

    ready: bool
    """Whether every condition leaves the server able to serve."""
    engine: str
    """What renders."""
    kernel: str
    """What computes pixels, such as ``numpy`` or ``native AVX2``; of workers, the engine names it."""
    conditions: list[StandingCondition]
