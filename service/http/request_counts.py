"""What is counted for each request: plain numbers, which the metrics take over when they are scraped.

A counter of prometheus_client with labels takes two microseconds, ten with files that processes share.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations; a last bucket has none."""


class Durations:
    """How long things of one kind took."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(SECONDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one.

        Args:
            seconds: How long it took.
        """
        self.buckets[bisect_left(SECONDS, seconds)] += 1
        self.seconds += seconds


class RouteCounts(Durations):
    """The requests of one route since they were last taken over."""

    __slots__ = ("statuses",)

    def __init__(self) -> None:
        super().__init__()
        self.statuses: Counter[int] = Counter()

    def answered(self, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            status: Status of the response.
            seconds: How long it took.
        """
        self.statuses[status] += 1
        self.add(seconds)


class RequestCounts:
    """The requests of a server process since they were last taken over. Belongs to one event loop."""

    __slots__ = ("layer_tiles", "render_durations", "rendered_tiles", "renders", "routes", "stages", "tiles")

    def __init__(self) -> None:
        self.routes: dict[str, RouteCounts] = {}
        self.tiles: Counter[str] = Counter()
        """Tiles served, by tier."""
        self.renders = 0
        """Metatiles and single pixels rendered."""
        self.rendered_tiles = 0
        self.render_durations = Durations()
        """Of metatiles, the queue excluded."""
        self.layer_tiles: Counter[tuple[str, str]] = Counter()
        """Tiles served, by layer and tier."""
        self.stages: dict[str, Durations] = {}
        """Of the stages of tiles that were not in memory."""

    def route(self, name: str) -> RouteCounts:
        """Return the counts of a route. They change hands when they are taken over, so keep them for one request only.

        Args:
            name: One of ``middleware.ROUTES`` and the like.

        Returns:
            The counts.
        """
        found = self.routes.get(name)
        if found is None:
            found = self.routes[name] = RouteCounts()
        return found

    def rendered(self, tiles: int, seconds: float) -> None:
        """Count a metatile.

        Args:
            tiles: Number of its tiles.
            seconds: How long it took, the queue excluded.
        """
        self.renders += 1
        self.rendered_tiles += tiles
        self.render_durations.add(seconds)

    def tile(self, layer: str, tier: str, stages_s: Mapping[str, float]) -> None:
        """Count a tile that was served.

        Args:
            layer: Name of its layer, one that exists.
            tier: Where it came from.
            stages_s: Seconds that each stage took.
        """
        self.layer_tiles[layer, tier] += 1
        for name, seconds in stages_s.items():
            found = self.stages.get(name)
            if found is None:
                found = self.stages[name] = Durations()
            found.buckets[bisect_left(SECONDS, seconds)] += 1  # as ``add`` does, which takes twice as long
            found.seconds += seconds

    def take(self) -> RequestCounts:
        """Return what was counted, and begin again at zero."""
        taken = RequestCounts()
        for name in self.__slots__:
            fresh = getattr(taken, name)
            setattr(taken, name, getattr(self, name))
            setattr(self, name, fresh)
        return taken
