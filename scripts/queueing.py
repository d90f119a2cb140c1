"""Simulation of queues: jobs that take resources, hold them for a time, and wait where none is free.

A resource has a number of places (processors of a machine, the event loop of a process, connections of a store) and
one queue, first come, first served. A job makes visits one after the other; a visit takes its resources in order,
keeps all of them for its time, and gives them back. A visit without resources is a delay.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Route = Callable[[random.Random], Sequence["Visit"]]


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay of a job."""

    seconds: float
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulation shows, without its warm-up."""

    rate: float
    """Jobs that ended, a second."""
    latencies_s: tuple[float, ...]
    """Of each job, from its start to its end, sorted."""
    utilisation: Mapping[str, float]
    """Share of the places of each resource that were held, on average."""

    def percentile_s(self, percent: float) -> float:
        """Return a percentile of the latencies; infinite where no job has ended."""
        if not self.latencies_s:
            return float("inf")
        return self.latencies_s[min(len(self.latencies_s) - 1, int(len(self.latencies_s) * percent / 100))]


@dataclass(slots=True)
class _Job:
    visits: Sequence[Visit]
    began: float
    at: int = 0
    taken: int = 0
    since: list[float] = field(default_factory=list)
    on_end: Callable[[], None] = lambda: None


class Simulation:
    """One run. Equal arguments give equal results."""

    def __init__(self, places: Mapping[str, int], seed: int = 1) -> None:
        """Set up empty queues.

        Args:
            places: Number of places of each resource.
            seed: Of the random numbers that routes are drawn with.
        """
        self._places = dict(places)
        self._free = dict(places)
        self._waiting: dict[str, deque[_Job]] = {name: deque() for name in places}
        self._held_s = dict.fromkeys(places, 0.0)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._chance = random.Random(seed)  # noqa: S311
        self._now = self._warm_s = 0.0
        self._latencies: list[float] = []

    def closed(self, clients: Sequence[Route], *, seconds: float, warm_s: float = 0.0) -> Outcome:
        """Simulate clients that start their next job when the last one has ended.

        Args:
            clients: For each what draws the visits of a job.
            seconds: How long the simulation lasts, after the warm-up.
            warm_s: Length of the warm-up.

        Returns:
            What it shows.
        """
        for route in clients:
            self._at(0.0, lambda route=route: self._start_again(route))
        return self._run(seconds, warm_s)

    def opened(self, rate: float, route: Route, *, seconds: float, warm_s: float = 0.0) -> Outcome:
        """Simulate independent arrivals (a Poisson process).

        Args:
            rate: Arrivals a second.
            route: Draws the visits of a job.
            seconds: How long the simulation lasts, after the warm-up.
            warm_s: Length of the warm-up.

        Returns:
            What it shows.
        """

        def arrive() -> None:
            self._at(self._now + self._chance.expovariate(rate), arrive)
            self._start(route)

        self._at(self._chance.expovariate(rate), arrive)
        return self._run(seconds, warm_s)

    def _run(self, seconds: float, warm_s: float) -> Outcome:
        self._warm_s, end = warm_s, warm_s + seconds
        while self._events and self._events[0][0] <= end:
            self._now, _, action = heapq.heappop(self._events)
            action()
        used = {name: held / (seconds * self._places[name]) for name, held in self._held_s.items()}
        return Outcome(len(self._latencies) / seconds, tuple(sorted(self._latencies)), used)

    def _at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), action))

    def _start(self, route: Route) -> None:
        self._proceed(_Job(route(self._chance), self._now))

    def _start_again(self, route: Route) -> None:
        self._proceed(_Job(route(self._chance), self._now, on_end=lambda: self._start_again(route)))

    def _proceed(self, job: _Job) -> None:
        if job.at == len(job.visits):
            if self._now >= self._warm_s:
                self._latencies.append(self._now - job.began)
            job.on_end()
            return
        visit = job.visits[job.at]
        while job.taken < len(visit.resources):
            name = visit.resources[job.taken]
            if not self._free[name]:
                self._waiting[name].append(job)
                return
            self._free[name] -= 1
            self._take(job)
        self._at(self._now + visit.seconds, lambda: self._leave(job))

    def _take(self, job: _Job) -> None:
        job.taken += 1
        job.since.append(self._now)

    def _leave(self, job: _Job) -> None:
        for name, since in zip(job.visits[job.at].resources, job.since, strict=True):
            self._held_s[name] += self._now - max(since, min(self._warm_s, self._now))
            if self._waiting[name]:
                waiting = self._waiting[name].popleft()
                self._take(waiting)
                self._at(self._now, lambda waiting=waiting: self._proceed(waiting))
            else:
                self._free[name] += 1
        job.at, job.taken, job.since = job.at + 1, 0, []
        self._proceed(job)
