"""What a measurement needs of the system: the memory of processes, from Linux's /proc, and files in its page cache."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def family(pid: int) -> list[int]:
    """Return a process and all its descendants that are alive."""
    members = [pid]
    for member in members:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{member}/task").iterdir():
                members += [int(child) for child in (thread / "children").read_text().split()]
    return members


def resident_bytes(pid: int) -> int:
    """Return the resident bytes of a process; 0 for one that has just ended."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def peak_bytes(pid: int) -> int:
    """Return the most bytes that a process has had resident; 0 for one that has just ended."""
    with contextlib.suppress(OSError):
        for text in Path(f"/proc/{pid}/status").read_text().splitlines():
            if text.startswith("VmHWM:"):
                return int(text.split()[1]) << 10
    return 0


def read_files(folder: Path) -> None:
    """Read all files of a folder, so that they are in the system's page cache."""
    for file in folder.rglob("*"):
        if file.is_file():
            file.read_bytes()
