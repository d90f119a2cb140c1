"""What limits a service of many hosts: demands of a request, capacities, the first bottleneck and the cost.

The utilisation law: a resource of capacity C (units a second) of which each request takes D units is full at C / D
requests a second. Of all resources, the smallest is the bottleneck (Lazowska et al. 1984, Quantitative System
Performance, chapter 5). ``bench_scaling.py`` measures the times of a request; the other figures are stated here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR_S = 3600.0
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Times:
    """What a request takes of a processor of a host, in seconds, and its body in bytes."""

    memory_s: float
    """A tile from the memory of the process."""
    disk_s: float
    """A tile from the tile cache on disk."""
    computed_s: float
    """A tile that is computed, its chunks in the page cache."""
    body_bytes: float


@dataclass(frozen=True, slots=True)
class Mix:
    """Where tiles come from: shares of all requests that reach a host, which add up to 1."""

    name: str
    memory: float
    disk: float
    shared: float
    """From the shared tier: a cache that all hosts use."""
    computed: float


COMPUTED_OPERATIONS = 5
"""Operations of the shared tier for a computed tile: look-up, lease, look-up again, write, end of the lease."""

MIXES = (
    Mix("people look at maps", 0.60, 0.20, 0.15, 0.05),
    Mix("a new dataset", 0.30, 0.10, 0.20, 0.40),
    Mix("every tile once", 0.0, 0.0, 0.0, 1.0),
)


@dataclass(frozen=True, slots=True)
class Site:
    """Hosts and what they share. The defaults are assumptions, each with its reason; none was measured here."""

    hosts: int
    cores: int = 8
    host_price: float = 0.34
    """Dollars an hour: 8 virtual processors on demand, list prices of 2026."""
    host_bytes: float = 1.25e9
    """Network of a host, bytes/s: 10 Gbit/s."""
    balancer_rate: float = 40_000.0
    """Requests a second of one load balancer: nginx with TLS and kept connections, 4 processors."""
    balancer_bytes: float = 3.1e9
    """Bytes/s of one load balancer: 25 Gbit/s."""
    balancers: int = 1
    store_rate: float = 5_500.0
    """Reads a second of one prefix of an object store, as Amazon S3 documents it."""
    store_prefixes: int = 10
    """Datasets in use, each with its prefix."""
    store_price: float = 0.4
    """Dollars for a million reads."""
    chunks_per_tile: float = 2.2
    """Chunks of 512 x 512 cells that a tile of 256 pixels touches."""
    chunk_hits: float = 0.9
    """Share of the chunks that the chunk cache of a host has: neighbours of a tile share chunks."""
    shared_rate: float = 100_000.0
    """Operations a second of one Redis process, as its own benchmark shows on such hosts."""
    shared_processes: int = 1
    shared_s: float = 60e-6
    """Processor time of a host for one operation of the shared tier."""
    shared_price: float = 0.126
    """Dollars an hour for a Redis process: 2 virtual processors with 16 GB, list prices of 2026."""
    balancer_price: float = 0.17
    """Dollars an hour for a load balancer: 4 virtual processors on demand, list prices of 2026."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that requests share."""

    name: str
    capacity: float
    """Units a second."""
    demand: float
    """Units a request."""

    @property
    def limit(self) -> float:
        """Requests a second at which it is full."""
        return float("inf") if self.demand <= 0 else self.capacity / self.demand


@dataclass(frozen=True, slots=True)
class Limits:
    """Every resource of a site, the first bottleneck first."""

    site: Site
    mix: Mix
    resources: tuple[Resource, ...]
    prices: Mapping[str, float] = field(default_factory=dict)
    """Dollars for a million requests at 70 % of the limit, by what is paid for."""

    @property
    def rate(self) -> float:
        """Requests a second at the first bottleneck."""
        return self.resources[0].limit


def processor_s(times: Times, mix: Mix, site: Site) -> float:
    """Return the processor time of a host for one request, on average."""
    return (
        mix.memory * times.memory_s
        + mix.disk * times.disk_s
        + mix.shared * times.memory_s
        + mix.computed * times.computed_s
        + shared_operations(mix) * site.shared_s
    )


def shared_operations(mix: Mix) -> float:
    """Return the operations of the shared tier for one request, on average."""
    return mix.shared + COMPUTED_OPERATIONS * mix.computed


def limits(times: Times, mix: Mix, site: Site, *, load: float = 0.7) -> Limits:
    """Find what limits a site.

    Args:
        times: Of a request.
        mix: Where tiles come from.
        site: The hosts.
        load: Share of the limit at which the site is run, for the prices.

    Returns:
        Its resources and prices.
    """
    reads = mix.computed * site.chunks_per_tile * (1 - site.chunk_hits)
    found = (
        Resource("processors of the hosts", site.hosts * site.cores, processor_s(times, mix, site)),
        Resource("network of the hosts", site.hosts * site.host_bytes, times.body_bytes),
        Resource("requests of the load balancer", site.balancers * site.balancer_rate, 1.0),
        Resource("network of the load balancer", site.balancers * site.balancer_bytes, times.body_bytes),
        Resource("reads of the object store", site.store_prefixes * site.store_rate, reads),
        Resource("operations of the shared tier", site.shared_processes * site.shared_rate, shared_operations(mix)),
    )
    ordered = tuple(sorted(found, key=lambda each: each.limit))
    million_s = MILLION / (ordered[0].limit * load)
    prices = {
        "hosts": site.hosts * site.host_price * million_s / HOUR_S,
        "load balancers": site.balancers * site.balancer_price * million_s / HOUR_S,
        "shared tier": site.shared_processes * site.shared_price * million_s / HOUR_S,
        "reads": MILLION * reads * site.store_price / MILLION,
    }
    return Limits(site, mix, ordered, prices)


def balancers_needed(times: Times, mix: Mix, site: Site) -> int:
    """Return how many load balancers keep the hosts' processors the bottleneck."""
    rate = site.hosts * site.cores / processor_s(times, mix, site)
    return max(1, -int(-max(rate / site.balancer_rate, rate * times.body_bytes / site.balancer_bytes) // 1))


def shared_needed(times: Times, mix: Mix, site: Site) -> int:
    """Return how many Redis processes keep the hosts' processors the bottleneck."""
    rate = site.hosts * site.cores / processor_s(times, mix, site)
    return max(1, -int(-rate * shared_operations(mix) / site.shared_rate // 1))
