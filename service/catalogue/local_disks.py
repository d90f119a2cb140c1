"""Which folders are on disks of this machine, where the kernel sees every change."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
LOCAL_TYPES = frozenset({
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs", "reiserfs", "tmpfs", "xfs", "zfs",
})  # fmt: skip
"""File systems that only this machine's kernel writes to. Of any other, another machine may change files unseen."""


class LocalDisks:
    """The file systems that are mounted, as read once."""

    def __init__(self, mounts: Path = MOUNTS) -> None:
        """Read the table of mounts.

        Args:
            mounts: The table, as proc(5) describes it. A system without one has no local disks.
        """
        try:
            lines = mounts.read_text("utf-8", "replace").splitlines()
        except OSError:
            lines = []
        self._kinds: dict[str, str] = {}
        """Type of the file system by mount point; a later mount on the same point hides an earlier one."""
        for line in lines:
            fields, _, rest = line.partition(" - ")
            parts = fields.split(" ")
            if len(parts) > 4:
                self._kinds[_unescaped(parts[4])] = rest.split(" ")[0]

    def has(self, folder: Path) -> bool:
        """Return whether a folder is on a file system that only this machine changes.

        Args:
            folder: The folder; symbolic links are followed.

        Returns:
            False where the type is shared or unknown.
        """
        try:
            path = folder.resolve()
        except (OSError, RuntimeError):  # a loop of symbolic links
            return False
        for point in (path, *path.parents):
            kind = self._kinds.get(str(point))
            if kind is not None:
                return kind in LOCAL_TYPES
        return False


def _unescaped(text: str) -> str:
    """Return a path of the table with its octal escapes, such as that of a space, replaced."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
