"""The memory of a server process, and when it has too much of it to begin further work.

What a request needs while it is computed is in no budget of the caches. So the resident memory of the process, and what
its control group has left, are looked at before work begins: heavy work is refused first, and all that is not in memory
a little later, before the machine swaps or the kernel kills the process.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from lazytile.pyramid.cluster.shared_chunks import SharedChunks
from lazytile.pyramid.core.cgroups import MOUNT, cgroup_folders, own_membership
from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.admission.work_class import WorkClass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONDITION = "memory"
LOOK_EVERY_S = 0.2
FULL_SHARE = 1.05
"""Share of the watermark from which on light work is refused too."""
GROUP_SHARE = 0.95
"""Share of a control group's memory that counts as its watermark."""
_LONGEST = 1 << 16
"""Bytes of a file of a control group at most; the kernel writes it as a whole."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_FILES = (("memory.max", "memory.current", "inactive_file"),
          ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))  # fmt: skip
"""Limit, use, and what of it can be given back, in versions 2 and 1."""


def resident_bytes() -> int:
    """Return the memory of this process that is in RAM, 0 where the system does not say.

    Of chunks in memory that server processes share, each counts its own.
    """
    shared, others = SharedChunks.current(), 0
    try:
        if shared is not None:
            others = _shared_bytes() - shared.held_bytes
        return int(_content("/proc/self/statm").split()[1]) * _PAGE_BYTES - others
    except (OSError, ValueError, IndexError):
        return 0


def _shared_bytes() -> int:
    """Return the memory without a file of its own that this process shares, as far as it has seen it."""
    lines = _content("/proc/self/status").splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("RssShmem:")), 0)


def group_share(membership: str, mount: Path) -> float:
    """Return the share of its memory that the fullest control group of a process uses.

    Args:
        membership: Content of ``/proc/PID/cgroup``.
        mount: Where the cgroup file systems are mounted.

    Returns:
        0 to 1; 0 without a limit. Files that the kernel can drop from its cache do not count.
    """
    shares = [0.0]
    for folder in cgroup_folders("memory", membership, mount):
        for limit_name, used_name, dropped_name in _FILES:
            try:
                limit = int(_content(f"{folder}/{limit_name}"))
                used = int(_content(f"{folder}/{used_name}"))
                _, _, after = f"\n{_content(f'{folder}/memory.stat')}".partition(f"\n{dropped_name} ")
                dropped = int(after.partition("\n")[0] or 0)
                shares.append((used - dropped) / max(1, limit))
            except (OSError, ValueError):
                continue
    return max(shares)


def _content(path: str) -> str:
    """Return the content of a short file, in a tenth of the time that ``Path.read_text`` takes. Raises ``OSError``."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, _LONGEST).decode("ascii")
    finally:
        os.close(file)


def _own_group_share() -> float:
    return group_share(own_membership(), MOUNT)


class MemoryWatch:
    """Which classes of work may begin. The memory is looked at when asked, a few times a second at most."""

    def __init__(
        self,
        watermark_bytes: int,
        resident: Callable[[], int] = resident_bytes,
        group: Callable[[], float] = _own_group_share,
    ) -> None:
        """Watch this process.

        Args:
            watermark_bytes: Resident memory from which on heavy work is refused.
            resident: Returns the resident memory of the process, bytes.
            group: Returns the share of the control group's memory that is used.
        """
        self._watermark_bytes = watermark_bytes
        self._resident = resident
        self._group = group
        self._looked_at = -LOOK_EVERY_S
        self._share = 0.0

    def admits(self, work_class: WorkClass) -> bool:
        """Return whether work of a class may begin.

        Args:
            work_class: The class.

        Returns:
            False while there is too little memory for it.
        """
        now = time.monotonic()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            self._look()
        if self._share < 1.0:
            return True
        return self._share < FULL_SHARE and work_class not in (WorkClass.HEAVY, WorkClass.BACKGROUND)

    def _look(self) -> None:
        before = self._share
        self._share = max(self._resident() / self._watermark_bytes, self._group() / GROUP_SHARE)
        if self._share >= 1.0:
            text = f"it is at {self._share:.0%} of its watermark; work is refused until requests have ended"
            Conditions.current().report(CONDITION, text, ready=True)
        elif before >= 1.0:
            Conditions.current().clear(CONDITION)
