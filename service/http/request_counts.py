"""What is counted for each request: plain numbers, which the metrics take over when they are scraped.

A counter of prometheus_client with labels takes two microseconds, ten with files that processes share.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations; a last bucket has none."""


class RouteCounts:
    """The requests of one route since they were last taken over."""

    __slots__ = ("buckets", "seconds", "statuses")

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.buckets = [0] * (len(SECONDS) + 1)
        self.seconds = 0.0

    def add(self, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            status: Status of the response.
            seconds: How long it took.
        """
        self.statuses[status] += 1
        self.buckets[bisect_left(SECONDS, seconds)] += 1
        self.seconds += seconds


class RequestCounts:
    """The requests of a server process since they were last taken over. Belongs to one event loop."""

    __slots__ = ("_routes", "tiles")

    def __init__(self) -> None:
        self._routes: dict[str, RouteCounts] = {}
        self.tiles: Counter[str] = Counter()
        """Tiles served, by tier."""

    def route(self, name: str) -> RouteCounts:
        """Return the counts of a route. They change hands when they are taken over, so keep them for one request only.

        Args:
            name: One of ``middleware.ROUTES`` and the like.

        Returns:
            The counts.
        """
        found = self._routes.get(name)
        if found is None:
            found = self._routes[name] = RouteCounts()
        return found

    def take(self) -> tuple[dict[str, RouteCounts], Counter[str]]:
        """Return the counts by route and the tiles by tier, and begin again at zero."""
        taken = self._routes, self.tiles
        self._routes, self.tiles = {}, Counter()
        return taken
