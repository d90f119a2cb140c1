"""The control groups of a process, versions 1 and 2: where their limits are to be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMBERSHIP = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")
"""Where the cgroup file systems are mounted."""


def own_membership() -> str:
    """Return the content of this process's ``/proc/PID/cgroup``, empty where there is none."""
    try:
        return _MEMBERSHIP.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def cgroup_folders(controller: str, membership: str, mount: Path) -> Iterator[Path]:
    """Yield the folders in which the limits of a controller may be: of the process's cgroups and their parents.

    Args:
        controller: ``cpu`` or ``memory``.
        membership: Content of ``/proc/PID/cgroup``.
        mount: Where the cgroup file systems are mounted.

    Yields:
        Folders, which need not exist.
    """
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        # In a container the path may be the host's while the mount shows the container's part: missing folders pass.
        parts = [part for part in group.split("/") if part and part != ".."]
        roots = {mount / controllers, mount / controller} if controllers else {mount, mount / "unified"}
        for root in roots:
            for depth in range(len(parts) + 1):
                yield root.joinpath(*parts[:depth])
