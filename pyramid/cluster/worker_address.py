"""A worker of a Dask cluster, as clients know it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerAddress:
    """The present address of a worker. When its nanny restarts it, its name stays and its address changes."""

    address: str
    threads: int
    bulk: int | None = None
    """Quantity of the resource ``lazytile-bulk`` that it declares; None where it declares none."""
