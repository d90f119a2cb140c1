"""The number of processors that this process may use: those of its affinity mask, no more than its cgroups' quota.

``os.cpu_count`` counts the machine's processors, also in a container that may use two of them. ``dask.system`` reads
the quota of only one cgroup and misses that of a parent and of version 1's plain ``cpu`` folder.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from lazytile.pyramid.core.cgroups import MOUNT, cgroup_folders, own_membership

if TYPE_CHECKING:
    from pathlib import Path


def processor_count() -> int:
    """Return how many processors this process may use; a quota of a fraction is rounded up."""
    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    quota = cgroup_quota(own_membership(), MOUNT)
    return usable if quota is None else max(1, min(usable, math.ceil(quota)))


def cgroup_quota(membership: str, mount: Path) -> float | None:
    """Return the processor time that a process's cgroups allow it.

    Follows the kernel's ``cgroup-v2`` (``cpu.max``) and ``sched-bwc`` (``cpu.cfs_quota_us``) documents.

    Args:
        membership: Content of ``/proc/PID/cgroup``.
        mount: Where the cgroup file systems are mounted.

    Returns:
        Processors, the least quota of the cgroups and their parents; None without any.
    """
    quotas = map(_folder_quota, cgroup_folders("cpu", membership, mount))
    return min((quota for quota in quotas if quota is not None), default=None)


def _folder_quota(folder: Path) -> float | None:
    """Return the quota that one cgroup sets; None where it sets none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii").strip() for name in ("quota", "period")
            )
        share = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None  # ``max``: no quota
    return share if share > 0 else None
